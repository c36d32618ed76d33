"""Files of raw folders: read below the folder alone, decoded, and named when something is wrong."""

import hashlib
import os
from collections.abc import Callable, Iterable

import tensorflow as tf
from absl import logging
from jaxtyping import UInt8

from dcmls_tf.data import encoded
from dcmls_tf.errors import UserError


class BadSample(UserError):
    """A sample that is left out or stops a preparation: the file and entry, and the reason."""

    def __init__(self, where: str, reason: str):
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return (
            f"--raw_dir: {self.where}: {self.reason}; scripts/prepare.py --check lists all such "
            "samples, --skip_bad leaves them out"
        )


def read_image(path: str, root: str) -> bytes:
    """The bytes of an image file below `root`, which decode. Raises `BadSample`."""
    content = read_file(path, root)
    decode_image(content, path)
    return content


def read_file(path: str, root: str) -> bytes:
    """The bytes of a file below `root`. Raises `BadSample`, also when a link leads elsewhere."""
    if leads_out(path, root):
        raise BadSample(
            path, f"is a link that leads out of {root}; copy the folder with cp -rL if it may"
        )
    try:
        return encoded.read(path)
    except ValueError as error:
        raise BadSample(path, str(error)) from None


def leads_out(path: str, root: str) -> bool:
    """Whether a file is a link to outside of `root`; whole folders may be links of the user's."""
    if not os.path.islink(path):
        return False
    homes = (os.path.realpath(root), os.path.realpath(os.path.dirname(path)))
    real = os.path.realpath(path)
    return not any(os.path.commonpath([real, home]) == home for home in homes)


def decode_image(content: bytes, path: str, channels: int = 3) -> UInt8[tf.Tensor, "h w channels"]:
    """Pixels of the encoded image of `path`. Raises `BadSample`."""
    try:
        return encoded.decode(content, channels)
    except ValueError as error:
        raise BadSample(path, str(error)) from None


def missing_image(path: str) -> BadSample:
    """What is said of an image that is annotated and no file."""
    if os.path.islink(path):
        return BadSample(path, "is a link that leads nowhere or to itself")
    return BadSample(path, "is no file" if os.path.exists(path) else "is missing")


def with_images(
    raw_dir: str, splits: Iterable[str], folder_of: Callable[[str], str], page: str
) -> tuple[tuple[str, ...], list[BadSample]]:
    """Those of a folder's annotated splits that have images, and what is said of the others.

    folder_of: a split → where its images belong. Raises `UserError` when none has any.
    """
    folders = {split: folder_of(split) for split in splits}
    found = tuple(split for split, folder in folders.items() if os.path.isdir(folder))
    if not found:
        raise UserError(
            f"--raw_dir={raw_dir}: no images in {' or '.join(folders.values())}; unpack them there "
            f"({page}), or use --modality=2d, which needs annotations only"
        )
    absent = [
        BadSample(folder, f"is not there, so {split} has annotations without images")
        for split, folder in folders.items()
        if split not in found
    ]
    return found, absent


def warn_absent(absent: Iterable[BadSample]) -> None:
    """Says which annotated parts of a folder have no images."""
    for part in absent:
        logging.warning("%s %s; left out", part.where, part.reason)


def fingerprint(files: Iterable[str], folders: Iterable[str]) -> str:
    """Ten hex digits for annotation `files` (content) and image `folders` (names, sizes, times).

    Raises `UserError` for files and folders that cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in files:
            with open(path, "rb") as file:
                digest.update(f"{os.path.basename(path)}:".encode())
                digest.update(hashlib.file_digest(file, "sha256").digest())
        for folder in folders:
            digest.update(f"{os.path.basename(folder)}/".encode())
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                digest.update(os.fsencode(entry.name) + _state(entry))
    except OSError as error:
        raise UserError(f"--raw_dir: {error.filename} cannot be read ({error.strerror})") from None
    return digest.hexdigest()[:10]


def _state(entry: os.DirEntry[str]) -> bytes:
    """An image's size and time; a link's own where it leads nowhere."""
    try:
        stat = entry.stat()
    except OSError:
        stat = entry.stat(follow_symlinks=False)
    return f" {stat.st_size} {stat.st_mtime_ns}\n".encode()
