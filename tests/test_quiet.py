"""Commands do not begin with TensorFlow's and LiteRT's notes, and do tell what goes wrong."""

import os
import subprocess
import sys

import pytest

from dcmls_tf import quiet

SCRIPT = """
from dcmls_tf import app
def main(_):
    import tensorflow as tf
    print(float(tf.constant(1.0) + 1))
app.run(main)
"""


def stderr_of(*arguments):
    """What a command writes to stderr that computes by TensorFlow."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2.0\n"
    return done.stderr


def test_a_command_says_nothing_of_tensorflows_start():
    assert stderr_of() == ""


@pytest.mark.slow
def test_a_command_says_all_when_asked():
    assert "0000 " in stderr_of("--verbosity=0")  # the severity and date of a note of C++


@pytest.mark.slow
def test_a_commands_processes_inherit_its_silence():
    asked = "import dcmls_tf, tensorflow"
    env = {**os.environ, quiet.VARIABLE: "1"}
    done = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, check=True)
    assert done.stderr == b""


def test_what_is_written_within_is_dropped_unless_it_ends_with_an_exception(capfd, monkeypatch):
    monkeypatch.setenv(quiet.VARIABLE, "1")
    with quiet.notes_dropped():
        os.write(2, b"a note\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    with pytest.raises(ZeroDivisionError), quiet.notes_dropped():
        _ = os.write(2, b"the reason\n") / 0
    assert capfd.readouterr().err == "the reason\n"


def test_who_did_not_ask_sees_all(capfd, monkeypatch):
    monkeypatch.delenv(quiet.VARIABLE, raising=False)
    with quiet.notes_dropped():
        os.write(2, b"a note\n")
    assert capfd.readouterr().err == "a note\n"
