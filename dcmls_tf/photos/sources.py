"""What a user gives as input: pictures, folders, globs, videos, camera numbers, addresses."""

import dataclasses
import glob
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator

from dcmls_tf.errors import UserError

PICTURES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"),
    *(".avif", ".heic", ".heif", ".jp2"),
)
VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp", ".3g2"),
    *(".flv", ".ogv", ".ts", ".mts", ".m2ts"),
)
# In the names of pictures that were drawn on, which are not taken from folders.
DRAWN = ".hands."
_CAMERA = re.compile("[0-9]{1,3}")
PICTURE, VIDEO, CAMERA, STREAM, ADDRESS = "picture", "video", "camera", "stream", "address"
_FETCHED, _STREAMED = re.compile("https?://", re.IGNORECASE), re.compile("rtsps?://", re.IGNORECASE)
# Every packet of an MPEG transport stream begins so; text in TypeScript has the extension too.
_PACKET, _SYNC = 188, b"\x47"


@dataclasses.dataclass(frozen=True)
class Source:
    """One input, called `name`: a path, a camera's number, or an address.

    `kind` is `picture`, `video`, `camera`, `stream` or `address`, of which `remote.fetched` knows
    what is there. `path` is where the content is, if not at `name`.
    """

    kind: str
    name: str
    path: str | None = None

    @property
    def content(self) -> str:
        """The file to read."""
        return self.path or self.name


def find(inputs: Iterable[str]) -> list[Source]:
    """The sources that inputs stand for, each once.

    Folders give the pictures and videos in them and in their folders, sorted. Raises `UserError`
    for an input that gives nothing.
    """
    sources = [source for given in inputs for source in _sources(given)]
    return list(dict.fromkeys(sources))


def pictures(inputs: Iterable[str]) -> list[str]:
    """The paths of pictures, as `find` has them. Raises `UserError` for all else."""
    found = find(inputs)
    for source in found:
        if source.kind != PICTURE:
            raise UserError(
                f"--input: {source.name} is a {source.kind}; give files of pictures here, and it "
                "to scripts/predict.py"
            )
    return [source.name for source in found]


def of_extension(path: str) -> str:
    """Whether a file's name is that of a picture or of a video; one without is a picture."""
    return VIDEO if _ends_in(path, VIDEOS) else PICTURE


def _sources(given: str) -> list[Source]:
    if _FETCHED.match(given):
        return [Source(ADDRESS, given)]
    if _STREAMED.match(given):
        return [Source(STREAM, given)]
    if os.path.isdir(given):
        paths = list(_in_folder(given))
        problem = f"holds no picture or video ({', '.join(PICTURES + VIDEOS)})"
    elif os.path.exists(given):
        paths, problem = [given], "is no file"
    elif _CAMERA.fullmatch(given):
        return [Source(CAMERA, given)]
    else:
        paths = glob.glob(given, recursive=True)
        problem = "matches no file" if glob.has_magic(given) else "does not exist"
    # A link that leads nowhere stays, so that it is named later.
    paths = sorted(p for p in paths if os.path.isfile(p) or not os.path.exists(p))
    if not paths:
        raise UserError(
            f"--input={given}: {problem}; give a picture, folder, glob, video, camera or address"
        )
    return [Source(of_extension(path), path) for path in paths]


def shown(name: str) -> str:
    """A file's name as text; bytes of it that are not UTF-8 are escaped."""
    return os.fsencode(name).decode(errors="backslashreplace")


def file_name(name: str) -> str:
    """The last part of a path or address, as text that a file can be called by."""
    if _FETCHED.match(name) or _STREAMED.match(name):
        parts = urllib.parse.urlsplit(name)
        name = os.path.basename(parts.path) or parts.hostname or "address"
    return os.path.basename(shown(name))


def _in_folder(folder: str) -> Iterator[str]:
    """Pictures and videos below a folder, less hidden ones; links to folders are not followed."""
    for parent, folders, names in os.walk(folder, onerror=_cannot_be_read):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = os.path.join(parent, name)
            if DRAWN not in name and _ends_in(name, PICTURES + VIDEOS) and not _is_text(path):
                yield path


def _cannot_be_read(error: OSError) -> None:
    raise UserError(f"--input={error.filename}: cannot be read ({error.strerror})")


def _is_text(path: str) -> bool:
    """Whether a .ts file is a program's text."""
    if not _ends_in(path, (".ts",)):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(_PACKET + 1)
    except OSError:
        return False  # It is named when it is read.
    return head[:1] != _SYNC or head[_PACKET:] not in (_SYNC, b"")


def _ends_in(name: str, extensions: tuple[str, ...]) -> bool:
    return name.lower().endswith(extensions)
