"""The ways from a photo to poses, of which the shipped models take the best that there is.

A hand whose keypoints are known, from the detector or given, goes by 2D to 3D, which is the more
exact; one of which only a box is known goes by its pixels. Where the detector gave the keypoints,
its depths correct the pose.
"""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from dcmls_tf.errors import UserError
from dcmls_tf.photos import backends
from dcmls_tf.photos.depths import DepthCorrection, Hands
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.serving import shipped


class ShippedPredictor(PosePredictor):
    """Poses by the shipped models; codes and samples are those of 2D to 3D.

    Raises `UserError` when the models are not installed; that of pixels is asked for only when
    a hand needs it. Codes and samples know nothing of the detector's depths.
    """

    def __init__(self) -> None:
        super().__init__(backends.load(shipped.path(shipped.KEYPOINTS)))
        self.needs_keypoints = False

    def __call__(self, photo: Photo, regions: Iterable[HandRegion]) -> list[HandPose]:
        """The pose of each hand; see `PosePredictor`."""
        return [self._corrected(photo, pose) for pose in super().__call__(photo, regions)]

    @functools.cached_property
    def correction(self) -> DepthCorrection:
        """What the detector's depths change."""
        return DepthCorrection.load()

    @functools.cached_property
    def of_pixels(self) -> PosePredictor:
        """The poses of hands of which only a box is known."""
        model = PosePredictor(backends.load(shipped.path(shipped.RGB, shipped.RGB_SMALL)))
        if model.joint_names != self.joint_names:
            raise UserError(f"{shipped.FOLDER}: its models name different joints; release both")
        return model

    def _pose(self, photo: Photo, region: HandRegion) -> HandPose:
        if region.keypoints is None:
            (pose,) = self.of_pixels(photo, [region])
            return pose
        return super()._pose(photo, region)

    def _corrected(self, photo: Photo, pose: HandPose) -> HandPose:
        """The pose by the detector's depths, where there are any."""
        region = pose.region
        if region.depths is None or region.keypoints is None:
            return pose
        hands = Hands.of_one(pose.joints_mm, region.keypoints, region.depths, region.side)
        (joints_mm,) = self.correction(hands).astype(np.float32)
        uv, root_mm = self._placed(joints_mm, region.keypoints, photo.K)
        std_mm = None if pose.std_mm is None else self.correction.std_factors * pose.std_mm
        return dataclasses.replace(pose, uv=uv, joints_mm=joints_mm, root_mm=root_mm, std_mm=std_mm)
