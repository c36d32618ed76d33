"""Which hand it is where the detector is unsure: the one whose pose explains the keypoints better.

A hand and its mirror image have much the same outlines, but not the same joints: a model that is
told the wrong side finds no pose whose projection lies on all keypoints. How much that weighs
against the detector was fitted on 715 rendered hands and checked on others (docs/deployment.md).
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from dcmls_tf import hand
from dcmls_tf.photos.hands import COMPARED, DETECTED, HandPose, HandRegion

# Below this confidence of the detector's in a side, both are tried.
UNSURE = 0.8
# The detector's log-odds, against the logarithm of how many times nearer the other side's pose is.
TRUST = 0.4


def is_unsure(region: HandRegion) -> bool:
    """Whether the detector does not know which hand it is."""
    score = region.side_score
    return region.side_from == DETECTED and score is not None and score < UNSURE


def explained(region: HandRegion, pose_of: Callable[[HandRegion], HandPose]) -> HandPose:
    """The pose of a hand; where its side is unsure, that of the side which explains it better.

    pose_of: a region with keypoints → the pose that a model has of it.
    """
    pose = pose_of(region)
    if not is_unsure(region) or region.keypoints is None or region.side_score is None:
        return pose
    other = hand.LEFT + hand.RIGHT - region.side
    mirrored = pose_of(dataclasses.replace(region, side=other))
    odds = region.side_score / max(1 - region.side_score, 1e-6)
    nearer = _misfit_px(pose) / max(_misfit_px(mirrored), 1e-6)
    best = mirrored if nearer > odds**TRUST else pose
    known = dataclasses.replace(best.region, side_from=COMPARED)
    return dataclasses.replace(best, region=known)


def _misfit_px(pose: HandPose) -> float:
    """How far the pose is from its keypoints, which a palm's centre is not among."""
    assert pose.region.keypoints is not None
    gap = np.linalg.norm(pose.uv[1:] - pose.region.keypoints[1:], axis=-1).mean()
    return float(gap) if math.isfinite(gap) else math.inf
