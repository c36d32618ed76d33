"""Sliders that move the codes of one hand, and what they decode to.

They move along the directions that, there, move the pose (for z_h) or the reconstruction (for
z_c) the most.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf.drawing import figures
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor

SLIDERS = 4
# What a slider's 1 moves, root mean square over joints (mm) or values of x (of its range), as
# far as the decoder is linear; and the longest that a slider's 1 is in the latent space.
POSE_MM, APPEARANCE, LONGEST_STEP = 25.0, 0.1, 2.0
PROBE = 0.5
PICTURE_PX = 256


class LatentSliders:
    """The latent space around one hand.

    `directions`: of z_h and of z_c, `[SLIDERS or fewer, D]`, what a slider's 1 adds to the code.
    """

    def __init__(self, predictor: PosePredictor, photo: Photo, region: HandRegion):
        self._predictor, self._mirrored = predictor, predictor.mirrors(region)
        self._codes = predictor.encode(photo, region)
        self.directions = [self._directions(part) for part in range(len(self._codes))]

    def at(
        self, *positions: Sequence[float] | np.ndarray
    ) -> tuple[Float[np.ndarray, "21 3"], UInt8[np.ndarray, "H W 3"]]:
        """Positions of z_h's and z_c's sliders → pose in mm and a picture of x.

        Both are in the crop's frame, left hands as they are.
        """
        z_h, z_c = (
            (z + np.asarray(p[: len(d)], float) @ d).astype(np.float32)
            for z, p, d in zip(self._codes, positions, self.directions, strict=True)
        )
        joints_mm, x = (values[0] for values in self._predictor.decode(z_h, z_c))
        if self._mirrored:
            joints_mm = joints_mm * [-1, 1, 1]
            x = x[:, ::-1] if x.ndim == 3 else x * [-1, 1]
        return joints_mm, figures.source_picture(x, PICTURE_PX)

    def _directions(self, part: int) -> Float[np.ndarray, "sliders D"]:
        """The singular directions of z_h → pose (part 0) or z_c → x (part 1), strongest first."""
        size = self._codes[part].shape[1]
        if not size:
            return np.zeros([0, 0])
        codes = [np.repeat(z, size + 1, axis=0) for z in self._codes]
        codes[part][1:] += (PROBE * np.eye(size)).astype(np.float32)
        decoded = self._predictor.decode(*codes)[part].astype(float)
        changes = (decoded[1:] - decoded[0]).reshape(size, -1) / PROBE
        along, strengths, _ = np.linalg.svd(changes, full_matrices=False)
        # Of a pose, a joint's three coordinates move together.
        is_pose = part == 0
        rms = strengths / np.sqrt(changes.shape[1] / (3 if is_pose else 1))
        wanted = POSE_MM if is_pose else APPEARANCE * (255 if decoded.ndim == 4 else 1)
        steps = np.minimum(wanted / np.maximum(rms, 1e-9), LONGEST_STEP)
        return (along * steps).T[:SLIDERS]
