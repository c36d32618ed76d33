"""Rows are valid options, and every method has tuned ones."""

import json

import pytest

from dcmls_tf.config import Config
from dcmls_tf.experiments import tables


@pytest.mark.parametrize("name", tables.EXPERIMENTS)
def test_rows_are_valid_and_differ(name):
    rows = tables.EXPERIMENTS[name].rows
    configs = [Config(**options) for options in rows.values()]
    assert len(set(configs)) == len(rows)
    assert configs.count(Config()) == 1  # each table has the method as it is


def test_a_row_of_an_ablation_has_the_options_of_its_method():
    assert {tables.method_of(options) for options in tables.SHARES.values()} == {"full"}
    assert {tables.method_of(options) for options in tables.PARTS.values()} == {"full"}
    methods = [tables.method_of(options) for options in tables.LATENT_SPACES.values()]
    assert methods == ["direct", "unified", "full", "unified", "full"]


def test_a_methods_options_stand_on_the_common_ones_and_on_those_of_another_data_set(
    tmp_path, monkeypatch
):
    tuned = {
        "stb 2d": {
            "common": {"joint_width": 64, "learning_rate": 2e-3},
            "full": {"options": {"learning_rate": 3e-3}},
            "unified": {"options": {"weight_kl": 1e-7}},
        },
        "rendered 2d": {"like": "stb 2d", "common": {"learning_rate": 4e-3}},
    }
    (tmp_path / "tuned.json").write_text(json.dumps(tuned))
    monkeypatch.setattr(tables, "TUNED_FILE", tmp_path / "tuned.json")
    assert tables.tuned_options("stb", "2d", "full") == {"joint_width": 64, "learning_rate": 3e-3}
    unified = tables.tuned_options("stb", "2d", "unified")
    assert unified == {"joint_width": 64, "learning_rate": 2e-3, "weight_kl": 1e-7}
    alike = tables.tuned_options("rendered", "2d", "full")
    assert alike == {"joint_width": 64, "learning_rate": 4e-3}
    assert tables.tuned_options("rhd", "2d", "full") == {}
