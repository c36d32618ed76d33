"""A run's folder: whose it is, who may write it, what killed processes left in it."""

import os
import tempfile
from pathlib import Path

import filelock
import pytest
import small_disks

from dcmls_tf import run_folder
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError


@pytest.fixture
def open_to_all():
    """A folder that its tests may take the permissions of; others can get to it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def hold(run_dir):
    """Takes a run's folder and lets go of it."""
    with run_folder.alone_in(str(run_dir)):
        pass


def test_the_folder_of_another_experiment_is_refused_and_that_of_the_same_is_not(tmp_path):
    c = Config(run_dir=str(tmp_path / "run"), epochs=2)
    run_folder.claim(c)
    c.save(c.run_dir)
    run_folder.claim(c.replace(raw_dir="moved", checkpoint_steps=7))
    with pytest.raises(UserError, match=r"--run_dir=.*holds a run with --epochs=2, --seed=0;"):
        run_folder.claim(c.replace(epochs=3, seed=1))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--run_dir=.*file/run: cannot be made \(Not a dir"):
        run_folder.claim(Config(run_dir=str(tmp_path / "file" / "run")))


def fail_to_start(run_dir, writes=()):
    with run_folder.claimed(Config(run_dir=str(run_dir))):
        for name in writes:
            (run_dir / name).touch()
        raise UserError("no data")


def test_a_start_that_fails_leaves_no_new_folder(tmp_path):
    for there in ("", "runs", "runs/a"):
        (tmp_path / there).mkdir(exist_ok=True)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError, match="no data"):
            fail_to_start(tmp_path / "runs" / "a")
        assert sorted(tmp_path.rglob("*")) == before
    with run_folder.claimed(Config(run_dir=f"{tmp_path}/runs/b")):
        pass
    assert (tmp_path / "runs" / "b").is_dir()


def test_a_start_that_fails_leaves_what_others_wrote(tmp_path):
    with pytest.raises(UserError, match="no data"):
        fail_to_start(tmp_path / "runs" / "a", writes=["notes.txt"])
    assert (tmp_path / "runs" / "a" / "notes.txt").exists()


@pytest.mark.parametrize("name", ["x[1]", "run*", "r?n", "back\\slash"])
def test_a_name_that_is_a_pattern_to_tensorflow_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"--run_dir=.*a name for a pattern; rename the folder"):
        run_folder.claim(Config(run_dir=str(tmp_path / name)))
    assert not list(tmp_path.iterdir())


def test_checkpoints_without_a_config_are_not_gone_on_with(tmp_path):
    c = Config(run_dir=str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    run_folder.claim(c)
    (tmp_path / "checkpoints" / "ckpt-3.index").touch()
    with pytest.raises(UserError, match=r"--run_dir=.*has checkpoints but no config.json"):
        run_folder.claim(c)


@pytest.mark.parametrize("name", ["checkpoints", "best", "tensorboard", "history.csv", ".lock"])
def test_a_file_where_a_folder_belongs_and_the_reverse_are_named(tmp_path, name):
    path = tmp_path / name
    _ = path.mkdir() if "." in name else path.touch()
    with pytest.raises(UserError, match=rf"--run_dir=.*: {name} in it (is no|cannot be held)"):
        hold(tmp_path)
    _ = path.rmdir() if "." in name else path.unlink()
    hold(tmp_path)


def test_one_at_a_time(tmp_path):
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="another process"):
        hold(tmp_path)
    hold(tmp_path)
    hold(tmp_path)


@pytest.mark.parametrize("locked", [".", ".lock"])
def test_a_folder_that_may_not_be_written_is_one_sentence(open_to_all, locked):
    (open_to_all / ".lock").touch(0o444)
    os.chmod(open_to_all, 0o555 if locked == "." else 0o777)
    if locked == ".":
        os.remove(open_to_all / ".lock")
    with small_disks.ordinary_user(), pytest.raises(UserError) as raised:
        hold(open_to_all)
    assert f"--run_dir={open_to_all}: " in str(raised.value)
    assert "cannot be written (Permission denied); make it writable" in str(raised.value)


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path):
    kept = ["history.csv", "report.json.12.partial", "my.history.csv.1.partial"]
    for name in [*kept, "history.csv.123.partial", "config.json.7.partial"]:
        (tmp_path / name).write_text("x")
    temporary = tmp_path / "checkpoints" / "ckpt-7_temp"
    temporary.mkdir(parents=True)
    (temporary / "part").write_text("x")
    with run_folder.alone_in(str(tmp_path)):
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {*kept, "checkpoints", ".lock"}
        assert not temporary.exists()


def test_a_trained_run_without_checkpoints_is_not_begun_again(tmp_path):
    run_folder.check_unstarted(str(tmp_path))
    (tmp_path / "history.csv").write_text("epoch\n")
    (tmp_path / "best").mkdir()
    with pytest.raises(UserError, match=r"has history.csv and best but no checkpoint"):
        run_folder.check_unstarted(str(tmp_path))


def test_a_full_disk_is_named_while_a_run_is_in_it(tmp_path):
    def fail():
        with run_folder.alone_in(str(tmp_path)):
            raise RuntimeError("RESOURCE_EXHAUSTED: x; No space left on device")

    with pytest.raises(UserError, match=r"--run_dir=.*: cannot be written \(No space left"):
        fail()
    hold(tmp_path)
