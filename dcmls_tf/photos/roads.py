"""The ways from a photo to poses, of which the shipped models take the best that there is.

A hand whose keypoints are known, from the detector or given, goes by 2D to 3D, which is the more
exact; one of which only a box is known goes by its pixels.
"""

import functools

from dcmls_tf.errors import UserError
from dcmls_tf.photos import backends
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.serving import shipped


class ShippedPredictor(PosePredictor):
    """Poses by the shipped models; codes and samples are those of 2D to 3D.

    Raises `UserError` when the models are not installed; that of pixels is asked for only when
    a hand needs it.
    """

    def __init__(self) -> None:
        super().__init__(backends.load(shipped.path(shipped.KEYPOINTS)))
        self.needs_keypoints = False

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
