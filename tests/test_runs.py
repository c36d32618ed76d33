"""Runs on real raw trees: the folder they leave, resumption, refusals."""

import csv
import dataclasses
import os
import shutil

import filelock
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dcmls_tf import addons, checkpoints, config, objective, runs
from dcmls_tf.data import fingerprint
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.evaluation import predictions
from dcmls_tf.evaluation import scores as split_scores

TERMS = {equation.name for equation in objective.EQUATIONS}


def options(raw_dir, data_dir, run_dir, **changes):
    small = {
        "modality": "2d",
        "joint_width": 16,
        "disc_width": 8,
        "batch_size": 4,
        "validation_percent": 25,
        "epochs": 2,
        "dropout": 0.2,
        "checkpoint_steps": 1,
    }
    places = {"raw_dir": str(raw_dir), "data_dir": data_dir, "run_dir": str(run_dir)}
    return config.Config(**{**small, **places, **changes})


def train(c, stop_at=None):
    """Trains a config; with `stop_at`, the process "dies" before that step is taken."""
    run = runs.Run(c, tf.distribute.MirroredStrategy(["/cpu:0"]))
    if stop_at is not None:
        step = run.trainer.train_step

        def dying(batch):
            if int(run.trainer.step) == stop_at:
                raise Died
            return step(batch)

        run.trainer.train_step = dying
    run.train()
    return run


class Died(Exception):
    """Stands for the end of a process: nothing is saved on the way out."""


def weights(run):
    return [v.numpy() for n in run.trainer.networks.values() for v in addons.tf_variables(n)]


@pytest.fixture(scope="module")
def finished(rhd_tree, data_dir, tmp_path_factory):
    """One uninterrupted run on the RHD tree: 2 epochs of 2 steps."""
    run_dir = tmp_path_factory.mktemp("runs") / "finished"
    return train(options(rhd_tree, data_dir, run_dir))


def history(run):
    with open(os.path.join(run.config.run_dir, "history.csv")) as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(finished, tmp_path):
    c = finished.config.replace(run_dir=str(tmp_path / "resumed"))
    with pytest.raises(Died):
        train(c, stop_at=3)
    resumed = train(c)
    for a, b in zip(weights(finished), weights(resumed), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for row, again in zip(history(finished), history(resumed), strict=True):
        numbers, repeated = ([float(v) for v in r.values()] for r in (row, again))
        np.testing.assert_allclose(numbers, repeated, rtol=1e-3, atol=1e-4)


def test_a_finished_run_is_left_alone(finished):
    before = os.stat(os.path.join(finished.config.run_dir, "history.csv")).st_mtime_ns
    again = train(finished.config)
    assert os.stat(os.path.join(finished.config.run_dir, "history.csv")).st_mtime_ns == before
    for a, b in zip(weights(finished), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)


def copy_of(run, tmp_path):
    """A copy of a run's folder, and its config."""
    run_dir = shutil.copytree(run.config.run_dir, tmp_path / "copy")
    return run_dir, run.config.replace(run_dir=str(run_dir))


def test_a_finished_runs_data_is_counted_and_not_read_again(finished, tmp_path, monkeypatch):
    run_dir, c = copy_of(finished, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "of", lambda *_: pytest.fail("data is read"))
        train(c)
    path = run_dir / "training_data.json"
    path.write_text(path.read_text().replace('"examples": 12', '"examples": 13'))
    with pytest.raises(UserError, match=r"12 training examples, not 13"):
        train(c)


@pytest.mark.slow
@pytest.mark.parametrize("steps_left", [0, 1])
def test_lost_best_networks_are_said_and_kept_anew(finished, tmp_path, capsys, steps_left):
    run_dir, c = copy_of(finished, tmp_path)
    for path in (run_dir / "best").glob("*.data-*"):
        os.truncate(path, 100)
    if steps_left:
        for path in (run_dir / "checkpoints").glob("ckpt-4.*"):
            path.unlink()
    with pytest.raises(UserError, match=r"best/ckpt-\d is damaged"):
        checkpoints.load_model(c.run_dir)
    again = train(c)
    assert "best networks are missing or damaged" in capsys.readouterr().out
    assert history(again) == history(finished)
    model, _, step = checkpoints.load_model(c.run_dir)
    assert step == 4
    evaluated = predictions.collect(checkpoints.pose_function(model), again.validation_batches)
    statistics = TrainingStatistics.load(c.run_dir)
    epe_mm = split_scores.of_split(evaluated, statistics.mean_scale_mm)["epe_mm"]
    assert again.best_epe_mm() == pytest.approx(epe_mm, rel=1e-4)
    assert train(c).best_epe_mm() == again.best_epe_mm()
    assert "missing or damaged" not in capsys.readouterr().out


def test_history_has_every_equation_and_validation(finished):
    rows = history(finished)
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert set(TERMS) <= set(rows[0])
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    assert finished.best_epe_mm() == pytest.approx(min(float(r["epe_mm"]) for r in rows), rel=1e-5)


def test_validation_samples_without_a_visible_joint_give_no_scores(finished, monkeypatch, capsys):
    collect = predictions.collect

    def hidden(*arguments):
        evaluated = collect(*arguments)
        return dataclasses.replace(evaluated, visible=np.zeros_like(evaluated.visible))

    monkeypatch.setattr(predictions, "collect", hidden)
    assert finished._validate(4) is None
    assert "no joint of 3 validation samples is visible: no scores" in capsys.readouterr().out


def test_tensorboard_has_curves_and_pictures(finished):
    events = EventAccumulator(os.path.join(finished.config.run_dir, "tensorboard"))
    tags = events.Reload().Tags()["tensors"]
    assert {f"epoch/{name}" for name in TERMS} <= set(tags)
    assert {"validation/epe_mm", "validation/pck"} <= set(tags)
    assert "examples/input_reconstruction_prediction" in tags


def test_the_best_model_loads_with_its_config(finished):
    model, c, step = checkpoints.load_model(finished.config.run_dir)
    rows = history(finished)
    best = min(rows, key=lambda row: float(row["epe_mm"]))
    assert c == finished.config
    assert step == int(best["step"])
    evaluated = predictions.collect(checkpoints.pose_function(model), finished.validation_batches)
    epe_mm = split_scores.of_split(evaluated, finished.statistics.mean_scale_mm)["epe_mm"]
    assert epe_mm == pytest.approx(float(best["epe_mm"]), rel=1e-4)


def test_statistics_are_the_training_splits_own(finished):
    from dcmls_tf.data import encoding, pipeline

    split = pipeline.training_split(finished.config)
    poses, scales = [], []
    for example in pipeline.canonical_examples(finished.builder, split, images=False):
        encoded = encoding.encode(example, finished.config)
        poses.append(encoded["y"].numpy())
        xyz = example["xyz_mm"].numpy()
        scales.append(np.linalg.norm(xyz[9] - xyz[10]))
    np.testing.assert_allclose(finished.statistics.mean_pose, np.mean(poses, axis=0), atol=1e-5)
    assert finished.statistics.mean_scale_mm == pytest.approx(np.mean(scales), rel=1e-5)


@pytest.mark.slow
def test_fine_tuning_starts_from_a_runs_best_networks(finished, tmp_path):
    tuned = train(finished.config.replace(
        initial_run=finished.config.run_dir, learning_rate=0.0, disc_learning_rate=0.0,
        epochs=1, run_dir=str(tmp_path),
    ))  # fmt: skip
    best, config, _ = runs.checkpoints.load_model(finished.config.run_dir)
    before = best.networks()["encoder_x"].trainable_variables
    after = tuned.trainer.model.networks()["encoder_x"].trainable_variables
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert config.initial_run == ""


@pytest.mark.parametrize("name", ["raw_dir", "initial_run"])
def test_a_start_on_what_is_not_there_leaves_no_folder(rhd_tree, tmp_path, name):
    places = {"data_dir": str(tmp_path / "data"), "run_dir": str(tmp_path / "runs" / "a")}
    c = options(rhd_tree, **places).replace(**{name: str(tmp_path / "nothing")})
    with pytest.raises(UserError, match=f"--{name}"):
        train(c)
    assert not list(tmp_path.iterdir())


def test_another_experiment_in_the_folder_is_refused(finished):
    with pytest.raises(UserError, match=r"--run_dir=.*--epochs=2"):
        runs.Run(finished.config.replace(epochs=3), finished.strategy)


def test_a_folder_that_is_trained_in_is_refused_and_then_free(finished):
    with (
        filelock.FileLock(f"{finished.config.run_dir}/.lock"),
        pytest.raises(UserError, match=r"--run_dir=.*another process"),
    ):
        finished.train()
    finished.train()


def test_a_training_that_meets_nan_stops_and_names_the_equation(rhd_tree, data_dir, tmp_path):
    c = options(rhd_tree, data_dir, tmp_path / "diverged", learning_rate=1e30, epochs=3)
    with pytest.raises(Diverged, match=r"(d_vae_x|d_vae_y|pose|align) is (nan|inf) at step"):
        train(c)
    assert not os.path.exists(os.path.join(c.run_dir, "history.csv"))
