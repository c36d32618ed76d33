"""A hand's 2D joints as files have them: surely, unsurely or not at all; and what is put there."""

import dataclasses
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float

from dcmls_tf import hand

# Name of the pictures that a file does not name: it holds for each.
EVERY_PICTURE = ""
# How far along its finger a joint is from the wrist, in scale bones: the summed bones' means of
# 800 rendered hands.
_ALONG = {
    "thumb": (0, 1.18, 2.19, 3.12, 3.87),
    "index": (0, 2.83, 3.77, 4.50, 5.16),
    "middle": (0, 2.82, 3.82, 4.65, 5.36),
    "ring": (0, 2.71, 3.60, 4.34, 5.09),
    "little": (0, 2.44, 3.31, 3.76, 4.27),
}
# With more joints to fill in, a hand is a guess.
MOST_FILLED = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Hand2D:
    """A hand of a picture.

    uv: px from the picture's upper left corner, or parts of its width and height if `relative`.
    confidence: of each joint, 0 (not there) to 1.
    side: `hand.LEFT`, `hand.RIGHT`, or `None` where the file does not say it.
    """

    uv: Float[np.ndarray, "21 2"]
    confidence: Float[np.ndarray, "21"]
    side: int | None = None
    relative: bool = False

    @classmethod
    def of_values(cls, values: Any, side: int | None = None) -> Self:
        """A hand of 21 rows x, y or x, y, confidence, or of 42 or 63 numbers in a row.

        Raises `ValueError` for anything else; a joint of confidence 0 may have any place.
        """
        rows = as_rows(values)
        if rows.shape[0] != hand.NUM_JOINTS:
            raise ValueError(f"{rows.shape[0]} joints; a hand has {hand.NUM_JOINTS}")
        return cls.of_rows(rows, side)

    @classmethod
    def of_rows(cls, rows: Float[np.ndarray, "21 D"], side: int | None = None) -> Self:
        """A hand of rows x, y, and confidence if there are three columns."""
        confidence = rows[:, 2] if rows.shape[1] == 3 else np.ones(len(rows), np.float32)
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise ValueError("a third number that is no confidence from 0 to 1")
        uv = np.where(confidence[:, None] > 0, rows[:, :2], 0)
        if not np.isfinite(uv).all():
            raise ValueError("numbers that are not finite")
        return cls(uv, confidence, side)

    def in_pixels(self, size: tuple[int, int]) -> Self:
        """The same hand, not `relative`, in a picture of width, height px."""
        if not self.relative:
            return self
        uv = self.uv * np.array(size, np.float32)
        return dataclasses.replace(self, uv=uv, relative=False)

    def unsure(self, min_confidence: float) -> Bool[np.ndarray, "21"]:
        """Which joints are not there, or surer than `min_confidence`."""
        return self.confidence <= min_confidence


def as_rows(values: Any) -> Float[np.ndarray, "J D"]:
    """Joints of 2 or 3 numbers, also where all stand in one row. Raises `ValueError`."""
    try:
        with np.errstate(over="ignore"):  # What is no float32 is not finite then.
            rows = np.array(values, np.float32)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
    flat = {2 * hand.NUM_JOINTS: 2, 3 * hand.NUM_JOINTS: 3}
    if rows.ndim == 1 and rows.size in flat:
        rows = rows.reshape(hand.NUM_JOINTS, flat[rows.size])
    if rows.ndim != 2 or rows.shape[1] not in (2, 3):
        raise ValueError(f"numbers of shape {rows.shape[:4]}")
    return rows


def filled(
    uv: Float[np.ndarray, "21 2"], unknown: Bool[np.ndarray, "21"]
) -> Float[np.ndarray, "21 2"] | None:
    """The joints, `unknown` ones put in line with the known ones of their finger.

    `None` where that cannot be done: no wrist, too many of them, or a finger of which no joint is
    known.
    """
    if unknown[hand.WRIST] or unknown.sum() > MOST_FILLED:
        return None
    result = uv.copy()
    for number, finger in enumerate(hand.FINGERS):
        chain = [hand.WRIST, *range(4 * number + 1, 4 * number + 5)]
        if unknown[chain[1:]].all():
            return None
        result[chain] = _in_line(uv[chain], unknown[chain], np.array(_ALONG[finger]))
    return result


def _in_line(
    uv: Float[np.ndarray, "5 2"], unknown: Bool[np.ndarray, "5"], along: Float[np.ndarray, "5"]
) -> Float[np.ndarray, "5 2"]:
    """A finger's joints by the nearest two known ones, between which or beyond which they are."""
    known = np.flatnonzero(~unknown)
    result = uv.copy()
    for joint in np.flatnonzero(unknown):
        before, after = known[known < joint], known[known > joint]
        a, b = (before[-1], after[0]) if len(after) else known[-2:]
        part = (along[joint] - along[a]) / (along[b] - along[a])
        result[joint] = uv[a] + part * (uv[b] - uv[a])
    return result
