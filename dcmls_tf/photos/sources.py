"""What a user gives as input: pictures, folders of them, globs, videos, camera numbers."""

import dataclasses
import glob
import os
from collections.abc import Iterable

from dcmls_tf.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
# In the names of pictures that were drawn on, which are not taken from folders.
DRAWN = ".hands."


@dataclasses.dataclass(frozen=True)
class Source:
    """One input: `kind` is `picture`, `video` or `camera`; `name` a path, or a camera's number."""

    kind: str
    name: str


def find(inputs: Iterable[str]) -> list[Source]:
    """The sources that inputs stand for, each once.

    Folders give the pictures and videos in them, sorted. Raises `UserError` for an input that
    gives nothing.
    """
    sources = [source for given in inputs for source in _sources(given)]
    return list(dict.fromkeys(sources))


def pictures(inputs: Iterable[str]) -> list[str]:
    """The paths of pictures, as `find` has them. Raises `UserError` for videos and cameras."""
    found = find(inputs)
    for source in found:
        if source.kind != "picture":
            raise UserError(
                f"--input: {source.name} is a {source.kind}; give pictures here, and it to "
                "scripts/predict.py"
            )
    return [source.name for source in found]


def _sources(given: str) -> list[Source]:
    if os.path.isdir(given):
        entries = [entry for entry in _scan(given) if DRAWN not in entry.name]
        paths = [entry.path for entry in entries if _ends_in(entry.name, PICTURES + VIDEOS)]
        problem = f"holds no picture or video ({', '.join(PICTURES + VIDEOS)})"
    elif os.path.exists(given):
        paths, problem = [given], ""
    elif given.isdecimal():
        return [Source("camera", given)]
    else:
        paths = glob.glob(given, recursive=True)
        problem = "matches no file" if glob.has_magic(given) else "does not exist"
    # A link that leads nowhere stays, so that it is named later.
    paths = sorted(p for p in paths if os.path.isfile(p) or not os.path.exists(p))
    if not paths:
        raise UserError(
            f"--input={given}: {problem}; give a picture, folder, glob, video or camera"
        )
    return [Source("video" if _ends_in(path, VIDEOS) else "picture", path) for path in paths]


def shown(name: str) -> str:
    """A file's name as text; bytes of it that are not UTF-8 are escaped."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError as error:
        raise UserError(f"--input={folder}: cannot be read ({error.strerror})") from None


def _ends_in(name: str, extensions: tuple[str, ...]) -> bool:
    return name.lower().endswith(extensions)
