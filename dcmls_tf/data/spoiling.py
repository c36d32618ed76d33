"""What spoils pictures, drawn for training: something in front, blur, no colour, noise, JPEG.

In the order in which a camera meets them. Each has an option of its own, 0 for none. Pictures are
`[S, S, 3]` in [0, 1], numbers are uniform in [-1, 1], and what is drawn depends on them alone.
"""

import math
from typing import NamedTuple

import tensorflow as tf
from jaxtyping import Float

from dcmls_tf.config import SPOILS_PICTURES, Config

# Half axes of what is in front, as parts of the picture's side.
LEAST_AXIS, LARGEST_AXIS = 0.05, 0.25
# Kernels reach so many standard deviations; narrower ones than the least, in px, do nothing.
_REACH, _LEAST_STD = 2.5, 1e-3

_Number = Float[tf.Tensor, ""]
_Picture = Float[tf.Tensor, "S S 3"]


class Numbers(NamedTuple):
    """What a picture draws."""

    covered: _Number
    centre_x: _Number
    centre_y: _Number
    axis_x: _Number
    axis_y: _Number
    red: _Number
    green: _Number
    blue: _Number
    blur: _Number
    across: _Number
    direction: _Number
    grey: _Number
    noise: _Number
    pattern: _Number
    jpeg: _Number


SIZE = len(Numbers._fields)


def wanted(config: Config) -> bool:
    """Whether any option is on."""
    return any(getattr(config, option) for option in SPOILS_PICTURES)


def spoiled(image: _Picture, config: Config, numbers: Float[tf.Tensor, "15"]) -> _Picture:
    """A picture as a worse camera would have it, by the options that are on."""
    n = Numbers(*tf.unstack(numbers))
    if config.augment_cover:
        image = tf.where(tf.abs(n.covered) < config.augment_cover, cover(image, n), image)
    if config.augment_blur:
        image = blur(image, n, config.augment_blur)
    if config.augment_grey:
        without = tf.tile(tf.image.rgb_to_grayscale(image), [1, 1, 3])
        image = tf.where(tf.abs(n.grey) < config.augment_grey, without, image)
    if config.augment_noise:
        image = tf.clip_by_value(image + config.augment_noise * grain(image, n), 0, 1)
    if config.augment_jpeg:
        lost = tf.cast(100 * config.augment_jpeg * tf.abs(n.jpeg), tf.int32)
        image = tf.image.adjust_jpeg_quality(image, tf.maximum(100 - lost, 1))
    return image


def cover(image: _Picture, n: Numbers) -> _Picture:
    """An ellipse of one colour before the picture."""
    side = image.shape[0]
    assert side is not None
    place = (tf.range(side, dtype=tf.float32) + 0.5) / (side / 2) - 1
    of_side = LARGEST_AXIS - LEAST_AXIS
    axes = [2 * (LEAST_AXIS + of_side * tf.abs(axis)) for axis in (n.axis_x, n.axis_y)]
    x, y = (place - n.centre_x) / axes[0], (place - n.centre_y) / axes[1]
    within = (x[None] ** 2 + y[:, None] ** 2 < 1)[..., None]
    return tf.where(within, (tf.stack([n.red, n.green, n.blue]) + 1) / 2, image)


def blur(image: _Picture, n: Numbers, largest: float) -> _Picture:
    """A normal kernel, long for motion and round for what is out of focus.

    largest: its standard deviation along `n.direction`, at most, over the picture's side.
    """
    side = image.shape[0]
    assert side is not None
    reach = max(1, min(math.ceil(_REACH * largest * side), side - 1))
    along = tf.maximum(largest * side * tf.abs(n.blur), _LEAST_STD)
    across = tf.maximum(along * tf.abs(n.across), _LEAST_STD)
    place = tf.range(-reach, reach + 1, dtype=tf.float32)
    angle = math.pi * n.direction
    u = tf.cos(angle) * place[None] + tf.sin(angle) * place[:, None]
    v = tf.cos(angle) * place[:, None] - tf.sin(angle) * place[None]
    kernel = tf.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    kernel = tf.tile((kernel / tf.reduce_sum(kernel))[..., None, None], [1, 1, 3, 1])
    edges = [[reach, reach], [reach, reach], [0, 0]]
    padded = tf.pad(image, edges, "REFLECT")[None]
    return tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")[0]


def grain(image: _Picture, n: Numbers) -> _Picture:
    """Normal noise, the same for the same numbers, of a standard deviation of |`n.noise`|."""
    seed = tf.stack([tf.bitcast(n.pattern, tf.int32), 0])
    return tf.abs(n.noise) * tf.random.stateless_normal(tf.shape(image), seed)
