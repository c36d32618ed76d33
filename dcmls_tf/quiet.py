"""Commands without the notes that TensorFlow and LiteRT write to stderr as they start.

They are C++'s own, which no setting of TensorFlow's stops: that there is no GPU is one of level
error. `app` asks for silence; processes that a command starts inherit that with the environment.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

VARIABLE = "DCMLS_QUIET"
_STDERR = 2


def ask(wanted: bool) -> None:
    """Says for this process and those that it starts whether notes are dropped."""
    if not wanted:
        os.environ.pop(VARIABLE, None)
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
        return
    os.environ[VARIABLE] = "1"
    install()


def install() -> None:
    """Lets TensorFlow's import be quiet, where that was asked for and it is still to come."""
    known = any(isinstance(finder, _QuietFinder) for finder in sys.meta_path)
    if os.environ.get(VARIABLE) and "tensorflow" not in sys.modules and not known:
        sys.meta_path.insert(0, _QuietFinder())


@contextlib.contextmanager
def notes_dropped() -> Iterator[None]:
    """Drops what is written to the file of stderr within, unless that ends with an exception."""
    if not os.environ.get(VARIABLE):
        yield
        return
    sys.stderr.flush()
    with contextlib.ExitStack() as stack, tempfile.TemporaryFile() as notes:
        before = os.dup(_STDERR)
        stack.callback(os.close, before)
        os.dup2(notes.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            os.dup2(before, _STDERR)
            notes.seek(0)
            os.write(_STDERR, notes.read())
            raise
        finally:
            os.dup2(before, _STDERR)


class _QuietFinder:
    """Finds TensorFlow once, as others do, and has its first words dropped."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def quietly(module: Any) -> None:
                with notes_dropped():
                    execute(module)
                    module.config.list_physical_devices()  # It looks for GPUs here and tells.

            loader.exec_module = quietly
        return spec
