"""Poses whose scale bone is as long as its unit says.

Poses are in scale bones, so that the scale bone of a right one has length 1; a network's has
nearly. Where it is longer the rest of the hand is as well, as a rule: a network sees how large a
hand is by people of its training, whose other bones have other lengths beside that one. So part of
the error goes when the pose is scaled, by less than all of the difference where the bone itself is
no more sure than the rest. It is done in the graph of the prediction, so exported files do it too.
"""

import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import hand

_LEAST = 1e-6  # keeps a bone of no length from a division by 0


def scaled(y: Float[tf.Tensor, "*B 21 3"], part: float) -> Float[tf.Tensor, "*B 21 3"]:
    """Poses in scale bones, relative to a root at 0, over the `part`-th power of their own bone."""
    near, far = hand.SCALE_BONE
    way = y[..., far : far + 1, :] - y[..., near : near + 1, :]
    square = tf.reduce_sum(way * way, axis=-1, keepdims=True) + _LEAST
    return y * tf.pow(square, -part / 2)
