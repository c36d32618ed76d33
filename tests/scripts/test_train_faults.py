"""What may befall a training, in real processes: kills, signals, full disks, other data, NaN.

`forked` starts them.
"""

import os
import random
import shutil
import signal
from pathlib import Path

import forked
import numpy as np
import pytest
import raw_trees
import small_disks
import tensorflow as tf

from dcmls_tf import runs
from dcmls_tf.errors import UserError

pytestmark = pytest.mark.slow

EPOCHS, STEPS = 15, 3
KILLS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with forked.Server(tmp_path_factory.mktemp("processes")) as started:
        yield started


@pytest.fixture(scope="module")
def flags(data_dir, tmp_path_factory):
    """A training of `EPOCHS` epochs of `STEPS` steps, of two examples more than those need."""
    raw_dir = raw_trees.write_rhd(tmp_path_factory.mktemp("rhd"), training=19, images=False)
    return [
        f"--raw_dir={raw_dir}",
        f"--data_dir={data_dir}",
        "--modality=2d",
        "--joint_width=8",
        "--disc_width=8",
        "--batch_size=4",
        "--validation_percent=25",
        f"--epochs={EPOCHS}",
        "--dropout=0.2",
        "--checkpoint_steps=1",
    ]


@pytest.fixture(scope="module")
def whole(server, flags, tmp_path_factory):
    """A run that nothing befell: its folder, and its process."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    training = server.train(*flags, f"--run_dir={run_dir}")
    assert training.status() == 0, training.output()
    return run_dir, training


def tensors(folder):
    """All numbers of a folder's newest checkpoint but how often one was written."""
    reader = tf.train.load_checkpoint(str(folder))
    names = sorted(reader.get_variable_to_shape_map())
    return {n: reader.get_tensor(n) for n in names if not n.startswith(("save_counter", "_CHECK"))}


def assert_equal(run_dir, other):
    """Bit for bit: weights, optimisers and best networks; history and statistics."""
    for folder in ("checkpoints", "best"):
        mine, others = tensors(run_dir / folder), tensors(other / folder)
        assert mine.keys() == others.keys()
        assert len(mine) > 50
        for name in mine:
            np.testing.assert_array_equal(mine[name], others[name], err_msg=name)
    for name in ("history.csv", "training_statistics.json", "training_data.json"):
        assert (run_dir / name).read_bytes() == (other / name).read_bytes()


def steps(*trainings):
    """Step → ids of its samples, each time that it was begun."""
    taken = {}
    for training in trainings:
        for kind, step, *ids in training.journal():
            if kind == "step":
                taken.setdefault(int(step), []).append(ids)
    return taken


def assert_ends_like(whole, server, flags, run_dir):
    """A last start takes the run to its end, which is an undisturbed one's."""
    last = server.train(*flags, f"--run_dir={run_dir}")
    assert last.status() == 0, last.output()
    assert_equal(run_dir, whole[0])
    return last


def test_twenty_kills_at_random_moments_change_nothing(server, flags, whole, tmp_path):
    moments = random.Random(0)
    run_dir, trainings, begun = tmp_path / "killed", [], 0
    for _ in range(KILLS):
        at = f"step {begun + moments.randint(1, 2)}"
        killed = forked.Sent(signal.SIGKILL, at, moments.uniform(0, 0.05))
        training = server.train(*flags, f"--run_dir={run_dir}", sent=killed)
        trainings.append(training)
        assert training.status() == -signal.SIGKILL
        newest = tf.train.latest_checkpoint(str(run_dir / "checkpoints"))
        begun = int(newest.rsplit("-", 1)[1])
    trainings.append(assert_ends_like(whole, server, flags, run_dir))
    assert not list(run_dir.rglob("*_temp*")) + list(run_dir.rglob("*.partial"))

    taken = steps(*trainings)
    assert sorted(taken) == list(range(1, EPOCHS * STEPS + 1))
    undisturbed = steps(whole[1])
    for step, ids in taken.items():
        assert all(again == undisturbed[step][0] for again in ids)
    for epoch in range(EPOCHS):
        seen = [i for step in range(STEPS) for i in taken[1 + epoch * STEPS + step][0]]
        assert len(set(seen)) == len(seen) == 4 * STEPS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("at", ["step 8", "validating 9", "validating 45"])
def test_a_signal_saves_and_an_epoch_is_validated_after_it(
    server, flags, whole, tmp_path, number, at
):
    run_dir = tmp_path / "stopped"
    rare = [*flags[:-1], "--checkpoint_steps=1000"]
    training = server.train(*rare, f"--run_dir={run_dir}", sent=forked.Sent(number, at))
    assert training.status() == 128 + number, training.output()
    saved = int(tf.train.latest_checkpoint(str(run_dir / "checkpoints")).rsplit("-", 1)[1])
    # An interrupt may come before the step that has just begun is done.
    assert saved >= int(at.split()[1]) - (number == signal.SIGINT)
    assert f"step {saved} is saved" in training.output()
    assert "Traceback" not in training.output()
    assert_ends_like(whole, server, rare, run_dir)


def test_a_killed_validation_is_made_up_for(server, flags, whole, tmp_path):
    run_dir = tmp_path / "killed"
    killed = forked.Sent(signal.SIGKILL, "validating 45")
    training = server.train(*flags, f"--run_dir={run_dir}", sent=killed)
    assert training.status() == -signal.SIGKILL
    assert_ends_like(whole, server, flags, run_dir)


def sentence(training):
    """The one line of a process that could not do it."""
    assert training.status() == 1, training.output()
    assert "Traceback" not in training.output(), training.output()
    errors = [line for line in training.output().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


@pytest.mark.parametrize("leave", [0, 20_000, 150_000, 300_000])
def test_on_a_full_disk_it_ends_in_a_sentence_and_goes_on_when_there_is_room(
    server, flags, whole, tmp_path, leave
):
    with small_disks.small_disk(tmp_path / "disk", kilobytes=4096) as disk:
        filling = small_disks.fill(disk, leave)
        run_dir = disk / "run"
        said = sentence(server.train(*flags, f"--run_dir={run_dir}"))
        assert str(run_dir) in said
        assert "No space left on device" in said
        filling.unlink()
        assert_ends_like(whole, server, flags, run_dir)
        assert not list(run_dir.rglob("*_temp*")) + list(run_dir.rglob("*.partial"))


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of the undisturbed run."""
    return shutil.copytree(whole[0], tmp_path / "finished")


def undone(run_dir):
    """Takes the newest checkpoint away, so that a run has steps left to take."""
    for path in (run_dir / "checkpoints").glob(f"ckpt-{EPOCHS * STEPS}.*"):
        path.unlink()


@pytest.mark.parametrize("file", ["data-00000-of-00001", "index"])
def test_a_damaged_checkpoint_costs_no_more_than_its_steps(server, flags, whole, finished, file):
    path = finished / "checkpoints" / f"ckpt-{EPOCHS * STEPS}.{file}"
    os.truncate(path, path.stat().st_size // 2)
    last = assert_ends_like(whole, server, flags, finished)
    assert f"ckpt-{EPOCHS * STEPS} is damaged" in last.output()
    assert f"ckpt-{EPOCHS * STEPS - 1} is restored" in last.output()
    assert f"goes on at step {EPOCHS * STEPS - 1} of {EPOCHS * STEPS}" in last.output()


def test_without_the_list_of_checkpoints_a_run_is_still_done(server, flags, whole, finished):
    (finished / "checkpoints" / "checkpoint").write_bytes(b"\xff\x00")
    last = server.train(*flags, f"--run_dir={finished}")
    assert last.status() == 0, last.output()
    assert f"goes on at step {EPOCHS * STEPS} of" in last.output()
    assert not steps(last)


def without_checkpoints(run_dir):
    shutil.rmtree(run_dir / "checkpoints")


def cut_history(run_dir):
    undone(run_dir)
    os.truncate(run_dir / "history.csv", 300)


def spoilt_statistics(run_dir):
    undone(run_dir)
    (run_dir / "training_statistics.json").write_text('{"mean_pose": NaN}')


def spoilt_config(run_dir):
    (run_dir / "config.json").write_bytes(b"\x89PNG")


def wider_config(run_dir):
    path = run_dir / "config.json"
    path.write_text(path.read_text().replace('"joint_width": 8', '"joint_width": 9'))


DAMAGES = {
    "no checkpoints": (without_checkpoints, "has history.csv and best but no checkpoint"),
    "history": (cut_history, "history.csv is damaged (line"),
    "statistics": (spoilt_statistics, "training_statistics.json is damaged"),
    "config": (spoilt_config, "config.json is not a run's configuration"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_of_a_run_is_one_sentence(server, flags, finished, name):
    damage, expected = DAMAGES[name]
    damage(finished)
    assert expected in sentence(server.train(*flags, f"--run_dir={finished}"))


def test_a_checkpoint_of_other_widths_is_one_sentence(server, flags, finished):
    wider_config(finished)
    wider = [flag.replace("joint_width=8", "joint_width=9") for flag in flags]
    said = sentence(server.train(*wider, f"--run_dir={finished}"))
    assert "is of other networks than the run's config.json says" in said


def test_a_run_goes_on_in_moved_data_and_not_in_other(server, flags, whole, finished, tmp_path):
    undone(finished)
    raw_dir = Path(flags[0].removeprefix("--raw_dir="))
    others = {"fewer": 15, "other": 19}
    for name, count in others.items():
        (tmp_path / name).mkdir()
        raw_trees.write_rhd(tmp_path / name, training=count, seed=5, images=False)
        said = sentence(
            server.train(f"--raw_dir={tmp_path / name}", *flags[1:], f"--run_dir={finished}")
        )
        assert "is not the data that" in said
        assert ("15 training examples, not 19" if name == "fewer" else "other labels") in said
    moved = shutil.copytree(raw_dir, tmp_path / "moved", copy_function=shutil.copyfile)
    places = [f"--raw_dir={moved}", f"--data_dir={tmp_path / 'data'}", *flags[2:]]
    assert_ends_like(whole, server, places, finished)


def test_a_loss_that_is_not_finite_keeps_the_checkpoint_before_it(server, flags, tmp_path):
    run_dir = tmp_path / "diverged"
    training = server.train(*flags, "--learning_rate=1e30", f"--run_dir={run_dir}")
    said = sentence(training)
    assert " is nan at step " in said or " is inf at step " in said or "is not finite after" in said
    ids = {i for taken in steps(training).values() for i in taken[-1]}
    assert sum(i in said for i in ids) >= 4
    for path in (run_dir / "checkpoints").glob("*.index"):
        reader = tf.train.load_checkpoint(str(path.with_suffix("")))
        for name in reader.get_variable_to_shape_map():
            if name.startswith(("networks", "optimizers")):
                assert np.isfinite(reader.get_tensor(name)).all(), name


def test_an_evaluation_onto_a_full_disk_is_a_sentence_and_leaves_nothing(whole, tmp_path):
    with small_disks.small_disk(tmp_path / "disk", kilobytes=512) as disk:
        report = disk / "report.json"
        filling = small_disks.fill(disk, leave=8192)
        with pytest.raises(UserError, match=r"--report=.*cannot be written \(No space left on dev"):
            runs.evaluate_run(str(whole[0]), str(report))
        assert os.listdir(disk) == ["filling"]
        filling.unlink()
        runs.evaluate_run(str(whole[0]), str(report))
        assert report.exists()


def test_deterministic_runs_are_equal_bit_for_bit(server, flags, tmp_path):
    for name in ("first", "second"):
        training = server.train(*flags, "--deterministic", f"--run_dir={tmp_path / name}")
        assert training.status() == 0, training.output()
    assert_equal(tmp_path / "first", tmp_path / "second")
