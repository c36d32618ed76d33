"""A photo with its poses drawn over it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.drawing import skeletons
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo

# Longer side of a drawn picture, at most and at least; a small one is magnified for it, a little.
LARGEST_SIDE, SMALLEST_SIDE, MAGNIFIED = 1600, 640, 4


def draw(photo: Photo, poses: Sequence[HandPose]) -> tuple[UInt8[np.ndarray, "H W 3"], float]:
    """The photo with its poses, large enough to see them, and its px per px of the file's."""
    pixels = _resized(photo.pixels)
    scale = pixels.shape[1] / photo.size[0]
    for pose in poses:
        uv, box = scale * pose.uv, scale * pose.region.box
        pixels = skeletons.draw_hand(pixels, uv, box, label(pose.region))
    return pixels, scale


def label(region: HandRegion) -> str:
    """A hand in few words: its side, and how it is known."""
    score = "" if region.score is None else f" {region.score:.2f}"
    return f"{hand.SIDES[region.side]} ({region.side_from}){score}"


def _resized(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """The picture in a size to be drawn on."""
    longer = max(pixels.shape[:2])
    factor = min(LARGEST_SIDE / longer, max(1, min(-(-SMALLEST_SIDE // longer), MAGNIFIED)))
    if factor == 1:
        return pixels
    width, height = (max(1, round(side * factor)) for side in pixels.shape[1::-1])
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    return np.array(Image.fromarray(pixels).resize((width, height), how))
