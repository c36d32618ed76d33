"""Photos, keypoints or crops → what the networks take, in the graph, as in the training pipeline.

Inputs are those of the signatures (see `signatures`), `B` hands at once; an input of one row
stands for all of them, and the constants here stand for what is not known. Keypoints and decoded
pictures may be NumPy's: what runs a TFLite file has no TensorFlow.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from dcmls_tf import arrays, geometry, hand
from dcmls_tf.arrays import Array
from dcmls_tf.config import Config
from dcmls_tf.data import crop
from dcmls_tf.serving import checks

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

    x: Float[Array, "B S S 3"] | Float[Array, "B 21 2"]
    side: Int[Array, "B"]
    A: Float[Array, "B 3 3"]
    K: NotRequired[Float[Array, "B 3 3"]]
    box: NotRequired[Float[Array, "B 4"]]


def from_photos(
    config: Config,
    image: Shaped[Array, "B"],
    box: Float[Array, "B 4"] = NO_BOX,
    side: Int[Array, "B"] = RIGHT_HAND,
    K: Float[Array, "B 3 3"] = NO_K,
) -> NetworkInputs:
    """Crops of encoded photos, each around its box. Refuses what `checks` and `encoded` do."""
    import tensorflow as tf

    from dcmls_tf.serving import encoded

    image, size = encoded.checked(image)
    known = _known_regions(config, size, box, side, K)
    shapes = {"x": [config.input_size, config.input_size, 3], "A": [3, 3]}
    crops = tf.map_fn(
        lambda region: crop_photo(region, config),
        {"image": image, **known},
        fn_output_signature={k: tf.TensorSpec(v, tf.float32) for k, v in shapes.items()},
    )
    return cast(NetworkInputs, {"x": crops["x"], "A": crops["A"], **known})


def crop_photo(region: Mapping[str, Array], config: Config) -> dict[str, Array]:
    """The crop of one hand: x `[S, S, 3]` and A `[3, 3]`.

    `region` holds `image`, `box`, `side` and `K` as `from_photos` takes them, without `B`, known
    and checked.
    """
    import tensorflow as tf

    pixels = tf.io.decode_image(region["image"], channels=3, expand_animations=False)
    return _cropped(tf.ensure_shape(pixels, [None, None, 3]), region, config)


def from_pixels(
    config: Config,
    pixels: Sequence[UInt8[np.ndarray, "h w 3"]],
    box: Float[np.ndarray, "B 4"] = NO_BOX,
    side: Int[np.ndarray, "B"] = RIGHT_HAND,
    K: Float[np.ndarray, "B 3 3"] = NO_K,
) -> NetworkInputs:
    """What `from_photos` gives, of `B` pictures that are decoded. Refuses what `checks` does."""
    size = np.array([of_one.shape[1::-1] for of_one in pixels])
    known = _known_regions(config, size, box, side, K)
    crops = [
        _cropped(of_one, {name: values[i] for name, values in known.items()}, config)
        for i, of_one in enumerate(pixels)
    ]
    x, A = (np.stack([of_one[name] for of_one in crops]) for name in ("x", "A"))
    return cast(NetworkInputs, {"x": x, "A": A, **known})


def _known_regions(config, size, box, side, K) -> Any:
    """`box`, `side` and `K` of pictures of `size` px, what is not given being guessed."""
    xp = arrays.of(size)
    width, height = xp.unstack(size, axis=-1)
    side = checks.side(rows_like(side, size, "side"))
    K = _known_camera(rows_like(K, size, "K"), geometry.typical_camera(height, width))
    box = _known_box(rows_like(box, size, "box"), xp.cast(size, xp.float32), K, config)
    return {"box": box, "side": side, "K": K}


def _cropped(pixels, region, config) -> dict[str, Array]:
    corners = arrays.of(pixels).reshape(region["box"], [2, 2])
    placed: Any = {"uv": corners, "K": region["K"], "side": region["side"]}
    H, A = crop.crop_to_hand(placed, config)
    return {"x": geometry.warp_image(pixels, H, config.input_size) - 0.5, "A": A}


def _known_camera(K, typical):
    """Intrinsics, or the typical camera's for zeros."""
    K = checks.intrinsics(K)
    return arrays.of(K).where(K[:, 2:, 2:] == 0, typical, K)


def _known_box(box, size, K, config):
    """The boxes, or for zeros the one whose crop is the whole image."""
    xp = arrays.of(box)
    reach = xp.reduce_max(size, -1, keepdims=True) / config.crop_margin / 2
    whole = xp.concat([size / 2 - reach, size / 2 + reach], -1)
    box = xp.where(xp.reduce_all(box == 0, -1, keepdims=True), whole, box)
    return checks.box(box, size, K)


def from_keypoints(
    config: Config,
    keypoints: Float[Array, "B 21 2"],
    palm: Float[Array, "B 2"] = NO_PALM,
    image_size: Float[Array, "B 2"] = NO_SIZE,
    side: Int[Array, "B"] = RIGHT_HAND,
    K: Float[Array, "B 3 3"] = NO_K,
) -> NetworkInputs:
    """Keypoints in px → joints in their crop. Refuses what `checks` does."""
    xp = arrays.of(keypoints)
    uv = checks.numbers("keypoints", xp.convert_to_tensor(keypoints))
    palm = checks.numbers("palm", rows_like(palm, uv, "palm"))
    side = checks.side(rows_like(side, uv, "side"))
    image_size = checks.image_size(rows_like(image_size, uv, "image_size"))
    typical = geometry.typical_camera(image_size[:, 1], image_size[:, 0])
    guess = xp.where(image_size[:, :1, None] == 0, _straight_camera(uv), typical)
    K = _known_camera(rows_like(K, uv, "K"), guess)
    uv = checks.keypoints(uv, K)
    H, A = crop.crop_to_hand({"uv": uv, "K": K, "side": side}, config)
    if config.root == "palm":
        wrist, other = hand.PALM_JOINTS[config.dataset]
        midway = (uv[:, wrist] + uv[:, other]) / 2
        given = xp.reduce_any(palm != 0, -1, keepdims=True)
        uv = xp.concat([xp.where(given, palm, midway)[:, None], uv[:, 1:]], 1)
    x = geometry.to_unit_square(geometry.apply_homography(uv, H), config.input_size)
    return {"x": checks.in_crop(x), "A": A, "side": side}


def _straight_camera(uv: Float[Array, "B N 2"]) -> Float[Array, "B 3 3"]:
    """Intrinsics of a camera that looks at the middle of `uv` px."""
    xp = arrays.of(uv)
    near, far = xp.reduce_min(uv, 1), xp.reduce_max(uv, 1)
    # The crop does not depend on this focal length; a box of this width is one it allows.
    focal = xp.maximum(xp.reduce_max(far - near, -1), 1.0)
    middle = (near + far) / 2
    to_middle = xp.pad(middle[..., None], [[0, 0], [0, 1], [2, 0]])
    return xp.linalg.diag(xp.stack([focal, focal, xp.ones_like(focal)], -1)) + to_middle


def from_crops(
    config: Config,
    crops: UInt8[Array, "B S S 3"] | Float[Array, "B S S 3"],
    side: Int[Array, "B"] = RIGHT_HAND,
) -> NetworkInputs:
    """Square crops as in the photo: uint8, or float in [-0.5, 0.5]; left hands are mirrored.

    Refuses what `checks` does.
    """
    tf = arrays.of(crops)
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
    value: Shaped[Array, "#B *shape"], first: Shaped[Array, "B *rest"], name: str
) -> Shaped[Array, "B *shape"]:
    """An input, or one row that stands for all, with as many rows as the first input."""
    xp = arrays.of(first)
    rows = xp.shape(first)[0]
    value = checks.rows(name, value, rows)
    return xp.broadcast_to(value, [rows, *value.shape[1:]])
