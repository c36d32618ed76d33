"""A folder of pictures of hands without poses: x for the terms that need no label."""

import os
from typing import NamedTuple

import tensorflow as tf
from jaxtyping import Float, Int, Shaped

from dcmls_tf import images
from dcmls_tf.config import Config
from dcmls_tf.data import encoded
from dcmls_tf.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp")
FORMATS = ("PNG", "JPEG", "MPO", "BMP")


class Picture(NamedTuple):
    """An image file, and the EXIF orientation that says which way is up in it."""

    path: str
    orientation: int


def from_config(config: Config) -> list[Picture]:
    """The pictures that a `Config` asks for. Raises `UserError` when x are no pictures."""
    if not config.unpaired_dir:
        return []
    if config.modality != "rgb":
        raise UserError(f"--unpaired_dir={config.unpaired_dir}: is for --modality=rgb")
    return in_folder(config.unpaired_dir)


def in_folder(folder: str) -> list[Picture]:
    """The pictures below a folder, sorted by path.

    Raises `UserError` when there are none, or naming one that does not decode.
    """
    paths = sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(EXTENSIONS)
    )
    if not paths:
        raise UserError(
            f"--unpaired_dir={folder}: there are no pictures ({', '.join(EXTENSIONS)}) in it"
        )
    return [Picture(path, _checked_orientation(path)) for path in paths]


def read(
    path: Shaped[tf.Tensor, ""] | str, orientation: Int[tf.Tensor, ""] | int, size: int
) -> Float[tf.Tensor, "size size 3"]:
    """The middle square of a `Picture`, upright, in [0, 1]; TensorFlow ops only."""
    # A Python function here would hang the interpreter when it exits during prefetching.
    image = turn_upright(_decode(path), tf.convert_to_tensor(orientation))
    side = tf.reduce_min(tf.shape(image)[:2])
    image = tf.image.resize_with_crop_or_pad(tf.cast(image, tf.float32) / 255, side, side)
    return tf.ensure_shape(tf.image.resize(image, [size, size], "area"), [size, size, 3])


def turn_upright(
    pixels: Shaped[tf.Tensor, "h w 3"], orientation: Int[tf.Tensor, ""]
) -> Shaped[tf.Tensor, "upright_h upright_w 3"]:
    """Decoded pixels as a person sees them, by EXIF's orientation; TensorFlow ops only."""

    def when(orientations: tuple[int, ...], turned: Shaped[tf.Tensor, "..."]) -> tf.Tensor:
        return tf.cond(
            tf.reduce_any(orientation == tf.constant(orientations)), lambda: turned, lambda: pixels
        )

    pixels = when(images.TRANSPOSED, tf.transpose(pixels, [1, 0, 2]))
    pixels = when(images.MIRRORED_SIDEWAYS, tf.reverse(pixels, [1]))
    return when(images.MIRRORED_UPWARDS, tf.reverse(pixels, [0]))


def _decode(path: Shaped[tf.Tensor, ""] | str) -> Shaped[tf.Tensor, "h w 3"]:
    return _decode_content(tf.io.read_file(path))


def _decode_content(content: Shaped[tf.Tensor, ""] | bytes) -> Shaped[tf.Tensor, "h w 3"]:
    return tf.io.decode_image(content, channels=3, expand_animations=False)


def _checked_orientation(path: str) -> int:
    try:
        content = encoded.read(path)
        encoded.size(content, FORMATS)
        _decode_content(content)
        return images.read_orientation(path)
    except (tf.errors.OpError, OSError, SyntaxError):  # TensorFlow's, then Pillow's.
        reason = "is damaged or no picture"
    except ValueError as error:
        reason = str(error)
    raise UserError(f"--unpaired_dir: {path}: {reason}; mend it or take it out")
