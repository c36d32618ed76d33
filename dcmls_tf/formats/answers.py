"""Answers of `scripts/predict.py`, read back: every hand of every picture, from its wrist."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from dcmls_tf import files, hand
from dcmls_tf.errors import UserError

MOST_BYTES = 2 << 30


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """A hand of a picture.

    xyz_mm: canonical joints, mm, camera's frame (x right, y down, z forward); joint 0 is the wrist.
    uv: px of the upright picture.
    box: left, top, right, bottom px.
    score: the detector's, 1 where the hand was given.
    track: the hand's number in its video, or in its picture.
    """

    xyz_mm: Float[np.ndarray, "21 3"]
    uv: Float[np.ndarray, "21 2"]
    box: Float[np.ndarray, "4"]
    side: int
    score: float
    track: int


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A picture, or a video's frame, and its hands. size: width, height px."""

    file: str
    frame: int | None
    time_s: float | None
    size: tuple[int, int]
    hands: list[Answer]


def read(path: str, palm: str = "rhd") -> list[Picture]:
    """The pictures of a `predictions.json` that could be read then.

    palm: where joint 0 is the palm's centre, what it is halfway between (`hand.PALM_JOINTS`); the
    wrist follows from it.

    Raises `UserError` for what is no such file.
    """
    try:
        content = json.loads(files.read(path, MOST_BYTES).decode())
        names = content["joint_names"]
        if names[1:] != list(hand.JOINTS[1:]) or names[0] not in ("wrist", "palm"):
            raise ValueError("other joints")
        other = hand.PALM_JOINTS[palm][1] if names[0] == "palm" else None
        return [_picture(record, other) for record in content["pictures"] if "error" not in record]
    except OSError as error:
        raise UserError(f"--predictions={path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"--predictions={path}: is no predictions.json of scripts/predict.py "
            f"({type(error).__name__}: {str(error)[:80]})"
        ) from None


def of_files(pictures: Sequence[Picture]) -> dict[str, list[Picture]]:
    """The pictures of each file, a video's frames in their order."""
    found: dict[str, list[Picture]] = {}
    for picture in pictures:
        found.setdefault(picture.file, []).append(picture)
    return found


def _picture(record: Mapping[str, Any], other: int | None) -> Picture:
    size = int(record["width"]), int(record["height"])
    hands = [
        _answer(number, fields, other, size, float(record["focal_px"]))
        for number, fields in enumerate(record["hands"])
    ]
    return Picture(str(record["file"]), record["frame"], record["time_s"], size, hands)


def _answer(
    number: int, fields: Mapping[str, Any], other: int | None, size: tuple[int, int], focal: float
) -> Answer:
    xyz_mm = np.array(fields["joints_mm"], float) + np.array(fields["root_mm"], float)
    uv, box = np.array(fields["uv"], float), np.array(fields["box"], float)
    if xyz_mm.shape != (hand.NUM_JOINTS, 3) or uv.shape != (hand.NUM_JOINTS, 2):
        raise ValueError(f"joints of shape {xyz_mm.shape}")
    if other is not None:
        xyz_mm[hand.WRIST] = 2 * xyz_mm[hand.WRIST] - xyz_mm[other]
        x, y, z = xyz_mm[hand.WRIST]
        uv[hand.WRIST] = focal * np.array([x, y]) / max(z, 1.0) + np.array(size) / 2
    track = fields.get("track")
    score = fields.get("score")
    return Answer(
        xyz_mm,
        uv,
        box,
        hand.SIDES.index(fields["side"]),
        1.0 if score is None else float(score),
        number if track is None else int(track),
    )
