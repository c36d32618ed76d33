"""Files that are complete or absent: written beside, then moved to their names."""

import io
import json
import os


def write(path, content):
    """Writes bytes or text (UTF-8) to a path atomically."""
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.replace(partial, path)


def as_json(fields):
    """A dict as JSON text; numbers that are not finite raise `ValueError`."""
    return json.dumps(fields, indent=2, allow_nan=False) + "\n"


def write_json(path, fields):
    """Writes a dict as JSON; numbers that are not finite raise `ValueError`."""
    write(path, as_json(fields))


def write_figure(path, figure):
    """Writes a matplotlib figure as PNG."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write(path, content.getvalue())
