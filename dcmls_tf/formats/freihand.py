"""Answers as FreiHAND's scoring takes them, `pred.json`: joints and vertices of each picture.

Joints are 21 a picture in metres in the camera's frame, wrist first, in the canonical order, which
is FreiHAND's. Pictures are sorted by name, as FreiHAND numbers them. Of a picture's hands the
surest counts; one without a hand gets zeros. There is no mesh, so the vertices are 778 zeros, as
FreiHAND's own template has them: of its scores only those of keypoints mean something.
"""

import os
from collections.abc import Sequence

import numpy as np

from dcmls_tf import hand
from dcmls_tf.formats.answers import Picture

VERTICES = 778


def predictions(pictures: Sequence[Picture]) -> tuple[list[list[list[list[float]]]], int]:
    """What `pred.json` holds, and how many pictures have no hand."""
    joints = []
    for picture in sorted(pictures, key=lambda picture: os.path.basename(picture.file)):
        surest = max(picture.hands, key=lambda one: one.score, default=None)
        xyz = np.zeros((hand.NUM_JOINTS, 3)) if surest is None else surest.xyz_mm / 1000
        joints.append(xyz.round(6).tolist())
    without = sum(not picture.hands for picture in pictures)
    return [joints, [[[0, 0, 0]] * VERTICES] * len(joints)], without
