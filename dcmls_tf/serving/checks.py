"""What a served model refuses: a sentence that names the input, the row and what to give.

Each check gives its input back, so that nothing is computed from one that was not looked at.
TensorFlow Serving answers a refusal with INVALID_ARGUMENT and the sentence. A request has one
status, and its answer no place for a row's: so one bad row refuses the request that it is in.
"""

import re

import tensorflow as tf
from jaxtyping import Bool, Float, Int, Shaped

from dcmls_tf import hand

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


def checked(
    name: str,
    value: Shaped[tf.Tensor, "B *shape"],
    good: Bool[tf.Tensor, "B"],
    wanted: str,
    shown: Shaped[tf.Tensor, "B *other"] | None = None,
) -> Shaped[tf.Tensor, "B *shape"]:
    """`value`, all of whose rows are good; or an InvalidArgumentError that names the first bad.

    Args:
        name: the input's.
        value: what is given back.
        good: which rows are.
        wanted: what is wrong, and what to give.
        shown: of the bad row, what to say beside.
    """

    def refuse() -> tf.Tensor:
        row = tf.argmin(tf.cast(good, tf.int32))
        what = "" if shown is None else tf.strings.format(" ({})", shown[row])
        told = tf.strings.format(f"{name}: row {{}} ", row) + wanted + what
        one_line = tf.strings.regex_replace(told, r"\s+", " ")
        with tf.control_dependencies([tf.raw_ops.Assert(condition=False, data=[one_line])]):
            return tf.identity(value)

    return tf.cond(tf.reduce_all(good), lambda: tf.identity(value), refuse)


def refusal(error: tf.errors.OpError) -> str:
    """The sentence of a refusal, or the first line of what else TensorFlow says."""
    said = re.search(r"assertion failed: \[(.*?)\](?= \[Op:|\n|$)", error.message)
    return said[1] if said else error.message.strip().splitlines()[-1]


def finite(value: Float[tf.Tensor, "B *shape"]) -> Bool[tf.Tensor, "B"]:
    """Which rows hold neither NaN nor infinity."""
    return tf.reduce_all(tf.math.is_finite(value), range(1, len(value.shape)))


def rows(
    name: str, value: Shaped[tf.Tensor, "N *shape"], count: Int[tf.Tensor, ""]
) -> Shaped[tf.Tensor, "N *shape"]:
    """An input of `count` rows, or of one that stands for all."""
    given = tf.shape(value)[0]

    def refuse() -> tf.Tensor:
        told = tf.strings.format(f"{name}: has {{}} rows for {{}}; give as many", (given, count))
        with tf.control_dependencies([tf.raw_ops.Assert(condition=False, data=[told])]):
            return tf.identity(value)

    good = tf.equal(given, count) | tf.equal(given, 1)
    return tf.cond(good, lambda: tf.identity(value), refuse)


def side(value: Int[tf.Tensor, "B"]) -> Int[tf.Tensor, "B"]:
    """Sides, 0 or 1."""
    good = tf.equal(value, hand.LEFT) | tf.equal(value, hand.RIGHT)
    wanted = f"is no side; give {hand.LEFT} for left or {hand.RIGHT} for right"
    return checked("side", value, good, wanted, shown=value)


def intrinsics(K: Float[tf.Tensor, "B 3 3"]) -> Float[tf.Tensor, "B 3 3"]:
    """Intrinsics of a camera, or zeros."""
    focal = tf.linalg.diag_part(K)[:, :2]
    good = tf.reduce_all((focal >= SHORTEST_FOCAL) & (focal <= LARGEST_PX), -1)
    good &= tf.reduce_all(tf.abs(K[:, :2, 2]) <= LARGEST_PX, -1)
    good &= (tf.abs(K[:, 0, 1]) <= K[:, 0, 0]) & tf.equal(K[:, 1, 0], 0)
    good &= tf.reduce_all(tf.equal(K[:, 2], [0.0, 0.0, 1.0]), -1)
    good |= tf.reduce_all(tf.equal(K, 0), [-2, -1])
    wanted = "are no camera's; give [[fx, s, cx], [0, fy, cy], [0, 0, 1]] in px, or nine zeros"
    return checked("K", K, good, wanted, shown=K)


def box(
    value: Float[tf.Tensor, "B 4"], size: Float[tf.Tensor, "B 2"], K: Float[tf.Tensor, "B 3 3"]
) -> Float[tf.Tensor, "B 4"]:
    """Boxes over images of `size` px, none of them far outside of what a camera sees."""
    near, far = value[:, :2], value[:, 2:]
    good = finite(value) & tf.reduce_all((near < far) & (near < size) & (far > 0), -1)
    wanted = (
        "is no box over the image; give left < right and top < bottom, in px and over the image, "
        "or four zeros"
    )
    value = checked("box", value, good, wanted, shown=tf.concat([value, size], -1))
    large = tf.reduce_max(far - near, -1) >= hand.SMALLEST_PX
    value = checked("box", value, large, SMALL_BOX, shown=value)
    corners = tf.reshape(value, [-1, 2, 2])
    wanted = "reaches farther than its camera sees; give a hand's, and K in px of this image"
    return checked("box", value, _within_sight(corners, K), wanted, shown=value)


def keypoints(
    uv: Float[tf.Tensor, "B 21 2"], K: Float[tf.Tensor, "B 3 3"]
) -> Float[tf.Tensor, "B 21 2"]:
    """Keypoints that a camera can see, at a size at which it can."""
    extent = tf.reduce_max(tf.reduce_max(uv, 1) - tf.reduce_min(uv, 1), -1)
    uv = checked("keypoints", uv, extent >= hand.SMALLEST_PX, SMALL_HAND)
    wanted = "reach farther than their camera sees; give px, and image_size and K of their image"
    return checked("keypoints", uv, _within_sight(uv, K), wanted, shown=uv)


def in_crop(x: Float[tf.Tensor, "B 21 2"]) -> Float[tf.Tensor, "B 21 2"]:
    """Keypoints in the crop around them, in its sides."""
    good = tf.reduce_all(tf.abs(x) <= MAX_IN_CROP, [-2, -1])
    wanted = "lie too far from each other, or palm from them; give those of one hand, in px"
    return checked("keypoints", x, good, wanted)


def crop_size(crops: Shaped[tf.Tensor, "B h w 3"], size: int) -> Shaped[tf.Tensor, "B S S 3"]:
    """Crops of `size` px a side, which a signature's own shape does not see to."""
    height, width = tf.unstack(tf.shape(crops)[1:3])

    def refuse() -> tf.Tensor:
        told = tf.strings.format(
            f"crops: are {{}} px wide and {{}} high; resize them to {size}", (width, height)
        )
        with tf.control_dependencies([tf.raw_ops.Assert(condition=False, data=[told])]):
            return tf.identity(crops)

    good = tf.equal(height, size) & tf.equal(width, size)
    return tf.cond(good, lambda: tf.identity(crops), refuse)


def crop_values(x: Float[tf.Tensor, "B S S 3"]) -> Float[tf.Tensor, "B S S 3"]:
    """Pixels of crops in [-0.5, 0.5]."""
    good = tf.reduce_all(tf.abs(x) <= MAX_CROP_VALUE, [1, 2, 3])
    return checked(
        "crops", x, good, "has values that are not in [-0.5, 0.5]; give crops / 255 - 0.5"
    )


def image_size(value: Float[tf.Tensor, "B 2"]) -> Float[tf.Tensor, "B 2"]:
    """Widths and heights in px, or zeros."""
    good = tf.reduce_all((value >= 1) & (value <= LARGEST_PX), -1) | tf.reduce_all(
        tf.equal(value, 0), -1
    )
    wanted = "is no image's; give its width and height in px, or two zeros"
    return checked("image_size", value, good, wanted, shown=value)


def numbers(name: str, value: Float[tf.Tensor, "B *shape"]) -> Float[tf.Tensor, "B *shape"]:
    """Numbers that are finite."""
    wanted = "holds a number that is not finite; give finite ones"
    return checked(name, value, finite(value), wanted)


def answer(values: dict[str, Float[tf.Tensor, "B *shape"]]) -> dict[str, tf.Tensor]:
    """An answer that is finite, whatever it is that was asked."""
    good = tf.reduce_all([finite(value) for value in values.values()], 0)
    wanted = (
        "would not be finite: its input is too far from a hand's, or the model's training diverged"
    )
    return {name: checked("answer", value, good, wanted) for name, value in values.items()}


def _within_sight(
    uv: Float[tf.Tensor, "B N 2"], K: Float[tf.Tensor, "B 3 3"]
) -> Bool[tf.Tensor, "B"]:
    focal = tf.linalg.diag_part(K)[:, None, :2]
    tangents = (uv - K[:, None, :2, 2]) / focal
    return tf.reduce_all(tf.abs(tangents) <= MAX_TANGENT, [-2, -1])
