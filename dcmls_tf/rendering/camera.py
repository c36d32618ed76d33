"""Pinhole cameras as RHD has them, and where to put one to see a hand.

Frames: world as in `body.py` (metres, y up); camera x right, y down, z forward. `uv` counts px
to the right and down from the outer corner of the first pixel, whose middle is (0.5, 0.5): so
do RHD's, where fingers in the masks lie half a pixel up and left of the joints otherwise.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from dcmls_tf.rendering.body import rotation, rotation_between

SIZE = 320
FOCAL_PX = (282.0, 11.0)  # mean and spread; RHD's lie between 260 and 310
FOCAL_LIMITS = (260.0, 310.0)
_UP = np.array([0.0, 1.0, 0.0])
_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Camera:
    """A camera with a square image.

    K: px; rotation: world to camera; position: world, metres; size: the image's sides, px.
    """

    K: Float[np.ndarray, "3 3"]
    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, "3"]
    size: int = SIZE

    def to_camera(self, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
        """World to camera, metres."""
        return (points - self.position) @ self.rotation.T

    def project(
        self, points: Float[np.ndarray, "*N 3"]
    ) -> tuple[Float[np.ndarray, "*N 2"], Float[np.ndarray, "*N"]]:
        """World, metres, to px and depth in metres, which is above 0 in front."""
        p = self.to_camera(points)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            uv = p[..., :2] / p[..., 2:] * self.K[0, 0] + self.K[:2, 2]
        return uv, p[..., 2]

    def cropped(
        self, corner: Sequence[float] | Float[np.ndarray, "2"], side: float, size: int
    ) -> "Camera":
        """The camera that sees a square of `side` px from `corner` on, `size` px a side."""
        zoom = size / side
        cut = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]], [0, 0, 1.0]])
        return Camera(cut @ self.K, self.rotation, self.position, size)

    def rays(self, uv: Shaped[Any, "N 2"]) -> Float[np.ndarray, "N 3"]:
        """World directions through points of the image, px, as long as their depth is 1."""
        u, v = np.asarray(uv, np.float32).T[:, :, None]
        x, y, z = (self.rotation.T @ np.linalg.inv(self.K)).T.astype(np.float32)
        return u * x + v * y + z


def intrinsics(focal: float) -> Float[np.ndarray, "3 3"]:
    """K with the principal point in the image's centre, as in RHD."""
    return np.array([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1.0]])


def look_at(
    target: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    distance: float,
    roll: float,
    uv: Float[np.ndarray, "2"],
    K: Float[np.ndarray, "3 3"],
) -> Camera:
    """Camera `distance` metres from world point `target`, which it sees at pixel `uv`.

    direction: unit vector from the target to the camera; roll: degrees about the line of sight.
    """
    z = -np.asarray(direction, float)
    x = np.cross(z, _UP)
    x /= np.linalg.norm(x)
    upright = np.stack([x, np.cross(z, x), z])
    ray = np.linalg.inv(K) @ np.array([uv[0], uv[1], 1.0])
    towards = rotation_between(_FORWARD, ray / np.linalg.norm(ray))
    return Camera(K, towards @ rotation(2, roll) @ upright, target - distance * z)


def sample_near_camera(
    rng: np.random.Generator,
    joints: Float[np.ndarray, "21 3"],
    eyes: Float[np.ndarray, "3"],
    egocentric: float,
) -> Camera:
    """Random `Camera` near a hand, as phones and webcams are.

    Its field of view is 49 to 82 degrees wide; the hand spans from a sixth to all of the frame.

    joints: the hand's; eyes: the middle of the person's, both in the world, metres.
    egocentric: share of cameras that look from there.
    """
    target = joints.mean(0)
    reach = 2 * np.linalg.norm(joints - target, axis=1).max()
    focal = SIZE * rng.uniform(0.58, 1.1)
    share = np.exp(rng.uniform(np.log(0.17), np.log(1.0)))
    distance = np.clip(focal * reach / (share * SIZE), 0.16, 1.6)
    if rng.random() < egocentric:
        direction = eyes - target + rng.normal(0, 0.08, 3)
        distance = min(distance, np.linalg.norm(direction) - 0.05)
        direction = direction / np.linalg.norm(direction)
    else:
        direction = _sphere_direction(rng)
    roll = rng.uniform(-180, 180) if rng.random() < 0.1 else rng.normal(0, 15)
    # The larger the hand, the nearer to the frame's middle.
    spread = max(0.5 * (1 - share), 0.08) * SIZE / 2
    uv = np.clip(rng.normal(SIZE / 2, spread, 2), 0.1 * SIZE, 0.9 * SIZE)
    return look_at(target, direction, distance, roll, uv, intrinsics(focal))


def _sphere_direction(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """From a hand to a camera: mostly the person's front, sometimes anywhere; of length 1."""
    azimuth = rng.uniform(-180, 180) if rng.random() < 0.25 else rng.normal(0, 55)
    elevation = np.degrees(np.arcsin(rng.uniform(-0.75, 0.97)))
    if rng.random() < 0.6:
        elevation = np.clip(rng.normal(5, 25), -65, 75)
    return rotation(1, azimuth) @ rotation(0, -elevation) @ _FORWARD


def sample_camera(rng: np.random.Generator, target: Float[np.ndarray, "3"]) -> Camera:
    """Random `Camera` around world point `target`, the middle of a hand.

    RHD's: half a metre from the hand, mostly from the person's front and near eye level,
    nearly upright, the hand in the middle half of the image.
    """
    K = intrinsics(np.clip(rng.normal(*FOCAL_PX), *FOCAL_LIMITS))
    distance = rng.uniform(0.22, 0.42) if rng.random() < 0.07 else rng.normal(0.565, 0.085)
    azimuth = rng.uniform(-180, 180) if rng.random() < 0.15 else rng.normal(0, 50)
    elevation = np.clip(rng.normal(8, 24), -65, 75)
    roll = rng.normal(0, 25 if rng.random() < 0.1 else 6)
    uv = np.clip(rng.normal([168, 168], [30, 26]), 60, 260)
    if rng.random() < 0.08:
        uv = rng.uniform(-10, SIZE + 10, 2)  # anywhere, and sometimes cut by the border
    direction = rotation(1, azimuth) @ rotation(0, -elevation) @ _FORWARD
    return look_at(target, direction, np.clip(distance, 0.22, 0.78), roll, uv, K)
