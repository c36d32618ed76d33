"""Which way is up in an image file, which its EXIF orientation says.

Photos and training pictures are turned by the same tag: photos by Pillow as they are read,
training pictures by TensorFlow, where no Python runs.
"""

import os

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
