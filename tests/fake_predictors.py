"""Predictors of known answers, for the tests of what is done with an answer."""

from collections.abc import Iterable

import numpy as np
import raw_trees

from dcmls_tf import hand
from dcmls_tf.photos import boxes
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor

Z_H, Z_C = 5, 3
rng = np.random.default_rng(0)


class FixedPredictor(PosePredictor):
    """A predictor whose joints are where `uv` says, in parts of the box; may fail at a call."""

    uv = np.random.default_rng(1).uniform(0, 1, (hand.NUM_JOINTS, 2))
    joints_mm = raw_trees.random_hand(np.random.default_rng(0))

    def __init__(self, failing_call: int = 0, error: BaseException | None = None):
        self.joint_names, self.needs_keypoints = ("palm", *hand.JOINTS[1:]), False
        self.calls, self._failing_call, self._error = 0, failing_call, error

    def __call__(self, photo: Photo, regions: Iterable[HandRegion]) -> list[HandPose]:
        self.calls += 1
        if self.calls == self._failing_call and self._error:
            raise self._error
        return [self._fixed_pose(photo, region) for region in regions]

    def _fixed_pose(self, photo: Photo, region: HandRegion) -> HandPose:
        boxes.check(region.box, photo.size)
        uv = region.box[:2] + self.uv * (region.box[2:] - region.box[:2])
        std_mm = np.arange(21.0) if region.side == hand.RIGHT else None
        return HandPose(region, uv, self.joints_mm, np.array([0, 0, 500.0]), std_mm)


class LinearPredictor(PosePredictor):
    """A predictor whose decoders are matrices: z_h → pose, z_c → keypoints."""

    z_h, z_c = rng.normal(size=(1, Z_H)), rng.normal(size=(1, Z_C))
    of_pose = 40 * rng.normal(size=(Z_H, 63)) * np.array([[1], [5], [2], [3], [0.001]])
    of_x = 0.3 * rng.normal(size=(Z_C, 42))
    pose_mm = raw_trees.random_hand(rng)

    def __init__(self):
        self.joint_names, self.needs_keypoints, self.has_codes = hand.JOINTS, False, True

    def __call__(self, photo: Photo | None, regions: Iterable[HandRegion]) -> list[HandPose]:
        return [
            HandPose(r, r.box[:2] + rng.uniform(0, 50, (21, 2)), self.pose_mm, np.ones(3))
            for r in regions
        ]

    def mirrors(self, region: HandRegion) -> bool:
        return region.side == hand.LEFT

    def encode(self, photo: Photo | None, region: HandRegion) -> tuple[np.ndarray, np.ndarray]:
        return self.z_h.astype(np.float32), self.z_c.astype(np.float32)

    def decode(self, z_h: np.ndarray, z_c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pose = self.pose_mm + (z_h @ self.of_pose).astype(np.float32).reshape(-1, 21, 3)
        return pose, (z_c @ self.of_x).astype(np.float32).reshape(-1, 21, 2)


class UnifiedPredictor(LinearPredictor):
    """The same without z_c."""

    def encode(self, photo: Photo | None, region: HandRegion) -> tuple[np.ndarray, np.ndarray]:
        return self.z_h.astype(np.float32), np.zeros([1, 0], np.float32)

    def decode(self, z_h: np.ndarray, z_c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pose, _ = super().decode(z_h, np.zeros([len(z_h), Z_C]))
        return pose, pose[..., :2] / 200
