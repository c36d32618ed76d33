"""Encoded pictures, judged by their first bytes before anything is decoded, in the graph.

A file of a few kilobytes can hold hundreds of millions of pixels, and a server takes pictures
from anyone. So a picture's format, size and scans are read from its header and refused there.
GIF, WebP and JPEG XL are not taken: the size of what TensorFlow decodes is not in their headers.
"""

import tensorflow as tf
from jaxtyping import Int, Shaped

from dcmls_tf import images
from dcmls_tf.serving import checks

# Decoded at 3 bytes a pixel (150 MB), of progressive JPEGs up to 9 (450 MB): TensorFlow cannot
# reduce a picture while it decodes it. Photos of telephones have 12 to 50 million.
MOST_PIXELS = 50_000_000
PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
# Bytes that hold a PNG's or BMP's width and height, which follow each other as 4 bytes each.
PNG_SIZE, BMP_SIZE = 16, 18
HEAD = 26


def checked(image: Shaped[tf.Tensor, "B"]) -> tuple[Shaped[tf.Tensor, "B"], Int[tf.Tensor, "B 2"]]:
    """The pictures, and their widths and heights in px.

    Refuses what is no PNG, JPEG or BMP, what has too many pixels, and JPEGs of too many scans.
    """
    size = tf.map_fn(_size, image, fn_output_signature=tf.TensorSpec([2], tf.int64))
    known = tf.reduce_all(size > 0, -1)
    image = checks.checked("image", image, known, "is no PNG, JPEG or BMP; give one")
    few = tf.reduce_prod(tf.cast(size, tf.float32), -1) <= MOST_PIXELS
    wanted = f"has more than {MOST_PIXELS / 1e6:.0f} million pixels; reduce it first"
    image = checks.checked("image", image, few, wanted, shown=size)
    scans = tf.map_fn(_scans, image, fn_output_signature=tf.TensorSpec([], tf.int32))
    wanted = f"is a JPEG of more than {images.MOST_SCANS} scans; store it anew"
    return checks.checked("image", image, scans <= images.MOST_SCANS, wanted, shown=scans), size


def _size(content: Shaped[tf.Tensor, ""]) -> Int[tf.Tensor, "2"]:
    """Width and height in px; zeros for what is no PNG, JPEG or BMP."""
    head = tf.strings.substr(content, 0, HEAD) + b"\0" * HEAD
    return tf.case(
        [
            (_starts(content, PNG), lambda: _two_numbers(head, PNG_SIZE, little_endian=False)),
            (_starts(content, BMP), lambda: tf.abs(_two_numbers(head, BMP_SIZE))),
            (_starts(content, JPEG), lambda: _jpeg_size(content)),
        ],
        default=lambda: tf.zeros([2], tf.int64),
    )


def _starts(content: Shaped[tf.Tensor, ""], magic: bytes) -> tf.Tensor:
    return tf.strings.substr(content, 0, len(magic)) == magic


def _two_numbers(
    head: Shaped[tf.Tensor, ""], place: int, little_endian: bool = True
) -> Int[tf.Tensor, "2"]:
    """Two integers of 4 bytes; a BMP's height is negative where its rows go down."""
    numbers = tf.io.decode_raw(tf.strings.substr(head, place, 8), tf.int32, little_endian)
    return tf.ensure_shape(tf.cast(numbers, tf.int64), [2])


def _jpeg_size(content: Shaped[tf.Tensor, ""]) -> Int[tf.Tensor, "2"]:
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(content, tf.int32))
    return tf.cast(tf.stack([width, height]), tf.int64)


def _scans(content: Shaped[tf.Tensor, ""]) -> Int[tf.Tensor, ""]:
    """How often a JPEG starts a scan, at most; 0 for other formats."""
    return tf.cond(
        _starts(content, JPEG),
        lambda: tf.shape(tf.strings.split([content], images.START_OF_SCAN).values)[0] - 1,
        lambda: 0,
    )
