"""Boxes around hands, `[4]` left, top, right, bottom px: read from text, checked, cut out."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import ArrayLike

from dcmls_tf import hand
from dcmls_tf.errors import UserError

if TYPE_CHECKING:  # Clients of a server parse boxes, and need no TensorFlow for it.
    from dcmls_tf.photos.photo import Photo

# What is cut out of a photo around a hand, in sides of its crop: room for the crop to turn.
WINDOW = 2.0
WANTED = "give left < right and top < bottom, in px"


def four_numbers(text: str, label: str = "box ") -> list[float]:
    """The numbers of `left,top,right,bottom`. Raises `UserError`, which begins with `label`."""
    try:
        left, top, right, bottom = (float(value) for value in text.split(","))
    except ValueError:
        raise UserError(f"{label}{text}: give left,top,right,bottom in px") from None
    return [left, top, right, bottom]


def parse(text: str) -> list[float]:
    """The box that `left,top,right,bottom` px says. Raises `UserError`."""
    box = four_numbers(text)
    if not _is_ordered(box):
        raise UserError(f"box {text}: {WANTED}")
    return box


def check(box: ArrayLike, size: tuple[int, int]) -> None:
    """Raises `UserError` for a box that is empty or not over a picture of `size` px."""
    width, height = size
    near, far = corners(box)
    listed = ",".join(f"{value:g}" for value in np.ravel(box))
    if not (np.isfinite(box).all() and _is_ordered(box)):
        raise UserError(f"box {listed}: {WANTED}")
    if (far - near).max() < hand.SMALLEST_PX:
        raise UserError(
            f"box {listed}: is smaller than {hand.SMALLEST_PX:g} px; give px of the picture, not "
            "parts of it (0 to 1)"
        )
    if (far <= 0).any() or (near >= size).any():
        raise UserError(f"box {listed}: lies outside of the {width}×{height} picture")


def around(points: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "4"]:
    """The tight box of points."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def corners(box: ArrayLike) -> Float[np.ndarray, "2 2"]:
    """The upper left corner and the lower right one, `[2]` px each."""
    return np.reshape(np.asarray(box, float), [2, 2])


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a photo: its `pixels`, and the matrix from px of the file to px in it."""

    pixels: UInt8[np.ndarray, "h w 3"]
    from_file: Float[np.ndarray, "3 3"]

    def inside(self, px: Shaped[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Px of the file → px of the window."""
        return px * np.diag(self.from_file)[:2] + self.from_file[:2, 2]

    def outside(self, px: Shaped[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Px of the window → px of the file."""
        return (px - self.from_file[:2, 2]) / np.diag(self.from_file)[:2]


def cut_window(photo: "Photo", box: ArrayLike, crop_margin: float) -> Window:
    """The part of a photo that a hand's crop may see.

    Raises `UserError` for a box that is empty or not over the photo.
    """
    check(box, photo.size)
    near, far = corners(box)
    reach = WINDOW / 2 * crop_margin * (far - near).max()
    scale = photo.reduction
    last = np.array(photo.pixels.shape[1::-1])
    first = np.clip(np.floor(scale * ((near + far) / 2 - reach)), 0, last).astype(int)
    end = np.clip(np.ceil(scale * ((near + far) / 2 + reach)), 0, last).astype(int)
    # A crop that keeps to its box may have its middle outside of the photo.
    first, end = np.minimum(first, last - 1), np.maximum(end, 1)
    from_file = np.diag([scale, scale, 1.0])
    from_file[:2, 2] = -first
    return Window(photo.pixels[first[1] : end[1], first[0] : end[0]], from_file)


def _is_ordered(box: ArrayLike) -> bool:
    near, far = corners(box)
    return bool((near < far).all())
