"""Rows, options and run folders; a search; one experiment whole, in real processes."""

import json
import os
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import raw_trees

from dcmls_tf import config
from dcmls_tf.errors import UserError
from dcmls_tf.experiments import comparison, tuning
from dcmls_tf.experiments import tables as experiments
from dcmls_tf.experiments.tables import Setting

ROOT = pathlib.Path(__file__).parents[2]
SETTING = Setting("stb", "2d", "quick")


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_rows_are_valid_and_differ(name):
    _, rows = experiments.EXPERIMENTS[name]
    configs = [config.Config(**options) for options in rows.values()]
    defaults = sum(c == config.Config() for c in configs)
    assert len(set(configs)) == len(rows)
    assert defaults == 1  # each table has the method as it is


def test_shared_rows_share_a_run():
    method = SETTING.run_dir({}, seed=1)
    for name, (_, rows) in experiments.EXPERIMENTS.items():
        if name != "labels":  # its rows say how many pairs, 100 % too
            assert method in [SETTING.run_dir(options, seed=1) for options in rows.values()], name
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) != SETTING.run_dir({"gamma_z": 0.4}, 0)
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) != SETTING.run_dir({"gamma_z": 0.2}, 1)


def test_a_run_has_its_rows_options_its_methods_and_the_settings_places(tmp_path, monkeypatch):
    tuned = {
        "common": {"joint_width": 64, "learning_rate": 2e-3},
        "full": {"options": {"learning_rate": 3e-3}},
        "unified": {"options": {"weight_kl": 1e-7}},
    }
    alike = {"like": "stb 2d", "common": {"learning_rate": 4e-3}}
    (tmp_path / "tuned.json").write_text(json.dumps({"stb 2d": tuned, "rendered 2d": alike}))
    monkeypatch.setattr(experiments, "TUNED_FILE", tmp_path / "tuned.json")
    full = SETTING.config({"use_disc_h": False}, seed=2)
    assert (full.joint_width, full.learning_rate, full.use_disc_h) == (64, 3e-3, False)
    assert (full.seed, full.epochs, full.dataset) == (2, experiments.QUICK["epochs"], "stb")
    unified = SETTING.config({"latent": "unified", "schedule": "pairs"}, seed=0)
    assert (unified.learning_rate, unified.weight_kl) == (2e-3, 1e-7)
    alike = Setting("rendered", "2d", "quick").config({}, seed=0)
    assert (alike.joint_width, alike.learning_rate) == (64, 4e-3)
    elsewhere = Setting("rhd", "2d", "full", raw_dir="there")
    plain = config.from_flagfile(elsewhere.flagfile)
    found = elsewhere.config({}, seed=0)
    assert (found.raw_dir, found.learning_rate) == ("there", plain.learning_rate)


def test_what_has_been_found_is_of_the_methods_own_spaces():
    tuned = json.loads(experiments.TUNED_FILE.read_text())
    for setting, entry in tuned.items():
        dataset, modality = setting.split()
        searched = tuned[entry.get("like", setting)]
        for method, options in tuning.OPTIONS.items():
            assert set(searched[method]["options"]) == set(tuning.SPACES[method])
            Setting(dataset, modality, "full").config(options, seed=0)
        assert len({searched[method]["trials"] for method in tuning.OPTIONS}) == 1


def failing(number):
    if number == 2:
        raise UserError("the second")
    return number


def test_the_first_failure_in_parallel_is_raised():
    with ThreadPoolExecutor(1) as pool, pytest.raises(UserError, match="the second"):
        experiments.in_parallel(pool, failing, [(n,) for n in range(5)], "")
    with ThreadPoolExecutor(2) as pool:
        assert experiments.in_parallel(pool, failing, [(3,), (1,)], "") == [3, 1]


@pytest.mark.slow
def test_each_call_has_a_process_of_its_own_and_failures_cross_it():
    with experiments.FreshProcesses(2) as pool:
        pids = experiments.in_parallel(pool, os.getpid, [()] * 3, "")
        assert len({*pids, os.getpid()}) == 4
        with pytest.raises(UserError, match="the second"):
            pool.submit(failing, 2).result()


def test_a_search_begins_with_the_defaults_and_what_is_tuned_so_far():
    defaults, tuned = tuning._known(Setting("stb", "2d", "full"), "full")
    assert defaults["weight_kl"] == config.Config().weight_kl
    assert tuned.items() <= experiments.tuned_options("stb", "2d", "full").items()
    assert len(tuning._known(Setting("rhd", "2d", "full"), "full")) == 1  # nothing is tuned there


@pytest.mark.slow
def test_a_search_goes_on_where_it_stopped(tmp_path):
    tree = raw_trees.write_stb(
        tmp_path / "stb", frames={"B1Counting": 20, "B2Counting": 140}, images=False
    )
    places = {"raw_dir": tree, "data_dir": tmp_path / "data", "runs_dir": tmp_path / "runs"}
    setting = Setting("stb", "2d", "full", **{k: str(v) for k, v in places.items()})
    first = tuning.search(setting, "full", trials=1, epochs=1)
    found = tuning.search(setting, "full", trials=2, epochs=1)
    assert (first["trials"], found["trials"]) == (1, 2)
    assert found["validation_epe_mm"] <= first["validation_epe_mm"]


@pytest.mark.slow
def test_experiments_run_whole_and_are_read_the_second_time(tmp_path):
    """Figures 7 and 6 from their commands, on a tree of annotations in RHD's layout."""
    tree = raw_trees.write_rhd(tmp_path / "rhd", training=80, evaluation=12, images=False)

    def reproduce(experiment):
        command = [sys.executable, str(ROOT / "scripts" / "reproduce.py")]
        command += [f"--experiment={experiment}", "--dataset=rhd", "--modality=2d"]
        command += ["--scale=quick", f"--raw_dir={tree}", f"--data_dir={tmp_path / 'data'}"]
        command += [f"--runs_dir={tmp_path / 'runs'}", f"--out_dir={tmp_path / 'out'}"]
        command += [f"--transfer_dir={tree}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    reproduce("fig7")
    (report,) = (tmp_path / "runs").rglob("report.json")
    written = report.stat().st_mtime_ns
    reproduce("fig6")
    assert report.stat().st_mtime_ns == written
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {f"fig7-rhd-2d-quick.{e}" for e in ("png", "gif")} | {
        f"fig6-rhd-2d-quick.{e}" for e in ("png", "gif", "csv")
    }
    setting = Setting("rhd", "2d", "quick")
    comparison.write("t", setting, {"row": [str(report.parent)]}, str(tmp_path / "t"))
    fields = json.loads(report.read_text())
    text = (tmp_path / "t.md").read_text()
    assert f"| row | {fields['epe_mm']:.2f} |" in text
    assert f"| 1 | {fields['epe_mm']:.2f} |" in text  # the transfer is to the same data
