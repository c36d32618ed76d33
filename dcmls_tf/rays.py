"""Poses on the rays of the keypoints that they were read from.

A camera sees joint j at u_j, so that its x and y follow from u_j and its depth. A network gives all
three and has to learn that; 2.5D methods (Iqbal et al. 2018) take the depths alone and put the
joints on their rays. Here a pose keeps its depths, and its x and y move on to the rays the further
the nearer they are: all the way where keypoints are exact, hardly where a detector is off so far
that the network does not follow it. It is done in the graph of the prediction, so exported files
do it too.

In the frame of a crop, whose camera is not known, with z_j relative to the root:

    X_j − X_root = a·(u_j − u_root) + b·u_j z_j

where a is the size of a crop at the root and a/b the root's distance. Both are what comes nearest
to the pose's own x and y (least squares), b/a being near that of a hand half a metre away.
"""

import tensorflow as tf
from jaxtyping import Float

# 1 over the distance in scale bones, and how much that weighs against the joints of a hand.
NEARNESS = 0.065
NEARNESS_WEIGHT = 1.0
_LEAST = 1e-6  # keeps keypoints that are all in one place from a division by 0


def onto(
    y: Float[tf.Tensor, "*B 21 3"], x: Float[tf.Tensor, "*B 21 2"], reach: float
) -> Float[tf.Tensor, "*B 21 3"]:
    """Poses `y` in scale bones, moved on to the rays of keypoints `x`; the root stays.

    x: in crop sides from the crop's middle. reach: the joints' distance from their rays (root mean
    square, in scale bones) at which they go half of the way.
    """
    way = _nearest(y, x) - y[..., :2]
    square = reach * reach
    part = square / (square + _dot(way, way) / y.shape[-2])
    return tf.concat([y[..., :2] + part * way, y[..., 2:]], -1)


def _nearest(
    y: Float[tf.Tensor, "*B 21 3"], x: Float[tf.Tensor, "*B 21 2"]
) -> Float[tf.Tensor, "*B 21 2"]:
    """x and y on the rays, at the pose's depths."""
    off_root, by_depth = x - x[..., :1, :], x * y[..., 2:]
    near = off_root + NEARNESS * by_depth
    seen = y[..., :2] - y[..., :1, :2]
    nn, nd, ns = _dot(near, near) + _LEAST, _dot(near, by_depth), _dot(near, seen)
    dd, ds = _dot(by_depth, by_depth) + NEARNESS_WEIGHT, _dot(by_depth, seen)
    determinant = nn * dd - nd * nd
    a, more = (dd * ns - nd * ds) / determinant, (nn * ds - nd * ns) / determinant
    return y[..., :1, :2] + a * near + more * by_depth


def _dot(
    a: Float[tf.Tensor, "*B 21 2"], b: Float[tf.Tensor, "*B 21 2"]
) -> Float[tf.Tensor, "*B 1 1"]:
    return tf.reduce_sum(a * b, axis=[-2, -1], keepdims=True)
