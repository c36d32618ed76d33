"""2D keypoints that a user brings along, in any of the forms that `keypoint_files` reads.

Joints that a file has not, or not surely, are put in line with the others of their finger, and
said; hands where that cannot be done are left out.
"""

import csv
import os
import textwrap
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from absl import logging
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.formats import hand2d, keypoint_files
from dcmls_tf.formats.hand2d import EVERY_PICTURE, Hand2D

MOST_SHOWN = 120  # of what a message quotes


class Keypoints(NamedTuple):
    """A hand's joints in px; its side, if known; and the names of joints that were filled in."""

    uv: Float[np.ndarray, "21 2"]
    side: int | None
    filled: tuple[str, ...]


def read(path: str) -> dict[str, list[Hand2D]]:
    """The hands of each picture by its name, `EVERY_PICTURE` where none is given.

    Raises `UserError` when the file cannot be read or holds anything else.
    """
    try:
        return keypoint_files.read(path)
    except OSError as error:
        raise UserError(f"--keypoints={path}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        reason = textwrap.shorten(str(error), MOST_SHOWN)
        raise UserError(
            f"--keypoints={path}: is no JSON or CSV of 21 finite keypoints x, y a hand ({reason}); "
            "docs/formats.md has the forms"
        ) from None


def of_picture(
    by_picture: Mapping[str, list[Hand2D]],
    source: str,
    size: tuple[int, int],
    frame: int | None = None,
    min_confidence: float = 0.0,
) -> list[Keypoints]:
    """The keypoints of the hands in a picture of width, height px, or in a video's frame.

    Raises `UserError` when the file has none for it.
    """
    for name in _names(source, frame):
        if name in by_picture:
            hands = [one.in_pixels(size) for one in by_picture[name]]
            found = [_completed(one, source, min_confidence) for one in hands]
            return [one for one in found if one]
    raise UserError(f"{source}: --keypoints has none for it")


def _names(source: str, frame: int | None) -> list[str]:
    """What a picture may be called: path, name, stem, COCO's number, a frame's; or not at all."""
    name = os.path.basename(source)
    stem = os.path.splitext(name)[0]
    names = [source, name, stem, stem.lstrip("0") or "0"]
    if frame is not None:
        names += [f"{stem}_{frame:012d}", keypoint_files.frame_name(frame)]
    return [*names, EVERY_PICTURE]


def _completed(one: Hand2D, source: str, min_confidence: float) -> Keypoints | None:
    unsure = one.unsure(min_confidence)
    if not unsure.any():
        return Keypoints(one.uv, one.side, ())
    uv = hand2d.filled(one.uv, unsure)
    names = [hand.JOINTS[joint] for joint in np.flatnonzero(unsure)]
    if uv is None:
        logging.warning("%s: a hand is left out: --keypoints lacks %s", source, ", ".join(names))
        return None
    logging.warning("%s: put in line with others: %s", source, ", ".join(names))
    return Keypoints(uv, one.side, tuple(names))
