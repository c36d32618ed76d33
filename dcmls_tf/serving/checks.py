"""What a served model refuses: a sentence that names the input, the row and what to give.

Each check gives its input back, so that nothing is computed from one that was not looked at.
TensorFlow Serving answers a refusal with INVALID_ARGUMENT and the sentence. A request has one
status, and its answer no place for a row's: so one bad row refuses the request that it is in.
NumPy's arrays are refused by the same sentence as a `Refused`.
"""

import re
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from dcmls_tf import arrays, hand
from dcmls_tf.arrays import Array

# What is at a larger angle from the camera's axis than this tangent (87°) is in no photo.
MAX_TANGENT = 20.0
# Focal lengths and principal points in px; far beyond any camera's, and within float32's reach.
SHORTEST_FOCAL, LARGEST_PX = 0.01, 1e6
# Px of a hand's keypoints in sides of its crop, where good ones are within 0.5.
MAX_IN_CROP = 100.0
# Crops are within 0.5, give or take what resizing them overshoots.
MAX_CROP_VALUE = 0.6
SMALL_BOX = "is smaller than 2 px; give px of the image, not parts of it (0 to 1)"
SMALL_HAND = "lie within 2 px; give px of the image, not parts of it (0 to 1)"


class Refused(ValueError):
    """What is refused of arrays that are NumPy's; its text is the sentence."""


def checked(
    name: str,
    value: Shaped[Array, "B *shape"],
    good: Bool[Array, "B"],
    wanted: str,
    shown: Shaped[Array, "B *other"] | None = None,
) -> Shaped[Array, "B *shape"]:
    """`value`, all of whose rows are good; or an InvalidArgumentError that names the first bad.

    Args:
        name: the input's.
        value: what is given back.
        good: which rows are.
        wanted: what is wrong, and what to give.
        shown: of the bad row, what to say beside.
    """
    tf = arrays.of(value, good)
    if tf is arrays.NUMPY:
        if not good.all():
            row = int(np.argmin(good))
            what = "" if shown is None else f" ({_short(shown[row])})"
            raise Refused(f"{name}: row {row} {wanted}{what}")
        return value

    def refuse() -> Array:
        row = tf.argmin(tf.cast(good, tf.int32))
        what = "" if shown is None else tf.strings.format(" ({})", shown[row])
        told = tf.strings.format(f"{name}: row {{}} ", row) + wanted + what
        one_line = tf.strings.regex_replace(told, r"\s+", " ")
        return _asserted(one_line, value)

    return tf.cond(tf.reduce_all(good), lambda: tf.identity(value), refuse)


def _asserted(told: Shaped[Array, ""], value: Array) -> Array:
    """`value` of a graph that never gives it, but ends with what is `told`."""
    tf = arrays.of(told)
    with tf.control_dependencies([tf.raw_ops.Assert(condition=False, data=[told])]):
        return tf.identity(value)


def _short(value: Array) -> str:
    """Numbers in a line, of many the first and the last."""
    return " ".join(np.array2string(np.asarray(value), threshold=9, edgeitems=3).split())


def refusal(error: Any) -> str:
    """The sentence of a refusal, or the first line of what else TensorFlow says."""
    said = re.search(r"assertion failed: \[(.*?)\](?= \[Op:|\n|$)", error.message)
    return said[1].replace("\\'", "'") if said else error.message.strip().splitlines()[-1]


def finite(value: Float[Array, "B *shape"]) -> Bool[Array, "B"]:
    """Which rows hold neither NaN nor infinity."""
    xp = arrays.of(value)
    return xp.reduce_all(xp.math.is_finite(value), range(1, len(value.shape)))


def rows(
    name: str, value: Shaped[Array, "N *shape"], count: Int[Array, ""]
) -> Shaped[Array, "N *shape"]:
    """An input of `count` rows, or of one that stands for all."""
    tf = arrays.of(value, count)
    wanted = "has {} rows for {}; give as many"
    if tf is arrays.NUMPY:
        if len(value) not in (1, count):
            raise Refused(f"{name}: {wanted.format(len(value), count)}")
        return value
    given = tf.shape(value)[0]

    def refuse() -> Array:
        return _asserted(tf.strings.format(f"{name}: {wanted}", (given, count)), value)

    good = tf.equal(given, count) | tf.equal(given, 1)
    return tf.cond(good, lambda: tf.identity(value), refuse)


def side(value: Int[Array, "B"]) -> Int[Array, "B"]:
    """Sides, 0 or 1."""
    xp = arrays.of(value)
    good = xp.equal(value, hand.LEFT) | xp.equal(value, hand.RIGHT)
    wanted = f"is no side; give {hand.LEFT} for left or {hand.RIGHT} for right"
    return checked("side", value, good, wanted, shown=value)


def intrinsics(K: Float[Array, "B 3 3"]) -> Float[Array, "B 3 3"]:
    """Intrinsics of a camera, or zeros."""
    xp = arrays.of(K)
    focal = xp.linalg.diag_part(K)[:, :2]
    good = xp.reduce_all((focal >= SHORTEST_FOCAL) & (focal <= LARGEST_PX), -1)
    good &= xp.reduce_all(xp.abs(K[:, :2, 2]) <= LARGEST_PX, -1)
    good &= (xp.abs(K[:, 0, 1]) <= K[:, 0, 0]) & xp.equal(K[:, 1, 0], 0)
    good &= xp.reduce_all(xp.equal(K[:, 2], [0.0, 0.0, 1.0]), -1)
    good |= xp.reduce_all(xp.equal(K, 0), [-2, -1])
    wanted = "are no camera's; give [[fx, s, cx], [0, fy, cy], [0, 0, 1]] in px, or nine zeros"
    return checked("K", K, good, wanted, shown=K)


def box(
    value: Float[Array, "B 4"], size: Float[Array, "B 2"], K: Float[Array, "B 3 3"]
) -> Float[Array, "B 4"]:
    """Boxes over images of `size` px, none of them far outside of what a camera sees."""
    xp = arrays.of(value, size, K)
    near, far = value[:, :2], value[:, 2:]
    good = finite(value) & xp.reduce_all((near < far) & (near < size) & (far > 0), -1)
    wanted = (
        "is no box over the image; give left < right and top < bottom, in px and over the image, "
        "or four zeros"
    )
    value = checked("box", value, good, wanted, shown=xp.concat([value, size], -1))
    large = xp.reduce_max(far - near, -1) >= hand.SMALLEST_PX
    value = checked("box", value, large, SMALL_BOX, shown=value)
    corners = xp.reshape(value, [-1, 2, 2])
    wanted = "reaches farther than its camera sees; give a hand's, and K in px of this image"
    return checked("box", value, _within_sight(corners, K), wanted, shown=value)


def keypoints(uv: Float[Array, "B 21 2"], K: Float[Array, "B 3 3"]) -> Float[Array, "B 21 2"]:
    """Keypoints that a camera can see, at a size at which it can."""
    xp = arrays.of(uv)
    extent = xp.reduce_max(xp.reduce_max(uv, 1) - xp.reduce_min(uv, 1), -1)
    uv = checked("keypoints", uv, extent >= hand.SMALLEST_PX, SMALL_HAND)
    wanted = "reach farther than their camera sees; give px, and image_size and K of their image"
    return checked("keypoints", uv, _within_sight(uv, K), wanted, shown=uv)


def in_crop(x: Float[Array, "B 21 2"]) -> Float[Array, "B 21 2"]:
    """Keypoints in the crop around them, in its sides."""
    xp = arrays.of(x)
    good = xp.reduce_all(xp.abs(x) <= MAX_IN_CROP, [-2, -1])
    wanted = "lie too far from each other, or palm from them; give those of one hand, in px"
    return checked("keypoints", x, good, wanted)


def crop_size(crops: Shaped[Array, "B h w 3"], size: int) -> Shaped[Array, "B S S 3"]:
    """Crops of `size` px a side, which a signature's own shape does not see to."""
    tf = arrays.of(crops)
    height, width = tf.unstack(tf.shape(crops)[1:3])
    told = f"crops: are {{}} px wide and {{}} high; resize them to {size}"
    good = tf.equal(height, size) & tf.equal(width, size)
    return tf.cond(
        good,
        lambda: tf.identity(crops),
        lambda: _asserted(tf.strings.format(told, (width, height)), crops),
    )


def crop_values(x: Float[Array, "B S S 3"]) -> Float[Array, "B S S 3"]:
    """Pixels of crops in [-0.5, 0.5]."""
    xp = arrays.of(x)
    good = xp.reduce_all(xp.abs(x) <= MAX_CROP_VALUE, [1, 2, 3])
    return checked(
        "crops", x, good, "has values that are not in [-0.5, 0.5]; give crops / 255 - 0.5"
    )


def image_size(value: Float[Array, "B 2"]) -> Float[Array, "B 2"]:
    """Widths and heights in px, or zeros."""
    xp = arrays.of(value)
    good = xp.reduce_all((value >= 1) & (value <= LARGEST_PX), -1) | xp.reduce_all(
        xp.equal(value, 0), -1
    )
    wanted = "is no image's; give its width and height in px, or two zeros"
    return checked("image_size", value, good, wanted, shown=value)


def numbers(name: str, value: Float[Array, "B *shape"]) -> Float[Array, "B *shape"]:
    """Numbers that are finite."""
    wanted = "holds a number that is not finite; give finite ones"
    return checked(name, value, finite(value), wanted)


def answer(values: dict[str, Float[Array, "B *shape"]]) -> dict[str, Array]:
    """An answer that is finite, whatever it is that was asked."""
    xp = arrays.of(*values.values())
    good = xp.reduce_all([finite(value) for value in values.values()], 0)
    wanted = (
        "would not be finite: its input is too far from a hand's, or the model's training diverged"
    )
    return {name: checked("answer", value, good, wanted) for name, value in values.items()}


def _within_sight(uv: Float[Array, "B N 2"], K: Float[Array, "B 3 3"]) -> Bool[Array, "B"]:
    xp = arrays.of(uv, K)
    focal = xp.linalg.diag_part(K)[:, None, :2]
    tangents = (uv - K[:, None, :2, 2]) / focal
    return xp.reduce_all(xp.abs(tangents) <= MAX_TANGENT, [-2, -1])
