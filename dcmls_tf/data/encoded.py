"""Encoded images of data sets: their size before they are decoded, and their pixels.

An image of some kilobytes can stand for gigabytes of pixels, or make a decoder go through them
thousands of times. What a header says is judged first.
"""

import io
import os
import stat
import warnings

import tensorflow as tf
from jaxtyping import UInt8
from PIL import Image

from dcmls_tf import images

# An image, which takes up to 16 bytes a pixel on its way through a crop.
MOST_PIXELS = 50_000_000
MOST_BYTES = 200 << 20
FORMATS = ("PNG", "JPEG")


def read(path: str) -> bytes:
    """The bytes of an image file. Raises `ValueError` with what is wrong, in words."""
    try:
        # A pipe would be waited for.
        flags = os.O_RDONLY | os.O_NONBLOCK
        with open(os.open(path, flags), "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise ValueError("is no file")
            if state.st_size > MOST_BYTES:
                raise ValueError(f"has more than {MOST_BYTES >> 20} MB")
            return file.read()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None


def size(content: bytes, formats: tuple[str, ...] = FORMATS) -> tuple[int, int]:
    """Width and height px of an encoded image. Raises `ValueError` for none, or a costly one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit is another.
            with Image.open(io.BytesIO(content), formats=formats) as image:
                width, height = image.size
                kind = image.format
    except Image.DecompressionBombError:
        raise ValueError(_too_large()) from None
    except Exception:  # Pillow's readers raise nearly anything on damaged headers.
        raise ValueError(f"is damaged or no {' or '.join(formats)}") from None
    if width * height > MOST_PIXELS:
        raise ValueError(_too_large())
    if kind in ("JPEG", "MPO") and content.count(images.START_OF_SCAN) > images.MOST_SCANS:
        raise ValueError(f"has more than {images.MOST_SCANS} scans; store it anew")
    return width, height


def decode(content: bytes, channels: int = 3) -> UInt8[tf.Tensor, "h w channels"]:
    """Pixels of an encoded image. Raises `ValueError` as `size` does, and when it is damaged."""
    size(content)
    try:
        return tf.io.decode_png(tf.constant(content), channels=channels)
    except tf.errors.OpError:
        raise ValueError("is damaged or no PNG") from None


def _too_large() -> str:
    return f"has more than {MOST_PIXELS / 1e6:.0f} million pixels; reduce it first"
