"""Which hand it is where the detector is unsure, by poses whose distances are told."""

import dataclasses

import numpy as np
import pytest
from hand_files import noise, photo_of

from dcmls_tf import hand
from dcmls_tf.photos import sides
from dcmls_tf.photos.detection import Detection
from dcmls_tf.photos.hands import HandPose, HandRegion

UV = np.random.default_rng(0).uniform(10, 90, (hand.NUM_JOINTS, 2))
BOX = np.array([*UV.min(0), *UV.max(0)])


def region(side_score, side=hand.LEFT):
    return HandRegion.from_detection(Detection(BOX, UV, side, side_score, 0.8), photo_of(noise()))


class Poses:
    """Poses that are so many px beside the keypoints, by side; counts how many were asked for."""

    def __init__(self, left, right):
        self.gaps, self.asked = {hand.LEFT: left, hand.RIGHT: right}, 0

    def __call__(self, of):
        self.asked += 1
        uv = of.keypoints + [self.gaps[of.side], 0]
        uv[0] += 500  # The palm's centre is no keypoint.
        return HandPose(of, uv, np.zeros((21, 3), np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("side_score", "left", "right", "taken"),
    [
        (0.6, 2.0, 1.0, hand.RIGHT),  # odds of 1.5 to the 0.4: 1.18
        (0.6, 1.1, 1.0, hand.LEFT),
        (0.79, 2.0, 1.0, hand.RIGHT),  # 1.70
        (0.79, 1.6, 1.0, hand.LEFT),
        (0.6, 1.0, 5.0, hand.LEFT),
        (0.5, 0.0, 0.0, hand.LEFT),
    ],
)
def test_of_two_sides_the_better_explanation_is_taken(side_score, left, right, taken):
    poses = Poses(left, right)
    pose = sides.explained(region(side_score), poses)
    assert (pose.region.side, pose.region.side_from, poses.asked) == (taken, "compared", 2)
    assert pose.region.side_score == side_score
    np.testing.assert_allclose(pose.uv[1:, 0] - UV[1:, 0], poses.gaps[taken], atol=1e-4)


def test_a_side_that_is_sure_or_given_is_not_tried():
    given = region(0.55).of_side(hand.LEFT)
    keypoints = HandRegion.from_keypoints(UV)
    followed = dataclasses.replace(region(0.55), side_score=None)
    for known in (region(0.9), given, keypoints, followed):
        poses = Poses(9.0, 9.0)
        pose = sides.explained(known, poses)
        assert poses.asked == 1
        assert pose.region is known
