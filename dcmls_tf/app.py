"""A script's frame: the command line → its `main` → an exit status."""

import os
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags, logging

from dcmls_tf import files, quiet
from dcmls_tf.errors import UserError, in_a_line

INTERRUPTED = 130  # as shells count a process that Ctrl-C ended


def run(main: Callable[[list[str]], object], arguments: bool = False) -> None:
    """Parses the flags, runs `main(argv)` and exits, with 0 when it returns.

    arguments: whether `main` takes what is no flag, such as what comes after `--`.

    A `UserError`, a flag that is not valid, an argument that is no flag, a disk that is full or
    cannot be written, and memory that does not suffice become one line on stderr and status 1; an
    interrupt (Ctrl-C) exits with 130, a training that SIGTERM ended with 143. What TensorFlow says
    as it starts is dropped, unless `--verbosity=0` or more asks for it.
    """

    def guarded(argv: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        quiet.ask(logging.get_verbosity() < logging.INFO)
        try:
            if not arguments:
                _check_no_arguments(argv)
            main(argv)
        except UserError as error:
            _fail(error)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(INTERRUPTED)
        except Exception as error:
            said = files.refusal(error) or _out_of_memory(error)
            if said is None:
                raise
            _fail(UserError(said))

    _describe(main)
    app.run(guarded, flags_parser=_parse)


def _describe(main: Callable[[list[str]], object]) -> None:
    """Lets `--help` say what the script says of itself, and list its options.

    absl looks for both in the module that runs, which is not the script's for a command.
    """
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module == main.__module__ or module.startswith("dcmls_tf."):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        _fail(error)
    _expand_home()
    return rest


def _expand_home() -> None:
    """Reads `~/x` as a path, which shells leave as it is behind `--run_dir=`."""
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if isinstance(flag.value, str):
            flag.value = _expanded(flag.value)
        elif isinstance(flag.value, list):
            flag.value = [_expanded(v) if isinstance(v, str) else v for v in flag.value]


def _expanded(value: str) -> str:
    return os.path.expanduser(value) if value.startswith("~") else value


def _check_no_arguments(argv: list[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: options are given as --name=value")


def _out_of_memory(error: Exception) -> str | None:
    """What is said where memory did not suffice, TensorFlow's errors too; else `None`."""
    # By its name: nothing here brings TensorFlow.
    if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
        return None
    tensor = re.search(r"shape ?(\[[\d,]*\])", str(error))
    what = f" for numbers of shape {tensor[1]}" if tensor else ""
    return (
        f"memory does not suffice{what}; give smaller batches (--batch_size), networks or "
        "pictures, or end what else runs"
    )


def _fail(error: Exception) -> NoReturn:
    sys.exit(f"error: {in_a_line(str(error))}")
