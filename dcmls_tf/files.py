"""Files that are complete or absent: written beside their place, then moved there."""

import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

StrPath = str | os.PathLike[str]


def write(path: StrPath, content: bytes | str) -> None:
    """Writes bytes or text (UTF-8) to a path atomically."""
    partial = f"{os.fspath(path)}.{os.getpid()}.partial"
    with open(partial, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.replace(partial, path)


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
