"""2D keypoints of hands in COCO's JSON: annotations, results, and mmpose's lists of instances.

    {"images": [...], "annotations": [...], "categories": [...]}    annotations
    [{"image_id": 7, "keypoints": [...], "score": 0.9}, ...]        results
    [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}, ...]   mmpose's inferencer

`keypoints` are x, y, v of each joint, in the order that the category's names give, or without names
of one hand (21) or a whole body (COCO-WholeBody's 133, Halpe's 136). v is COCO's flag (0: not
labelled) or a score from 0 to 1. COCO-WholeBody's annotations have `lefthand_kpts` and
`righthand_kpts` instead. An annotation's side is its hand's, or what `handedness`, `hand_type`,
`side` or its category's name say.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.formats import joint_names
from dcmls_tf.formats.hand2d import EVERY_PICTURE, Hand2D, as_rows

WHOLE_BODY = {hand.LEFT: "lefthand", hand.RIGHT: "righthand"}
_SIDE_KEYS = ("handedness", "hand_type", "side")


def is_annotations(content: Any) -> bool:
    """Whether JSON is a file of annotations."""
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def is_instances(content: Any) -> bool:
    """Whether JSON is a list of results or of instances."""
    has = isinstance(content, list) and content and isinstance(content[0], dict)
    return bool(has) and "keypoints" in content[0]


def of_annotations(content: Mapping[str, Any]) -> dict[str, list[Hand2D]]:
    """The hands of each picture by its `file_name`. Raises `ValueError` naming what is wrong."""
    categories = _by_id(content.get("categories", ()), "categories")
    pictures = _by_id(content["images"], "images")
    names = {number: str(picture.get("file_name")) for number, picture in pictures.items()}
    found: dict[str, list[Hand2D]] = {name: [] for name in names.values()}
    for number, annotation in enumerate(_list(content["annotations"], "annotations")):
        where = f"annotation {annotation.get('id', number)}"
        image, category = (_key(annotation.get(f"{of}_id")) for of in ("image", "category"))
        if image not in names:
            raise ValueError(f"{where} is of an image that is none")
        try:
            hands = list(hands_of(annotation, categories.get(category, {})))
        except ValueError as error:
            raise ValueError(f"{where} has {error}") from None
        found[names[image]] += hands
    return found


def of_instances(content: Sequence[Mapping[str, Any]]) -> dict[str, list[Hand2D]]:
    """The hands of results by their image's id, and of other instances for every picture."""
    found: dict[str, list[Hand2D]] = {}
    for number, instance in enumerate(_list(content, "results")):
        name = str(instance["image_id"]) if "image_id" in instance else EVERY_PICTURE
        try:
            found.setdefault(name, []).extend(hands_of(instance, {}))
        except ValueError as error:
            raise ValueError(f"result {number} has {error}") from None
    return found


def hands_of(annotation: Mapping[str, Any], category: Mapping[str, Any]) -> Iterator[Hand2D]:
    """The hands of one annotation, of which some joint is there. Raises `ValueError`."""
    whole = {side: annotation.get(f"{name}_kpts") for side, name in WHOLE_BODY.items()}
    if any(whole.values()):
        for side, values in whole.items():
            if values and annotation.get(f"{WHOLE_BODY[side]}_valid", True):
                yield from _hand(_rows(values), side)
        return
    rows = _rows(annotation.get("keypoints"), annotation.get("keypoint_scores"))
    names = _list(category.get("keypoints", ()), "names of keypoints", of=str)
    for side, order in joint_names.orders(names, len(rows)).items():
        yield from _hand(rows[order], _side(annotation, category) if side is None else side)


def _hand(rows: Float[np.ndarray, "21 D"], side: int | None) -> Iterator[Hand2D]:
    if len(rows) != hand.NUM_JOINTS:
        raise ValueError(f"{len(rows)} joints; a hand has {hand.NUM_JOINTS}")
    found = Hand2D.of_rows(rows, side)
    if found.confidence.any():
        yield found


def _rows(values: Any, scores: Any = None) -> Float[np.ndarray, "J D"]:
    """Rows x, y, and v from 0 to 1."""
    if isinstance(values, list) and values and not isinstance(values[0], list):
        values = [values[start : start + 3] for start in range(0, len(values), 3)]
    rows = as_rows(values)
    if rows.shape[1] == 3:
        return np.column_stack([rows[:, :2], np.clip(rows[:, 2], 0, 1)])
    if scores is None:
        return rows
    try:
        return np.column_stack([rows, np.clip(np.array(scores, np.float32), 0, 1)])
    except (TypeError, ValueError):
        raise ValueError(f"keypoint_scores that are not {len(rows)} numbers") from None


def _side(annotation: Mapping[str, Any], category: Mapping[str, Any]) -> int | None:
    said = (*(annotation.get(key) for key in _SIDE_KEYS), category.get("name"))
    sides = [joint_names.side_named(name) for name in said]
    return next((side for side in sides if side is not None), None)


def _by_id(entries: Any, name: str) -> dict[Any, Mapping[str, Any]]:
    found = _list(entries, name)
    if not all(isinstance(entry.get("id"), (int, str)) for entry in found):
        raise ValueError(f"{name} without an id")
    return {entry["id"]: entry for entry in found}


def _key(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else None


def _list(values: Any, name: str, of: type = dict) -> list[Any]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, of) for v in values):
        raise ValueError(f"{name} that are no list")
    return list(values)
