"""Photos, keypoints or crops → what the networks take, in the graph, as in the training pipeline.

Inputs are those of the signatures (see `signatures`), `B` hands at once; an input of one row
stands for all of them, and the constants here stand for what is not known.
"""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Int, Shaped, UInt8

from dcmls_tf import geometry, hand
from dcmls_tf.config import Config
from dcmls_tf.data import encoding
from dcmls_tf.serving import checks, encoded

# Arrays that stand for tensors: a tensor made at import would keep trainings to one host.
NO_BOX: Any = np.zeros([1, 4], np.float32)
NO_PALM: Any = np.zeros([1, 2], np.float32)
NO_SIZE: Any = np.zeros([1, 2], np.float32)
NO_K: Any = np.zeros([1, 3, 3], np.float32)
RIGHT_HAND: Any = np.full([1], hand.RIGHT, np.int32)


class NetworkInputs(TypedDict):
    """What the networks take of `B` hands, and how their answer gets back to the photo.

    x: crops in [-0.5, 0.5], or the joints' px in the crop over its side, less 0.5.
    A: camera's frame → crop's frame, orthogonal.
    K, box: the photo's intrinsics, and the hands' boxes in px; of photos alone.
    """

    x: Float[tf.Tensor, "B S S 3"] | Float[tf.Tensor, "B 21 2"]
    side: Int[tf.Tensor, "B"]
    A: Float[tf.Tensor, "B 3 3"]
    K: NotRequired[Float[tf.Tensor, "B 3 3"]]
    box: NotRequired[Float[tf.Tensor, "B 4"]]


def from_photos(
    config: Config,
    image: Shaped[tf.Tensor, "B"],
    box: Float[tf.Tensor, "B 4"] = NO_BOX,
    side: Int[tf.Tensor, "B"] = RIGHT_HAND,
    K: Float[tf.Tensor, "B 3 3"] = NO_K,
) -> NetworkInputs:
    """Crops of encoded photos, each around its box. Refuses what `checks` and `encoded` do."""
    image, size = encoded.checked(image)
    width, height = tf.unstack(size, axis=-1)
    side = checks.side(rows_like(side, image, "side"))
    K = _known_camera(rows_like(K, image, "K"), geometry.typical_camera(height, width))
    box = _known_box(rows_like(box, image, "box"), tf.cast(size, tf.float32), K, config)
    regions: dict[str, tf.Tensor] = {"image": image, "box": box, "side": side, "K": K}
    shapes = {"x": [config.input_size, config.input_size, 3], "A": [3, 3]}
    crops = tf.map_fn(
        lambda region: crop_photo(region, config),
        regions,
        fn_output_signature={k: tf.TensorSpec(v, tf.float32) for k, v in shapes.items()},
    )
    return {"x": crops["x"], "side": side, "A": crops["A"], "K": K, "box": box}


def crop_photo(region: Mapping[str, tf.Tensor], config: Config) -> dict[str, tf.Tensor]:
    """The crop of one hand: x `[S, S, 3]` and A `[3, 3]`.

    `region` holds `image`, `box`, `side` and `K` as `from_photos` takes them, without `B`, known
    and checked.
    """
    pixels = tf.io.decode_image(region["image"], channels=3, expand_animations=False)
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    corners = tf.reshape(region["box"], [2, 2])
    H, A = encoding.crop_to_hand({"uv": corners, "K": region["K"], "side": region["side"]}, config)
    x = geometry.warp_image(pixels, H, config.input_size) - 0.5
    return {"x": x, "A": A}


def _known_camera(K, typical):
    """Intrinsics, or the typical camera's for zeros."""
    K = checks.intrinsics(K)
    return tf.where(K[:, 2:, 2:] == 0, typical, K)


def _known_box(box, size, K, config):
    """The boxes, or for zeros the one whose crop is the whole image."""
    reach = tf.reduce_max(size, -1, keepdims=True) / config.crop_margin / 2
    whole = tf.concat([size / 2 - reach, size / 2 + reach], -1)
    box = tf.where(tf.reduce_all(box == 0, -1, keepdims=True), whole, box)
    return checks.box(box, size, K)


def from_keypoints(
    config: Config,
    keypoints: Float[tf.Tensor, "B 21 2"],
    palm: Float[tf.Tensor, "B 2"] = NO_PALM,
    image_size: Float[tf.Tensor, "B 2"] = NO_SIZE,
    side: Int[tf.Tensor, "B"] = RIGHT_HAND,
    K: Float[tf.Tensor, "B 3 3"] = NO_K,
) -> NetworkInputs:
    """Keypoints in px → joints in their crop. Refuses what `checks` does."""
    uv = checks.numbers("keypoints", tf.convert_to_tensor(keypoints))
    palm = checks.numbers("palm", rows_like(palm, uv, "palm"))
    side = checks.side(rows_like(side, uv, "side"))
    image_size = checks.image_size(rows_like(image_size, uv, "image_size"))
    typical = geometry.typical_camera(image_size[:, 1], image_size[:, 0])
    guess = tf.where(image_size[:, :1, None] == 0, _straight_camera(uv), typical)
    K = _known_camera(rows_like(K, uv, "K"), guess)
    uv = checks.keypoints(uv, K)
    H, A = encoding.crop_to_hand({"uv": uv, "K": K, "side": side}, config)
    if config.root == "palm":
        wrist, other = hand.PALM_JOINTS[config.dataset]
        midway = (uv[:, wrist] + uv[:, other]) / 2
        given = tf.reduce_any(palm != 0, -1, keepdims=True)
        uv = tf.concat([tf.where(given, palm, midway)[:, None], uv[:, 1:]], 1)
    x = geometry.to_unit_square(geometry.apply_homography(uv, H), config.input_size)
    return {"x": checks.in_crop(x), "A": A, "side": side}


def _straight_camera(uv: Float[tf.Tensor, "B N 2"]) -> Float[tf.Tensor, "B 3 3"]:
    """Intrinsics of a camera that looks at the middle of `uv` px."""
    near, far = tf.reduce_min(uv, 1), tf.reduce_max(uv, 1)
    # The crop does not depend on this focal length; a box of this width is one it allows.
    focal = tf.maximum(tf.reduce_max(far - near, -1), 1.0)
    middle = (near + far) / 2
    to_middle = tf.pad(middle[..., None], [[0, 0], [0, 1], [2, 0]])
    return tf.linalg.diag(tf.stack([focal, focal, tf.ones_like(focal)], -1)) + to_middle


def from_crops(
    config: Config,
    crops: UInt8[tf.Tensor, "B S S 3"] | Float[tf.Tensor, "B S S 3"],
    side: Int[tf.Tensor, "B"] = RIGHT_HAND,
) -> NetworkInputs:
    """Square crops as in the photo: uint8, or float in [-0.5, 0.5]; left hands are mirrored.

    Refuses what `checks` does.
    """
    crops = checks.crop_size(crops, config.input_size)
    side = checks.side(rows_like(side, crops, "side"))
    x = (
        tf.cast(crops, tf.float32) / 255 - 0.5
        if crops.dtype == tf.uint8
        else checks.crop_values(crops)
    )
    A = tf.eye(3, batch_shape=[tf.shape(x)[0]])
    if config.side == "mirror":
        left = tf.equal(side, hand.LEFT)[:, None, None]
        x = tf.where(left[..., None], tf.reverse(x, [2]), x)
        A = tf.where(left, A * [[-1.0], [1.0], [1.0]], A)
    return {"x": x, "side": side, "A": A}


def rows_like(
    value: Shaped[tf.Tensor, "#B *shape"], first: Shaped[tf.Tensor, "B *rest"], name: str
) -> Shaped[tf.Tensor, "B *shape"]:
    """An input, or one row that stands for all, with as many rows as the first input."""
    rows = tf.shape(first)[0]
    value = checks.rows(name, value, rows)
    return tf.broadcast_to(value, tf.concat([[rows], tf.shape(value)[1:]], 0))
