"""Files that are complete or absent: written beside their place, then moved there."""

import contextlib
import errno
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dcmls_tf.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

StrPath = str | os.PathLike[str]

# What a system says where nothing can be written: full, or not to be written by this user.
_REFUSALS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable"),
}


def write(path: StrPath, content: bytes | str) -> None:
    """Writes bytes or text (UTF-8) to a path atomically.

    Raises `OSError`, which names the path, and leaves nothing behind then.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # A device would be replaced.
        kind = errno.EISDIR if os.path.isdir(path) else errno.EINVAL
        raise OSError(kind, os.strerror(kind), os.fspath(path))
    partial = f"{os.fspath(path)}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(partial)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise


def read(path: StrPath, most_bytes: int) -> bytes:
    """The bytes of a file, or of a device or pipe that ends.

    Raises `OSError`, and `ValueError` for more than `most_bytes`, of which no more are read.
    """
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"more than {most_bytes >> 20} MB")
    return content


def remove_partials(path: StrPath) -> None:
    """Removes what killed processes left of writing a path; nobody may be writing it now."""
    folder, name = os.path.split(os.path.abspath(path))
    for found in os.listdir(folder):
        pid = found.removeprefix(f"{name}.").removesuffix(".partial")
        if pid.isdecimal() and found == f"{name}.{pid}.partial":
            os.remove(os.path.join(folder, found))


@contextlib.contextmanager
def whole_folder(path: StrPath) -> Iterator[str]:
    """A folder to fill, which gets its name when that went well, and is removed when not."""
    partial = f"{os.fspath(path)}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        os.rename(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def refusal(error: Exception) -> str | None:
    """Why something could not be written, and what to do; `None` for errors of another kind.

    Of `OSError`, and of TensorFlow's errors, which have what the system said in their text.
    """
    for number, advice in _REFUSALS.items():
        said = os.strerror(number)
        if getattr(error, "errno", None) == number or said in str(error):
            name = getattr(error, "filename", None)
            what = f"{name} " if name else ""
            return f"{what}cannot be written ({said}); {advice} and start again"
    return None


@contextlib.contextmanager
def writing_to(place: str) -> Iterator[None]:
    """Turns errors of a place that cannot be written, `--run_dir=...`, into `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = refusal(error)
        if said is None:
            raise
        raise UserError(f"{place}: {said}") from None


def as_json(fields: Mapping[str, Any]) -> str:
    """A dict as JSON text; numbers that are not finite raise `ValueError`."""
    return json.dumps(fields, indent=2, allow_nan=False) + "\n"


def write_json(path: StrPath, fields: Mapping[str, Any]) -> None:
    """Writes a dict as JSON atomically; numbers that are not finite raise `ValueError`."""
    write(path, as_json(fields))


def write_figure(path: StrPath, figure: "Figure") -> None:
    """Writes a matplotlib figure as PNG atomically."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write(path, content.getvalue())
