"""Which way is up in an image file, which its EXIF orientation says.

Photos and training pictures are turned by the same tag: photos by Pillow as they are read,
training pictures by TensorFlow, where no Python runs.
"""

import os

import tensorflow as tf
from jaxtyping import Int, Shaped
from PIL import ExifTags, Image

UPRIGHT = 1
# A JPEG of a few kilobytes can go through all of its pixels thousands of times. Progressive ones
# have about ten scans; a thumbnail has its own.
START_OF_SCAN, MOST_SCANS = b"\xff\xda", 32
# EXIF's orientations 1 to 8, each undone by swapping rows and columns and then mirroring.
TRANSPOSED = (5, 6, 7, 8)
MIRRORED_SIDEWAYS = (2, 3, 6, 7)
MIRRORED_UPWARDS = (3, 4, 7, 8)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation of an opened image, 1 to 8; 1 where it has none that is known."""
    value = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    return value if value in range(1, 9) else UPRIGHT


def read_orientation(path: str | os.PathLike[str]) -> int:
    """EXIF's orientation of an image file. Raises what Pillow does when it opens none."""
    with Image.open(path) as image:
        return orientation(image)


def turn_upright(
    pixels: Shaped[tf.Tensor, "h w 3"], orientation: Int[tf.Tensor, ""]
) -> Shaped[tf.Tensor, "upright_h upright_w 3"]:
    """Decoded pixels as a person sees them, by EXIF's orientation; TensorFlow ops only."""

    def when(orientations: tuple[int, ...], turned: Shaped[tf.Tensor, "..."]) -> tf.Tensor:
        return tf.cond(
            tf.reduce_any(orientation == tf.constant(orientations)), lambda: turned, lambda: pixels
        )

    pixels = when(TRANSPOSED, tf.transpose(pixels, [1, 0, 2]))
    pixels = when(MIRRORED_SIDEWAYS, tf.reverse(pixels, [1]))
    return when(MIRRORED_UPWARDS, tf.reverse(pixels, [0]))
