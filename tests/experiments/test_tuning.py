"""Searches of options: where they begin, what counts, how they go on."""

import json
from typing import Any

import pytest
import raw_trees

from dcmls_tf import config
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.experiments import tables, tuning
from dcmls_tf.experiments.jobs import Setting


def test_what_has_been_found_is_of_the_methods_own_spaces():
    tuned = json.loads(tables.TUNED_FILE.read_text())
    for setting, entry in tuned.items():
        dataset, modality = setting.split()
        searched = tuned[entry.get("like", setting)]
        for method, options in tuning.OPTIONS.items():
            assert set(searched[method]["options"]) == set(tuning.SPACES[method])
            Setting(dataset, modality, "full").config(options, seed=0)
        assert len({searched[method]["trials"] for method in tuning.OPTIONS}) == 1


def test_a_search_begins_with_the_defaults_and_what_is_tuned_so_far():
    defaults, tuned = tuning._known(Setting("stb", "2d", "full"), "full")
    assert defaults["weight_kl"] == config.Config().weight_kl
    assert tuned.items() <= tables.tuned_options("stb", "2d", "full").items()
    assert len(tuning._known(Setting("rhd", "2d", "full"), "full")) == 1  # nothing is tuned there


class FailingRun:
    """A `runs.Run` whose training ends with an error."""

    error: UserError

    def __init__(self, config, strategy):
        pass

    def train(self):
        raise self.error


def test_a_trial_that_diverges_has_a_score_and_any_other_error_ends_the_search(monkeypatch):
    monkeypatch.setattr(tuning.runs, "Run", FailingRun)
    FailingRun.error = Diverged("pose is nan at step 50; lower --learning_rate")
    assert tuning._validation_epe_mm(config.Config()) == tuning.DIVERGED_EPE_MM
    FailingRun.error = UserError("--raw_dir=there: lower --learning_rate does not help")
    with pytest.raises(UserError, match="there"):
        tuning._validation_epe_mm(config.Config())


@pytest.mark.slow
def test_a_search_goes_on_where_it_stopped(tmp_path):
    tree = raw_trees.write_stb(
        tmp_path / "stb", frames={"B1Counting": 20, "B2Counting": 140}, images=False
    )
    places: dict[str, Any] = {"raw_dir": str(tree)}
    places |= {name: str(tmp_path / name) for name in ("data_dir", "runs_dir")}
    setting = Setting("stb", "2d", "full", **places)
    first = tuning.search(setting, "full", trials=1, epochs=1)
    second = tuning.search(setting, "full", trials=2, epochs=1)
    assert (first["trials"], second["trials"]) == (1, 2)
    assert second["validation_epe_mm"] <= first["validation_epe_mm"]
