"""Errors that a detector of keypoints makes, drawn for training.

Each hand is seen more or less well; of a hand's joints each is off by a normal number, and a few,
hidden ones say, by several times as much.
"""

import math

import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import hand

OUTLIERS, OUTLIER_FACTOR = 0.03, 4.0
_COORDINATES = 2 * hand.NUM_JOINTS
# Numbers that a hand draws: how well it is seen, each joint's error, and whether it is an outlier.
SIZE = 1 + _COORDINATES + hand.NUM_JOINTS


def displaced(
    uv: Float[tf.Tensor, "*B 21 2"], noise: Float[tf.Tensor, "*B 64"], largest: float
) -> Float[tf.Tensor, "*B 21 2"]:
    """Keypoints with errors, px.

    noise: uniform in [-1, 1]; largest: standard deviation of the errors of the hand that is seen
    worst, as part of the longer side of the joints' box.
    """
    badly_seen = tf.abs(noise[..., :1, None])
    uniform = tf.reshape(noise[..., 1 : 1 + _COORDINATES], tf.shape(uv))
    normal = math.sqrt(2) * tf.math.erfinv(tf.clip_by_value(uniform, -0.9999, 0.9999))
    outlier = tf.abs(noise[..., 1 + _COORDINATES :, None]) < OUTLIERS
    factor = tf.where(outlier, OUTLIER_FACTOR, 1.0)
    box = tf.reduce_max(uv, axis=-2) - tf.reduce_min(uv, axis=-2)
    side = tf.reduce_max(box, axis=-1)[..., None, None]
    return uv + largest * side * badly_seen * factor * normal
