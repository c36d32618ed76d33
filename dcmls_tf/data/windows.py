"""The part of each image that its crops can show, decoded once and kept in memory.

Decoding a PNG costs several times what cropping it does, and an epoch needs the surroundings
of the hand alone. A window is cut at whole pixels and never resampled, so a crop from it
equals the crop from the image.
"""

import math
import os

import tensorflow as tf
from jaxtyping import Float, Int, Shaped, UInt8

from dcmls_tf import geometry
from dcmls_tf.config import Config
from dcmls_tf.data.examples import PlacedHand

MEMORY_BYTES = min(4 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
# What tells TensorFlow that a resource has no name, and ends with what holds it.
_ANONYMOUS = "cd2c89b7-88b7-44c8-ad83-06c2a9158347"
# A virtual camera that looks far off the axis sees a stretched square.
STRETCH = 1.25


class Windows:
    """Windows by example number, filled as they are asked for, up to `memory_bytes`.

    What comes when that is full is decoded each time. TensorFlow ops only: a Python function
    would hang the interpreter when it exits during prefetching.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES):
        self._kept = tf.lookup.experimental.MutableHashTable(tf.int64, tf.string, "")
        self._memory_bytes = memory_bytes
        # A `tf.Variable` made in a strategy's scope would be one a replica.
        with tf.device("CPU:0"):
            self._taken = tf.raw_ops.VarHandleOp(dtype=tf.int64, shape=[], shared_name=_ANONYMOUS)
            tf.raw_ops.AssignVariableOp(resource=self._taken, value=tf.constant(0, tf.int64))

    def taken_bytes(self) -> Int[tf.Tensor, ""]:
        """How many bytes are kept."""
        return tf.raw_ops.ReadVariableOp(resource=self._taken, dtype=tf.int64)

    def read(
        self, number: Int[tf.Tensor, ""], image: Shaped[tf.Tensor, ""], box: Int[tf.Tensor, "4"]
    ) -> UInt8[tf.Tensor, "h w 3"]:
        """Pixels of an encoded image within `box`: left, top, right, bottom px.

        `number` tells examples apart; the same number must come with the same box.
        """
        key = tf.cast(number, tf.int64)
        kept = self._kept.lookup(key)
        serialized = tf.cond(kept != "", lambda: kept, lambda: self._cut(key, image, box))
        return tf.ensure_shape(tf.io.parse_tensor(serialized, tf.uint8), [None, None, 3])

    def _cut(
        self, key: Int[tf.Tensor, ""], image: Shaped[tf.Tensor, ""], box: Int[tf.Tensor, "4"]
    ) -> Shaped[tf.Tensor, ""]:
        left, top, right, bottom = tf.unstack(box)
        window = tf.io.decode_png(image, channels=3)[top:bottom, left:right]
        serialized = tf.io.serialize_tensor(window)
        size = tf.cast(tf.strings.length(serialized), tf.int64)
        has_room = self.taken_bytes() + size <= self._memory_bytes
        tf.cond(has_room, lambda: self._keep(key, serialized, size), lambda: True)
        return serialized

    def _keep(
        self, key: Int[tf.Tensor, ""], serialized: Shaped[tf.Tensor, ""], size: Int[tf.Tensor, ""]
    ) -> bool:
        tf.raw_ops.AssignAddVariableOp(resource=self._taken, value=size)
        self._kept.insert(key, serialized)
        return True


def reach(placed: PlacedHand, config: Config) -> Int[tf.Tensor, "*B 4"]:
    """What any crop of `training_batches` can show: left, top, right, bottom px.

    It may go beyond the image's far sides, where slices end by themselves.
    """
    centre, side = geometry.joints_box(placed["uv"], placed["K"], config.crop_margin)
    diagonal = math.sqrt(0.5) * (1 + config.augment_scale) + config.augment_shift
    radius = (STRETCH * diagonal * side + 2)[..., None]
    near = tf.maximum(tf.floor(centre - radius), 0.0)
    far = tf.maximum(tf.math.ceil(centre + radius), near + 1)
    return tf.cast(tf.concat([near, far], -1), tf.int32)


def homography(
    H: Float[tf.Tensor, "*B 3 3"], box: Int[tf.Tensor, "*B 4"]
) -> Float[tf.Tensor, "*B 3 3"]:
    """`H` for px counted from the window's corner instead of the image's."""
    left, top = (tf.cast(box[..., i], tf.float32) for i in range(2))
    zeros, ones = tf.zeros_like(left), tf.ones_like(left)
    rows = ([ones, zeros, left], [zeros, ones, top], [zeros, zeros, ones])
    return H @ tf.stack([tf.stack(row, -1) for row in rows], -2)
