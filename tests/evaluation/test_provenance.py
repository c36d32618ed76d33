"""What a report says about its origin."""

import platform

import numpy as np

from dcmls_tf.config import Config
from dcmls_tf.data.rhd_layout import RENDER_SETTINGS
from dcmls_tf.evaluation import provenance


def test_rendered_data_is_called_so(tmp_path):
    config = Config(dataset="rhd", raw_dir=str(tmp_path))
    assert provenance.source_of(config) == "rhd"
    (tmp_path / RENDER_SETTINGS).write_text("{}")
    assert provenance.source_of(config) == "rendered"


def test_facts_are_the_configs(tmp_path):
    config = Config(dataset="stb", raw_dir=str(tmp_path), root="wrist", modality="2d")
    facts = provenance.facts(config, "training[:5%]", {"step": 7})
    assert facts["dataset"] == facts["source"] == "stb"
    assert (facts["split"], facts["root"]) == ("training[:5%]", "wrist")
    assert facts["modality"] == "2d"
    assert facts["run"] == {"step": 7}
    assert facts["config"]["root"] == "wrist"
    assert facts["date"].endswith("+00:00")
    assert provenance.facts(config, "training", None)["run"] == {}


def test_versions_leave_out_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    expected = {"python": platform.python_version(), "numpy": np.__version__}
    assert provenance.versions() == expected
