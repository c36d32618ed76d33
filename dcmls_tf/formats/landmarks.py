"""2D keypoints of hands as MediaPipe and OpenPose write them in JSON, one picture a file.

MediaPipe: a dump of its result by any of its interfaces, or the landmarks alone. x and y are parts
of the picture's width and height; z is left out. Its Tasks name a hand's own side; the older
Solutions (`multi_handedness`) named that of a mirrored picture, so their sides are swapped.

OpenPose: `people` with `hand_left_keypoints_2d` and `hand_right_keypoints_2d`, x, y, confidence of
21 joints in px. A hand that was not found is all zeros there, and left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dcmls_tf import hand
from dcmls_tf.formats import joint_names
from dcmls_tf.formats.hand2d import Hand2D, as_rows

_TASKS = (("hand_landmarks", "handedness"), ("handLandmarks", "handedness"),
          ("landmarks", "handedness"), ("landmarks", "handednesses"))  # fmt: skip
_SOLUTIONS = (
    ("multi_hand_landmarks", "multi_handedness"),
    ("multiHandLandmarks", "multiHandedness"),
)
_LABELS = ("category_name", "categoryName", "display_name", "displayName", "label")
OPENPOSE_HANDS = {hand.LEFT: "hand_left_keypoints_2d", hand.RIGHT: "hand_right_keypoints_2d"}


def is_mediapipe(content: Any) -> bool:
    """Whether JSON is a result of MediaPipe, or landmarks of one hand or of several."""
    if isinstance(content, dict):
        keys = {key for key, _ in _TASKS + _SOLUTIONS}
        return bool(keys & content.keys()) or "landmark" in content
    first = content[0] if isinstance(content, list) and content else None
    first = first[0] if isinstance(first, list) and first else first
    return isinstance(first, dict) and ("landmark" in first or {"x", "y"} <= first.keys())


def is_openpose(content: Any) -> bool:
    """Whether JSON is OpenPose's."""
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def of_mediapipe(content: Any) -> list[Hand2D]:
    """The hands of a result, `relative`. Raises `ValueError`."""
    if isinstance(content, Mapping) and "landmark" not in content:
        return _of_result(content)
    hands = content if isinstance(content, list) else [content]
    if hands and isinstance(hands[0], dict) and "x" in hands[0]:
        hands = [hands]
    return [_of_landmarks(landmarks, None) for landmarks in hands]


def of_openpose(content: Mapping[str, Any]) -> list[Hand2D]:
    """The hands of all people. Raises `ValueError`."""
    found = []
    for person in content["people"]:
        for side, name in OPENPOSE_HANDS.items():
            values = person.get(name) if isinstance(person, dict) else None
            if values:
                found.append(Hand2D.of_values(values, side))
    return [one for one in found if one.confidence.any()]


def _of_result(content: Mapping[str, Any]) -> list[Hand2D]:
    for pairs, mirrored in ((_TASKS, False), (_SOLUTIONS, True)):
        present = [pair for pair in pairs if content.get(pair[0]) is not None]
        if present:
            landmarks, sides = (next((content[p[i]] for p in present if p[i] in content), ())
                                for i in (0, 1))  # fmt: skip
            return _with_sides(landmarks, sides, mirrored)
    return []


def _with_sides(landmarks: Any, said: Any, mirrored: bool) -> list[Hand2D]:
    if not isinstance(landmarks, Sequence) or isinstance(landmarks, str):
        raise ValueError("landmarks that are no list")
    hands = []
    for number, points in enumerate(landmarks):
        side = _side(said[number]) if isinstance(said, list) and number < len(said) else None
        if side is not None and mirrored:
            side = hand.LEFT + hand.RIGHT - side
        hands.append(_of_landmarks(points, side))
    return hands


def _of_landmarks(points: Any, side: int | None) -> Hand2D:
    points = points.get("landmark") if isinstance(points, dict) else points
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise ValueError("landmarks that have no x and y")
    # Protobuf's JSON leaves out what is 0.
    rows = as_rows([[point.get("x", 0), point.get("y", 0)] for point in points])
    found = Hand2D.of_values(rows, side)
    return Hand2D(found.uv, np.ones(hand.NUM_JOINTS, np.float32), side, relative=True)


def _side(said: Any) -> int | None:
    """The side in a `Category`, a list of such, or a `ClassificationList`."""
    said = said.get("classification", said) if isinstance(said, dict) else said
    first = said[0] if isinstance(said, list) and said else said
    if not isinstance(first, dict):
        return joint_names.side_named(first)
    names = [first[key] for key in _LABELS if first.get(key)]
    return joint_names.side_named(names[0]) if names else None
