"""Pixels between pixels: an image through a projective map, bilinear, black outside.

TensorFlow has a kernel for it. For NumPy's images the same is done here, in the same order of
float32 operations.
"""

import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf import arrays
from dcmls_tf.arrays import Array


def projective(
    image: UInt8[Array, "h w 3"], transform: Float[Array, "8"], size: int
) -> UInt8[Array, "size size 3"]:
    """The square that a map looks up in an image.

    transform: the first 8 numbers of the matrix, whose ninth is 1, from the output's px to the
        image's. Both have the middle of the first pixel at 0.
    """
    xp = arrays.of(image, transform)
    if xp is arrays.NUMPY:
        return _projective(image, transform, size)
    square = xp.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=transform[None],
        output_shape=xp.stack([size, size]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return square[0]


def _projective(
    image: UInt8[np.ndarray, "h w 3"], transform: Float[np.ndarray, "8"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    a, b, c, d, e, f, g, h = np.asarray(transform, np.float32)
    at = np.arange(size, dtype=np.float32)
    x, y = at[None, :], at[:, None]
    depth = g * x + h * y + np.float32(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = (a * x + b * y + c) / depth, (d * x + e * y + f) / depth
    seen = (depth != 0) & (u > -1) & (v > -1) & (u < image.shape[1]) & (v < image.shape[0])
    square = np.zeros([size, size, 3], np.uint8)
    square[seen] = _bilinear(np.pad(image, [(1, 1), (1, 1), (0, 0)]), u[seen], v[seen])
    return square


def _bilinear(
    framed: UInt8[np.ndarray, "h w 3"], u: Float[np.ndarray, " N"], v: Float[np.ndarray, " N"]
) -> UInt8[np.ndarray, "N 3"]:
    """Colours at px `u`, `v` of an image without its frame of one black pixel."""
    left, top = np.floor(u), np.floor(v)
    right_part, lower_part = (u - left)[:, None], (v - top)[:, None]
    left_part, upper_part = (left + 1 - u)[:, None], (top + 1 - v)[:, None]
    column, row = left.astype(int) + 1, top.astype(int) + 1
    upper = left_part * framed[row, column] + right_part * framed[row, column + 1]
    lower = left_part * framed[row + 1, column] + right_part * framed[row + 1, column + 1]
    return (upper_part * upper + lower_part * lower).astype(np.uint8)
