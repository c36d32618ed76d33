"""A folder's files and their SHA-256, so that what is cut, flipped or swapped is not loaded.

The list is one that `sha256sum --check` takes, in the folder. It tells damage, and not who made
the folder: whoever changes a file on purpose changes the list too.
"""

import hashlib
import os
from collections.abc import Iterable

from dcmls_tf import files
from dcmls_tf.errors import UserError

# Beside TensorFlow Serving's warm-up requests, where a SavedModel has room for what is not its own.
CHECKSUMS = "assets.extra/SHA256SUMS"
MOST_BYTES = 1 << 20


def write(folder: str) -> None:
    """Writes the list of a folder's files into it."""
    os.makedirs(os.path.join(folder, os.path.dirname(CHECKSUMS)), exist_ok=True)
    lines = [f"{digest}  {name}\n" for name, digest in sorted(_found(folder).items())]
    files.write(os.path.join(folder, CHECKSUMS), "".join(lines))


def check(folder: str, required: Iterable[str] = ()) -> None:
    """Raises `UserError` when `--model=folder` does not hold just the files of its list.

    required: files that have to be among them.
    """
    try:
        listed, found = _listed(folder), _found(folder)
    except (OSError, ValueError) as error:
        raise UserError(
            f"--model={folder}: has no checksums that can be read ({_reason(error)}), so it is "
            "damaged or of another make; export it with export/export.py"
        ) from None
    wrong = {name for name, _ in listed.items() ^ found.items()} | (set(required) - found.keys())
    if wrong:
        raise UserError(
            f"--model={folder}: is damaged or changed since its export ({', '.join(sorted(wrong))}"
            "); copy it again, or export it with export/export.py"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _listed(folder: str) -> dict[str, str]:
    with open(os.path.join(folder, CHECKSUMS), "rb") as file:
        content = file.read(MOST_BYTES)
    lines = (line.split("  ", 1) for line in content.decode().splitlines())
    return {name: digest for digest, name in lines}


def _found(folder: str) -> dict[str, str]:
    """The SHA-256 of every file in a folder but the list, by its path there."""
    digests = {}
    for parent, _, names in os.walk(folder):
        for path in (os.path.join(parent, name) for name in names):
            name = os.path.relpath(path, folder).replace(os.sep, "/")
            if name != CHECKSUMS:
                digests[name] = of_file(path)
    return digests


def of_file(path: str) -> str:
    """A file's SHA-256, in hexadecimal digits. Raises `ValueError` where it is no regular file."""
    if not os.path.isfile(path):  # A pipe would never end.
        raise ValueError(f"{path} is no file")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
