"""Poses corrected by what the detector sees of depth.

MediaPipe's network gives every joint a depth beside its place in the picture (px of the picture,
of weak perspective). It is rough, but it has seen the pixels: where 2D keypoints alone fit two
poses, it tells which. A small network takes the pose of the model in the box and those depths, and
says by how much the pose is off. `dcmls_tf.depth_fit` makes it, from the detector's answers on
rendered hands.
"""

import io
import os
import zipfile
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int

from dcmls_tf import files, geometry, hand
from dcmls_tf.errors import UserError
from dcmls_tf.pretrained import FOLDER

FILE = os.path.join(os.path.dirname(FOLDER), "depths.npz")
_PALM = list(hand.PALM_JOINTS["rhd"])
_XY = slice(0, 2)

Poses = Float[np.ndarray, "N 21 3"]


class Hands(NamedTuple):
    """Hands as they are before the correction.

    joints_mm: relative to the palm's centre, which is joint 0, in the camera's frame.
    keypoints, depths: px of the picture; joint 0 is the wrist. Only depths' differences count.
    side: 0 left, 1 right.
    """

    joints_mm: Poses
    keypoints: Float[np.ndarray, "N 21 2"]
    depths: Float[np.ndarray, "N 21"]
    side: Int[np.ndarray, "N"]

    @property
    def unit_mm(self) -> Float[np.ndarray, "N 1 1"]:
        """The poses' own scale bone."""
        return geometry.scale_bone_mm(self.joints_mm)[:, None, None]

    def turn(self) -> Float[np.ndarray, "N 3 3"]:
        """Camera's frame → the hand's: its fingers' base right above the wrist, a left mirrored."""
        across = np.where(self.side == hand.LEFT, -1.0, 1.0)
        mirror = np.stack([across, np.ones_like(across)], -1)[:, None]
        keypoints = self.keypoints * mirror
        base = keypoints[:, list(hand.FINGER_BASES)].mean(1)
        right, down = np.moveaxis(base - keypoints[:, hand.WRIST], -1, 0)
        angle = -np.arctan2(right, -down)
        return geometry.roll_and_mirror(angle, across < 0, angle)

    @classmethod
    def of_one(cls, joints_mm: Any, keypoints: Any, depths: Any, side: int) -> Self:
        """One hand, whose arrays have no `N`."""
        return cls(*(np.asarray(value)[None] for value in (joints_mm, keypoints, depths, side)))

    def features(self) -> Float[np.ndarray, "N 84"]:
        """The pose and the depths, in scale bones and the hand's frame."""
        turn = self.turn()
        pose = turned(self.joints_mm / self.unit_mm, turn)
        seen = turned(_off_palm(self.keypoints), turn[:, _XY, _XY])
        depths = _off_palm(self.depths[..., None])
        # A px in scale bones: what brings the keypoints nearest to the pose.
        fingers = slice(1, None)
        dot = (seen * pose[..., _XY])[:, fingers].sum((1, 2), keepdims=True)
        px = dot / np.maximum((seen**2)[:, fingers].sum((1, 2), keepdims=True), 1e-9)
        return np.concatenate([pose.reshape(len(pose), -1), (px * depths)[..., 0]], -1)


class DepthCorrection:
    """A network of fully-connected layers with ReLU between them, in NumPy.

    layers: (kernel `[in, out]`, bias `[out]`) each; the last gives 60 numbers, by how much the 20
        joints after the root move, in scale bones and the hand's frame.
    std_factors: by how much a joint's `std_mm`, of the pose before, is its error bar after.
    """

    def __init__(
        self,
        layers: list[tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "n"]]],
        std_factors: Float[np.ndarray, "21"],
    ):
        self.layers, self.std_factors = layers, std_factors

    @classmethod
    def load(cls, path: str = FILE) -> Self:
        """The correction in a file. Raises `UserError` where it cannot be read."""
        try:
            with np.load(path) as arrays:
                values = [arrays[name].astype(np.float32) for name in sorted(arrays.files)]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: cannot be read ({error}); install the package anew") from None
        *layers, std_factors = values
        return cls(list(zip(layers[0::2], layers[1::2], strict=True)), std_factors)

    def save(self, path: str) -> None:
        """Writes the file that `load` reads; weights as float16."""
        named: dict[str, Any] = {}
        for number, (kernel, bias) in enumerate(self.layers):
            named |= {f"layer_{number}_a_kernel": kernel, f"layer_{number}_b_bias": bias}
        named["std_factors"] = self.std_factors
        content = io.BytesIO()
        np.savez_compressed(content, **{k: v.astype(np.float16) for k, v in named.items()})
        files.write(path, content.getvalue())

    def __call__(self, hands: Hands) -> Poses:
        """The corrected poses, relative to the palm's centre, mm, in the camera's frame."""
        values = hands.features()
        for number, (kernel, bias) in enumerate(self.layers):
            values = (np.maximum(values, 0) if number else values) @ kernel + bias
        moved = np.concatenate([np.zeros((len(values), 1, 3)), values.reshape(-1, 20, 3)], 1)
        return hands.joints_mm + hands.unit_mm * turned(moved, np.swapaxes(hands.turn(), -1, -2))


def turned(points: Float[np.ndarray, "N J d"], turn: Float[np.ndarray, "N d d"]) -> np.ndarray:
    """Points of each hand turned by its matrix."""
    return points @ np.swapaxes(turn, -1, -2)


def _off_palm(values: Float[np.ndarray, "N 21 d"]) -> Float[np.ndarray, "N 21 d"]:
    """Values of joints less the palm's centre's, which joint 0 stands for."""
    palm = values[:, _PALM].mean(1, keepdims=True)
    return np.concatenate([palm, values[:, 1:]], 1) - palm
