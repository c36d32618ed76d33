"""Apache Beam's workers, two processes, give the bytes that the script's own workers give."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("apache_beam", reason="is tested with requirements/beam.txt installed")

from dcmls_tf import beam
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import beam as rendering_beam

SCRIPT = str(Path(__file__).parents[2] / "scripts" / "render.py")


def render(folder, *arguments):
    options = ["--format=shards", "--training=3", "--evaluation=2", "--crop_size=96", "--seed=3"]
    command = [sys.executable, SCRIPT, f"--out_dir={folder}", *options, *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leave_pid(folder):
    time.sleep(0.5)
    (Path(folder) / str(os.getpid())).touch()


def refuse(task):
    raise UserError(f"--out_dir={task}: cannot be written")


@pytest.mark.slow
def test_the_bytes_are_those_of_the_scripts_own_workers(tmp_path):
    expected = render(tmp_path / "workers", "--workers=1")
    arguments = "--runner=DirectRunner", "--", "--direct_num_workers=2"
    assert render(tmp_path / "beam", *arguments) == expected
    assert {"hands-training.tfrecord-00000", "hands-evaluation.tfrecord-00000"} <= set(expected)


@pytest.mark.slow
def test_tasks_go_to_several_processes(tmp_path):
    rendering_beam.run(leave_pid, 12 * [str(tmp_path)], two_processes())
    pids = {int(path.name) for path in tmp_path.iterdir()}
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.slow
def test_what_a_worker_says_is_said_to_the_user():
    with pytest.raises(UserError, match=r"^--out_dir=7: cannot be written$"):
        rendering_beam.run(refuse, [7], two_processes())


def two_processes():
    return beam.options("DirectRunner", ["--direct_num_workers=2"])
