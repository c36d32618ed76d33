"""2D keypoints of hands from whatever JSON or CSV they were written in, by what it looks like.

Plain lists: a hand is 21 rows x, y or x, y, confidence, or 42 or 63 numbers in a row; a file has
one hand, a list of hands, or either by picture: `{"photo.jpg": …}`. CSV: the same rows, 21 a hand,
or a hand a row, after at most one line of titles. Others: see `coco` and `landmarks`. OpenPose's
folder, `<name>_keypoints.json` a picture, is read as one.
"""

import csv
import io
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from dcmls_tf import files, hand
from dcmls_tf.formats import coco, landmarks
from dcmls_tf.formats.hand2d import EVERY_PICTURE, Hand2D

MOST_BYTES = 256 << 20
OPENPOSE_SUFFIX = "_keypoints.json"

ByPicture = dict[str, list[Hand2D]]


def read(path: str) -> ByPicture:
    """The hands of each picture by its name, `EVERY_PICTURE` where none is given.

    Raises `OSError` and `ValueError`.
    """
    if os.path.isdir(path):
        return _folder(path)
    text = files.read(path, MOST_BYTES).decode("utf-8-sig")
    is_csv = path.lower().endswith(".csv")
    return by_picture(_csv(io.StringIO(text, newline="")) if is_csv else json.loads(text))


def by_picture(content: Any) -> ByPicture:
    """The hands in JSON of any of the forms. Raises `ValueError` in words."""
    if coco.is_annotations(content):
        return coco.of_annotations(content)
    if coco.is_instances(content):
        return coco.of_instances(content)
    if isinstance(content, dict) and isinstance(content.get("instance_info"), list):
        return _frames(content["instance_info"])
    if landmarks.is_openpose(content):
        return {EVERY_PICTURE: landmarks.of_openpose(content)}
    if landmarks.is_mediapipe(content):
        return {EVERY_PICTURE: landmarks.of_mediapipe(content)}
    if isinstance(content, dict):
        return {name: _of_one(name, values) for name, values in content.items()}
    return {EVERY_PICTURE: _lists(content)}


def _of_one(name: str, values: Any) -> list[Hand2D]:
    """The hands of a named picture."""
    try:
        if isinstance(values, dict) and not (
            landmarks.is_openpose(values) or landmarks.is_mediapipe(values)
        ):
            raise ValueError("no hands")
        (hands,) = by_picture(values).values()
    except ValueError as error:
        raise ValueError(f"{error}, for {name[:60]}") from None
    return hands


def _frames(entries: list[Any]) -> ByPicture:
    """mmpose's file: instances of a picture, or frames of a video, which it counts from 1."""
    if not any(isinstance(entry, dict) and "instances" in entry for entry in entries):
        return coco.of_instances(entries)
    found: ByPicture = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"frame {number} that is none")
        hands = coco.of_instances(entry.get("instances", []))
        found[frame_name(entry.get("frame_id", number + 1) - 1)] = hands.get(EVERY_PICTURE, [])
    return found


def frame_name(number: int) -> str:
    """The name of a frame, counted from 0, in files that are of one video."""
    return f"#{number}"


def _lists(values: Any) -> list[Hand2D]:
    """One hand, or a list of them."""
    if not isinstance(values, list):
        raise ValueError("no list of hands")
    if not values:
        return []
    first = values[0]
    is_one = not isinstance(first, list) or (len(first) in (2, 3) and not _nested(first))
    return [Hand2D.of_values(one) for one in ([values] if is_one else values)]


def _nested(values: list[Any]) -> bool:
    return bool(values) and isinstance(values[0], list)


def _folder(path: str) -> ByPicture:
    """OpenPose's folder: a file a picture or frame."""
    found: ByPicture = {}
    for name in sorted(os.listdir(path)):
        if name.endswith(OPENPOSE_SUFFIX):
            hands = read(os.path.join(path, name))
            found[name.removesuffix(OPENPOSE_SUFFIX)] = [h for of in hands.values() for h in of]
    if not found:
        raise ValueError(f"a folder without files named *{OPENPOSE_SUFFIX}")
    return found


def _csv(file: Iterable[str]) -> list[Any]:
    rows = [row for row in csv.reader(file) if row]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    values = [[float(value) for value in row] for row in rows]
    widths = {len(row) for row in values}
    width = widths.pop() if len(widths) == 1 else 0
    if width in (2 * hand.NUM_JOINTS, 3 * hand.NUM_JOINTS):
        return values
    if width not in (2, 3) or len(values) % hand.NUM_JOINTS:
        raise ValueError(f"{len(rows)} rows; give {hand.NUM_JOINTS} rows of x,y a hand")
    return np.reshape(values, [-1, hand.NUM_JOINTS, width]).tolist()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
