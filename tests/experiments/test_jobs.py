"""Runs' folders and options; calls in parallel, in processes of their own."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from dcmls_tf import config
from dcmls_tf.errors import UserError
from dcmls_tf.experiments import jobs, tables
from dcmls_tf.experiments.jobs import Setting

SETTING = Setting("stb", "2d", "quick")


def test_shared_rows_share_a_run():
    method = SETTING.run_dir({}, seed=1)
    for name, experiment in tables.EXPERIMENTS.items():
        if name != "labels":  # its rows say how many pairs, 100 % too
            folders = [SETTING.run_dir(options, seed=1) for options in experiment.rows.values()]
            assert method in folders, name


def test_other_options_or_seeds_have_another_folder():
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) == "runs/reproduce/stb-2d-quick/gamma_z=0.2-seed0"
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) != SETTING.run_dir({"gamma_z": 0.4}, 0)
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) != SETTING.run_dir({"gamma_z": 0.2}, 1)
    assert SETTING.run_dir({}, 0) != Setting("rhd", "2d", "quick").run_dir({}, 0)


def test_a_run_has_its_rows_options_its_methods_and_the_settings_places(tmp_path, monkeypatch):
    tuned = {
        "common": {"joint_width": 64, "learning_rate": 2e-3},
        "full": {"options": {"learning_rate": 3e-3}},
        "unified": {"options": {"weight_kl": 1e-7}},
    }
    (tmp_path / "tuned.json").write_text(json.dumps({"stb 2d": tuned}))
    monkeypatch.setattr(tables, "TUNED_FILE", tmp_path / "tuned.json")
    full = SETTING.config({"use_disc_h": False}, seed=2)
    assert (full.joint_width, full.learning_rate, full.use_disc_h) == (64, 3e-3, False)
    assert (full.seed, full.epochs, full.dataset) == (2, jobs.QUICK["epochs"], "stb")
    unified = SETTING.config({"latent": "unified", "schedule": "pairs"}, seed=0)
    assert (unified.learning_rate, unified.weight_kl) == (2e-3, 1e-7)
    elsewhere = Setting("rhd", "2d", "full", raw_dir="there")
    plain = config.from_flagfile(elsewhere.flagfile)
    untuned = elsewhere.config({}, seed=0)
    assert (untuned.raw_dir, untuned.epochs) == ("there", plain.epochs)
    assert untuned.learning_rate == plain.learning_rate


def test_what_is_missing_is_run_and_the_rest_only_named(tmp_path, monkeypatch):
    setting = Setting("stb", "2d", "full", runs_dir=str(tmp_path), transfer_dir="rhd", seeds=2)
    rows = {"a": {}, "b": {"gamma_z": 0.2}}
    for options, seed, reports in (({}, 0, ["report", "transfer"]), ({}, 1, ["report"])):
        os.makedirs(setting.run_dir(options, seed))
        for report in reports:
            (tmp_path / setting.run_dir(options, seed) / f"{report}.json").touch()
    ran = []
    monkeypatch.setattr(jobs, "FreshProcesses", ThreadPoolExecutor)
    monkeypatch.setattr(jobs, "prepare", lambda pool, config: None)
    monkeypatch.setattr(jobs, "run", lambda setting, options, seed: ran.append((options, seed)))
    folders = jobs.run_rows(setting, rows)
    assert ran == [({"gamma_z": 0.2}, 0), ({}, 1), ({"gamma_z": 0.2}, 1)]
    assert folders == {
        name: [setting.run_dir(options, seed) for seed in (0, 1)] for name, options in rows.items()
    }


def failing(number):
    if number == 2:
        raise UserError("the second")
    return number


def test_the_first_failure_in_parallel_is_raised():
    with ThreadPoolExecutor(1) as pool, pytest.raises(UserError, match="the second"):
        jobs.in_parallel(pool, failing, [(n,) for n in range(5)], "")
    with ThreadPoolExecutor(2) as pool:
        assert jobs.in_parallel(pool, failing, [(3,), (1,)], "") == [3, 1]


@pytest.mark.slow
def test_each_call_has_a_process_of_its_own_and_failures_cross_it():
    with jobs.FreshProcesses(2) as pool:
        pids = jobs.in_parallel(pool, os.getpid, [()] * 3, "")
        assert len({*pids, os.getpid()}) == 4
        with pytest.raises(UserError, match="the second"):
            pool.submit(failing, 2).result()
