"""Encoded pictures, judged by their first bytes before anything is decoded, in the graph.

A file of a few kilobytes can hold hundreds of millions of pixels, and a server takes pictures
from anyone. So a picture's format, size and scans are read from its header and refused there.
GIF, WebP and JPEG XL are not taken: the size of what TensorFlow decodes is not in their headers.
"""

from typing import Any

import tensorflow as tf
from jaxtyping import Bool, Int, Shaped

from dcmls_tf import images
from dcmls_tf.serving import checks

# Decoded at 3 bytes a pixel (150 MB), of progressive JPEGs up to 9 (450 MB): TensorFlow cannot
# reduce a picture while it decodes it. Photos of telephones have 12 to 50 million.
MOST_PIXELS = 50_000_000
PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
# Bytes that hold a PNG's or BMP's width and height, which follow each other as 4 bytes each.
PNG_SIZE, BMP_SIZE = 16, 18
HEAD = 26
# What stands before EXIF's data in a JPEG and in a PNG, and how these begin in either byte order.
EXIF_MARKERS = (b"Exif\0\0", b"eXIf")
LITTLE_ENDIAN, BIG_ENDIAN = b"II*\0", b"MM\0*"
# Of EXIF's entries, 12 bytes each, as many are looked through; cameras write about ten.
ENTRIES, ENTRY = 64, 12
ORIENTATION_TAG, LAST_ORIENTATION = 0x0112, 8


def checked(image: Shaped[tf.Tensor, "B"]) -> tuple[Shaped[tf.Tensor, "B"], Int[tf.Tensor, "B 2"]]:
    """The pictures, and their widths and heights in px.

    Refuses what is no PNG, JPEG or BMP, what has too many pixels, JPEGs of too many scans, and
    what EXIF says is to be turned: nothing here turns it, so that poses would lie on their side.
    """
    size = tf.map_fn(_size, image, fn_output_signature=tf.TensorSpec([2], tf.int64))
    known = tf.reduce_all(size > 0, -1)
    image = checks.checked("image", image, known, "is no PNG, JPEG or BMP; convert it to one")
    few = tf.reduce_prod(tf.cast(size, tf.float32), -1) <= MOST_PIXELS
    wanted = f"has more than {MOST_PIXELS / 1e6:.0f} million pixels; reduce it first"
    image = checks.checked("image", image, few, wanted, shown=size)
    scans = tf.map_fn(_scans, image, fn_output_signature=tf.TensorSpec([], tf.int32))
    wanted = f"is a JPEG of more than {images.MOST_SCANS} scans; store it anew"
    image = checks.checked("image", image, scans <= images.MOST_SCANS, wanted, shown=scans)
    turned = tf.map_fn(_orientation, image, fn_output_signature=tf.TensorSpec([], tf.int32))
    wanted = "is turned by its EXIF orientation; turn its pixels upright and leave the tag out"
    return checks.checked("image", image, turned <= images.UPRIGHT, wanted, shown=turned), size


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


def _orientation(content: Shaped[tf.Tensor, ""]) -> Int[tf.Tensor, ""]:
    """EXIF's orientation, 1 to 8; 0 where a picture has none that is known."""
    pieces = [tf.strings.split([content], marker).values[1:2] for marker in EXIF_MARKERS]
    tiff = tf.concat([*pieces, [b""]], 0)[0]
    return tf.cond(
        _starts(tiff, LITTLE_ENDIAN) | _starts(tiff, BIG_ENDIAN),
        lambda: _tagged_orientation(tiff, _starts(tiff, LITTLE_ENDIAN)),
        lambda: 0,
    )


def _tagged_orientation(
    tiff: Shaped[tf.Tensor, ""], little_endian: Bool[tf.Tensor, ""]
) -> Int[tf.Tensor, ""]:
    """The orientation among the entries of EXIF's first directory; 0 where it is not."""
    length = tf.strings.length(tiff)
    padded = tiff + bytes(2 + ENTRIES * ENTRY)

    def numbers(place: Int[tf.Tensor, ""] | int, count: int, dtype: Any) -> tf.Tensor:
        part = tf.strings.substr(padded, place, count * dtype.size)
        both = (tf.io.decode_raw(part, dtype, little_endian=order) for order in (True, False))
        return tf.cast(tf.reshape(tf.where(little_endian, *both), [count]), tf.int32)

    directory = tf.clip_by_value(numbers(4, 1, tf.int32)[0], 0, length)
    count = numbers(directory, 1, tf.uint16)[0]
    entries = tf.reshape(numbers(directory + 2, ENTRIES * ENTRY // 2, tf.uint16), [ENTRIES, -1])
    mine = (entries[:, 0] == ORIENTATION_TAG) & (tf.range(ENTRIES) < count)
    known = entries[:, 4] <= LAST_ORIENTATION  # Others mean nothing.
    return tf.reduce_max(tf.where(mine & known, entries[:, 4], 0))
