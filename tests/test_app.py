"""How a script ends: its exit status and the one line that it leaves. Covers `errors` too."""

import errno
import sys

import pytest
from absl import flags, logging

from dcmls_tf import app
from dcmls_tf.errors import Diverged, UserError


@pytest.fixture
def end(monkeypatch):
    """Runs a `main` with arguments as a script; what it exits with: a status or a message."""

    def run(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
        with pytest.raises(SystemExit) as stopped:
            app.run(main)
        return stopped.value.code

    verbosity = logging.get_verbosity()
    flags.DEFINE_integer("test_count", 1, "A flag.")
    yield run
    logging.set_verbosity(verbosity)
    flags.FLAGS.unparse_flags()
    del flags.FLAGS.test_count


def test_main_sees_parsed_flags_and_a_script_that_returns_exits_with_0(end):
    seen = []
    assert not end(lambda argv: seen.append((argv, flags.FLAGS.test_count)), "--test_count=3")
    assert seen == [(["script.py"], 3)]


def test_paths_in_the_home_folder_are_found(end, monkeypatch):
    """Shells expand `~` at the start of a word alone, which it is not in `--run_dir=~/x`."""
    monkeypatch.setenv("HOME", "/home/somebody")
    flags.DEFINE_string("test_dir", "~/runs", "A folder.")
    flags.DEFINE_multi_string("test_input", [], "Files.")
    seen = []
    try:
        end(
            lambda argv: seen.extend([flags.FLAGS.test_dir, *flags.FLAGS.test_input]),
            *("--test_input=~/a.jpg", "--test_input=b~"),
        )
    finally:
        del flags.FLAGS.test_dir, flags.FLAGS.test_input
    assert seen == ["/home/somebody/runs", "/home/somebody/a.jpg", "b~"]


def test_help_says_what_the_script_does_and_lists_its_options(end, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__doc__", "A test runner.")
    end(lambda argv: None, "--help")
    shown = capsys.readouterr().out
    assert shown.startswith("How a script ends")
    assert "--test_count: A flag." in shown


@pytest.mark.parametrize("kind", [UserError, Diverged])
def test_an_error_of_the_users_becomes_one_line(end, kind):
    def main(_):
        raise kind("--raw_dir: nothing\n  is there")

    # A message as the exit's code is printed on stderr, and the status is 1.
    assert end(main) == "error: --raw_dir: nothing is there"


def test_what_does_not_print_is_spelt_so_that_no_name_writes_to_a_terminal(end):
    def main(_):
        raise UserError("in/\x1b[2J\u202egnp.exe \udcff ü: no picture")

    assert end(main) == r"error: in/\x1b[2J\u202egnp.exe \udcff ü: no picture"


def test_a_full_disk_becomes_one_line(end):
    def main(_):
        raise OSError(errno.ENOSPC, "No space left on device", "out/a.json")

    expected = "error: out/a.json cannot be written (No space left on device); free some space"
    assert end(main).startswith(expected)


class ResourceExhaustedError(Exception):
    """As TensorFlow's is named."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory does not suffice; give smaller batches (--batch_size)"),
        (
            ResourceExhaustedError("OOM when allocating tensor with shape[64,2000000] and type"),
            "memory does not suffice for numbers of shape [64,2000000]; give smaller batches",
        ),
    ],
)
def test_memory_that_does_not_suffice_becomes_one_line(end, error, said):
    def main(_):
        raise error

    assert end(main).startswith(f"error: {said}")


def test_other_errors_keep_their_traceback(end):
    def main(_):
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="a mistake of ours"):
        end(main)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--test_count=many", "error: flag --test_count=many: invalid literal"),
        ("--test_counts=3", "error: Unknown command line flag 'test_counts'"),
        ("3", "error: unexpected argument '3': options are given as --name=value"),
    ],
)
def test_what_is_no_flag_is_named_and_main_does_not_run(end, argument, message):
    def main(_):
        raise AssertionError("main runs")

    assert end(main, argument).startswith(message)


def test_an_interrupt_exits_as_a_shell_expects(end, capsys):
    def main(_):
        raise KeyboardInterrupt

    assert end(main) == 130
    assert capsys.readouterr().err == "interrupted\n"
