"""Where a hand is whose pose is known: the shift in mm that puts its points over an image.

A pose is known about its root alone; what was seen of it in an image says where the root is.
Frames and units are `geometry`'s.
"""

from collections.abc import Callable

import tensorflow as tf
from jaxtyping import Float

from dcmls_tf.geometry import Matrix, project, rays

# Which points touch the sides of a box, and how wide they project, is settled after these.
ROUNDS = 3


def place(
    points_mm: Float[tf.Tensor, "*B N 3"],
    uv: Float[tf.Tensor, "*B N 2"],
    weight: Float[tf.Tensor, "*B N 2"],
    K: Matrix,
) -> Float[tf.Tensor, "*B 3"]:
    """The shift in mm after which points project nearest to `uv`.

    Linear least squares of each point's distance from its px's ray, along x and along y.

    Args:
        points_mm: points in the camera frame, about any origin.
        uv: px.
        weight: how much each coordinate of `uv` counts.
        K: intrinsics.
    """
    u, v, ones = tf.unstack(rays(uv, K), axis=-1)
    x, y, z = tf.unstack(points_mm, axis=-1)
    matrix = tf.concat([tf.stack([ones, 0 * u, -u], -1), tf.stack([0 * v, ones, -v], -1)], -2)
    target = tf.concat([u * z - x, v * z - y], -1)
    weight = tf.concat([weight[..., 0], weight[..., 1]], -1)[..., None]
    shift = tf.linalg.lstsq(matrix * weight, target[..., None] * weight, l2_regularizer=1e-7)
    return shift[..., 0]


def place_in_box(
    points_mm: Float[tf.Tensor, "*B N 3"], box: Float[tf.Tensor, "*B 4"], K: Matrix
) -> Float[tf.Tensor, "*B 3"]:
    """The shift in mm after which points just fill a box: left, top, right, bottom px."""
    near, far = box[..., None, :2], box[..., None, 2:]

    def shift_of(seen: Float[tf.Tensor, "*B N 2"]) -> Float[tf.Tensor, "*B 3"]:
        nearest = tf.cast(seen == tf.reduce_min(seen, -2, keepdims=True), tf.float32)
        farthest = tf.cast(seen == tf.reduce_max(seen, -2, keepdims=True), tf.float32)
        return place(points_mm, nearest * near + farthest * far, nearest + farthest, K)

    return _settled(shift_of, points_mm, K)


def place_over(
    points_mm: Float[tf.Tensor, "*B N 3"], uv: Float[tf.Tensor, "*B N 2"], K: Matrix
) -> Float[tf.Tensor, "*B 3"]:
    """The shift in mm after which points lie over `uv`, px, and are as wide.

    Centre and spread (root mean square from it) of the projection are those of `uv`.
    `place` alone would pull a pose that differs from `uv` to the camera, near which its errors
    in mm are small.
    """
    around = uv - tf.reduce_mean(uv, -2, keepdims=True)

    def shift_of(seen: Float[tf.Tensor, "*B N 2"]) -> Float[tf.Tensor, "*B 3"]:
        spread = seen - tf.reduce_mean(seen, -2, keepdims=True)
        ratio = tf.norm(around, axis=[-2, -1], keepdims=True)
        ratio /= tf.norm(spread, axis=[-2, -1], keepdims=True)
        return place(points_mm, uv - around + ratio * spread, tf.ones_like(uv), K)

    return _settled(shift_of, points_mm, K)


def _settled(
    shift_of: Callable[[tf.Tensor], tf.Tensor], points_mm: Float[tf.Tensor, "*B N 3"], K: Matrix
) -> Float[tf.Tensor, "*B 3"]:
    """The shift that follows from how points project, and their projection from the shift."""
    shift = shift_of(points_mm[..., :2])
    for _ in range(ROUNDS - 1):
        shift = shift_of(project(points_mm + shift[..., None, :], K))
    return shift
