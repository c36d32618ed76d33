"""2D keypoints that a user brings along, from JSON or CSV.

JSON: one hand `[[x, y], … 21]`, several hands (a list of those), or either by picture:
`{"photo.jpg": …}`, the name with or without its folder. CSV: rows of x and y, 21 a hand, after
at most one line of titles; they hold for every picture. Order is `hand.JOINTS`, units are px.
"""

import csv
import json
import os
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.errors import UserError

EVERY_PICTURE = ""
# Of a file, and of what a message quotes of it.
MOST_BYTES, MOST_SHOWN = 256 << 20, 120

Hands = Float[np.ndarray, "hands 21 2"]


def read(path: str) -> dict[str, Hands]:
    """The keypoints of each picture by its name, `EVERY_PICTURE` where none is given.

    Raises `UserError` when the file cannot be read or holds anything else.
    """
    try:
        if os.path.getsize(path) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES >> 20} MB")
        with open(path, newline="", encoding="utf-8-sig") as file:
            content = _csv(file) if path.lower().endswith(".csv") else json.load(file)
    except OSError as error:
        raise UserError(f"--keypoints={path}: cannot be read ({error.strerror})") from None
    except (ValueError, csv.Error, RecursionError) as error:
        reason = textwrap.shorten(str(error), MOST_SHOWN)
        raise UserError(f"--keypoints={path}: is no JSON or CSV of numbers ({reason})") from None
    by_picture = content if isinstance(content, dict) else {EVERY_PICTURE: content}
    return {name: _hands(path, name, values) for name, values in by_picture.items()}


def of_picture(by_picture: Mapping[str, Hands], source: str) -> Hands:
    """The keypoints of a picture's hands. Raises `UserError` when there are none."""
    for name in (source, os.path.basename(source), EVERY_PICTURE):
        if name in by_picture:
            return by_picture[name]
    raise UserError(f"{source}: --keypoints has none for it")


def _csv(file: Iterable[str]) -> list[Any]:
    rows = [row for row in csv.reader(file) if row]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    values = [[float(value) for value in row] for row in rows]
    if {len(row) for row in values} != {2} or len(values) % hand.NUM_JOINTS:
        raise ValueError(f"{len(rows)} rows; give {hand.NUM_JOINTS} rows of x,y a hand")
    return np.reshape(values, [-1, hand.NUM_JOINTS, 2]).tolist()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _hands(path: str, name: str, values: Any) -> Hands:
    try:
        with np.errstate(over="ignore"):  # What is no float32 is not finite then.
            hands = np.array(values, np.float32)
    except (TypeError, ValueError, OverflowError, RecursionError):
        hands = np.zeros(0)
    if hands.ndim == 2:
        hands = hands[None]
    if hands.ndim != 3 or hands.shape[1:] != (hand.NUM_JOINTS, 2) or not np.isfinite(hands).all():
        where = f" for {textwrap.shorten(name, MOST_SHOWN)}" if name else ""
        raise UserError(
            f"--keypoints={path}: give {hand.NUM_JOINTS} finite pairs x, y a hand{where}"
        )
    return hands
