"""A hand read several times, turned in the plane of its crop: the mean of the poses counts.

The pose of a turned crop is the turned pose, but what a network says of the two differs: part of
its error goes when both are turned back and averaged. It is done in the graph of the prediction,
so exported files do it too; training and the latent codes know nothing of it. `--turns` names the
angles, in degrees; the first of several rows of a hand belongs to the first of them.

A turn by an angle takes x (right) towards y (down): clockwise, as the crop is seen. Pixels that
come from outside of the crop repeat its edge.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Int

Angles = Sequence[float]  # degrees


def turned(x: Float[tf.Tensor, "B *x"], angles: Angles) -> Float[tf.Tensor, "B*T *x"]:
    """Images `[B, S, S, 3]` or keypoints `[B, 21, 2]` around 0, turned by each of `T` angles."""
    turn = _turned_keypoints if len(x.shape) == 3 else _turned_images
    copies = tf.stack([turn(x, angle) if angle % 360 else x for angle in angles], 1)
    return tf.reshape(copies, [-1, *x.shape[1:]])


def repeated(
    side: Float[tf.Tensor, "B 1"] | None, angles: Angles
) -> Float[tf.Tensor, "B*T 1"] | None:
    """What is the same at each angle, or `None`."""
    return None if side is None else tf.repeat(side, len(angles), axis=0)


def turned_back(y: Float[tf.Tensor, "*B 21 3"], angles: Angles) -> Float[tf.Tensor, "*B 21 3"]:
    """Poses of turned crops as they are without; the last of `*B` are the angles."""
    if not any(angles):
        return y
    return _rotated(y, [-angle for angle in angles])


def mean_pose(y: Float[tf.Tensor, "B*T 21 3"], angles: Angles) -> Float[tf.Tensor, "B 21 3"]:
    """The mean of a hand's poses, each turned back."""
    of_hands = tf.reshape(y, [-1, len(angles), *y.shape[1:]])
    return tf.reduce_mean(turned_back(of_hands, angles), 1)


def _turned_keypoints(x: Float[tf.Tensor, "B N 2"], angle: float) -> Float[tf.Tensor, "B N 2"]:
    return _rotated(x[:, None], [angle])[:, 0]


def _rotated(points: Float[tf.Tensor, "*B N d"], angles: Angles) -> Float[tf.Tensor, "*B N d"]:
    """Points turned about the optical axis, by products and sums, which every runtime has."""
    radians = np.radians(np.asarray(angles, np.float32))[:, None]
    cos, sin = np.cos(radians), np.sin(radians)
    x, y, *depth = tf.unstack(points, axis=-1)
    return tf.stack([cos * x - sin * y, sin * x + cos * y, *depth], -1)


def _turned_images(x: Float[tf.Tensor, "B S S C"], angle: float) -> Float[tf.Tensor, "B S S C"]:
    """Bilinear, by gathers whose indices and weights are constants, which every runtime has."""
    size, channels = x.shape[1], x.shape[3]
    pixels = tf.reshape(x, [-1, size * size, channels])
    indices, weights = _corners(size, angle)
    mixed = tf.add_n(
        [tf.gather(pixels, i, axis=1) * w for i, w in zip(indices, weights, strict=True)]
    )
    return tf.reshape(mixed, [-1, size, size, channels])


def _corners(
    size: int, angle: float
) -> tuple[Int[np.ndarray, "4 S*S"], Float[np.ndarray, "4 S*S 1"]]:
    """Which four pixels of an image each turned one is mixed of, and what part each has."""
    middle = (size - 1) / 2
    rows, columns = np.mgrid[:size, :size]
    across, down = columns.ravel() - middle, rows.ravel() - middle
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x = np.clip(cos * across + sin * down + middle, 0, size - 1)
    y = np.clip(cos * down - sin * across + middle, 0, size - 1)
    left, top = (np.minimum(np.floor(v), size - 2).astype(np.int32) for v in (x, y))
    right, below = x - left, y - top
    indices = [size * (top + lower) + left + other for lower in (0, 1) for other in (0, 1)]
    weights = [v * h for v in (1 - below, below) for h in (1 - right, right)]
    return np.stack(indices), np.stack(weights)[..., None].astype(np.float32)
