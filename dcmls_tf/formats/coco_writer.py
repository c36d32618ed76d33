"""Answers as COCO's JSON of keypoints, which pycocotools reads.

Categories are `left_hand` and `right_hand`, whose 21 keypoints have this package's names; v is 2
for all. An annotation's `score` is the detector's, and beside COCO's own fields stands `xyz_mm`,
the joints in mm in the camera's frame. A video's frames are images with `frame` and `time_s`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcmls_tf import hand
from dcmls_tf.formats.answers import Answer, Picture

SKELETON = [[parent + 1, child + 1] for parent, child in hand.BONES]  # COCO counts from 1


def document(pictures: Sequence[Picture]) -> dict[str, Any]:
    """Pictures and their hands."""
    images, annotations = [], []
    for number, picture in enumerate(pictures, 1):
        width, height = picture.size
        image = {"id": number, "file_name": picture.file, "width": width, "height": height}
        if picture.frame is not None:
            image |= {"frame": picture.frame, "time_s": picture.time_s}
        images.append(image)
        for one in picture.hands:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **_fields(one)})
    categories = [
        {
            "id": side + 1,
            "name": f"{hand.SIDES[side]}_hand",
            "supercategory": "hand",
            "keypoints": list(hand.JOINTS),
            "skeleton": SKELETON,
        }
        for side in (hand.LEFT, hand.RIGHT)
    ]
    return {
        "info": {"description": "dcmls_tf: poses of hands"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _fields(one: Answer) -> dict[str, Any]:
    keypoints = np.column_stack([one.uv.round(3), np.full(hand.NUM_JOINTS, 2)])
    left, top, right, bottom = one.box.tolist()
    return {
        "category_id": one.side + 1,
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": hand.NUM_JOINTS,
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": 0,
        "score": one.score,
        "track_id": one.track,
        "xyz_mm": one.xyz_mm.round(3).tolist(),
    }
