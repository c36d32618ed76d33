"""One picture, decoded as a person sees it, and the camera that it is taken to come from.

Whatever a file holds (16-bit, grey, palette, transparent, CMYK, turned by EXIF), `Photo.pixels`
is uint8 RGB, upright. All coordinates are px of the upright picture as the file has it; very
large pictures are reduced for `pixels`, and `Photo.reduction` says by how much.
"""

import dataclasses
import math
import numbers
import os
import warnings
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from dcmls_tf import geometry, images
from dcmls_tf.errors import UserError

# Longer side of `Photo.pixels`; no network here sees more than 512 px of a hand.
LARGEST_SIDE = 4096
# Of a picture, which is refused before it is decoded when it has more: with all that happens to it,
# it takes 5 bytes a pixel. The largest photos of telephones that are used so have 108 million.
MOST_PIXELS = 120_000_000
# Formats that cameras and browsers write, as Pillow calls them. It reads others by programs of
# their own (EPS by Ghostscript), which nobody's upload should start.
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "PPM")
# Rows of the reduced picture that are made at once.
BAND = 64
# Diagonal of a 35 mm frame, which EXIF's equivalent focal length goes by.
FILM_DIAGONAL_MM = 43.27


@dataclasses.dataclass(frozen=True)
class Photo:
    """One picture.

    source: the file's path, or a camera's number.
    pixels: RGB, upright, reduced when the file's picture is very large.
    size: width and height of the file's picture in px.
    K: intrinsics, mm in the camera's frame → px of the file's picture.
    focal_from: where the focal length in `K` is from: `exif`, `given` or `assumed`.
    frame, time_s: of a video or camera, else `None`.
    """

    source: str
    pixels: UInt8[np.ndarray, "h w 3"]
    size: tuple[int, int]
    K: Float[np.ndarray, "3 3"]
    focal_from: str
    frame: int | None = None
    time_s: float | None = None

    @property
    def reduction(self) -> float:
        """Px of `pixels` per px of the file's picture, at most 1."""
        return self.pixels.shape[1] / self.size[0]


def read(path: str, focal: float | None = None) -> Photo:
    """The `Photo` in an image file.

    focal: focal length in the file's px; default EXIF's, or `geometry.typical_camera`'s.

    Raises `UserError` for what is damaged, empty, too large or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of odd metadata, which nothing here needs.
            with Image.open(path, formats=_formats()) as image:
                return _photo(path, image, focal)
    except UnidentifiedImageError:
        empty = os.path.getsize(path) == 0
        reason = "is empty" if empty else "is no picture that can be read"
        raise UserError(f"{path}: {reason}; give a PNG, JPEG, TIFF, WebP or BMP file") from None
    except Image.DecompressionBombError:
        raise UserError(f"{path}: {_too_large()}") from None
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files.
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: is damaged or cannot be read ({reason})") from None


def _photo(path: str, image: Image.Image, focal: float | None) -> Photo:
    if image.width * image.height > MOST_PIXELS:
        raise UserError(f"{path}: {_too_large()}")
    if image.format in ("JPEG", "MPO") and _scans(path) > images.MOST_SCANS:
        raise UserError(f"{path}: has more than {images.MOST_SCANS} scans; store it anew")
    film_mm = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    turned = images.orientation(image) in images.TRANSPOSED
    size = (image.height, image.width) if turned else image.size
    image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))  # JPEG decodes to an 8th, at no cost.
    factor = -(-max(image.size) // LARGEST_SIDE)
    small = _reduced(image, factor) if factor > 1 else image
    pixels = np.array(to_rgb(ImageOps.exif_transpose(_with_exif(small, image))))
    return Photo(path, pixels, size, *camera(size, focal, film_mm))


def _formats() -> list[str]:
    """Those of `FORMATS` that this Pillow reads."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _scans(path: str) -> int:
    """How often a JPEG's file starts a scan, at most."""
    with open(path, "rb") as file:
        return file.read().count(images.START_OF_SCAN)


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """A picture in RGB, of a `factor`-th of its width and height.

    Band by band: a picture of one bit a pixel would take 32 on its way through transparency.
    """
    width, height = image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, small.height, BAND):
        bottom = min((top + BAND) * factor, height)
        band = to_rgb(image.crop((0, top * factor, width, bottom)))
        small.paste(band.reduce(factor), (0, top))
    return small


def _with_exif(small: Image.Image, image: Image.Image) -> Image.Image:
    """A reduced copy forgets which way is up."""
    if small is not image:
        small.info["exif"] = image.getexif().tobytes()
    return small


def _too_large() -> str:
    return f"has more than {MOST_PIXELS / 1e6:.0f} million pixels; reduce it first"


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as RGB: 16 bits brought to 8, transparency laid on white.

    Raises `UserError` for pixels of no known range.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise UserError(f"has values up to {values.max()}; give 8 or 16 bits a channel")
        image = Image.fromarray((values // 257).astype(np.uint8))
    if image.mode == "F":
        raise UserError("has floating-point pixels; give 8 or 16 bits a channel")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def camera(
    size: tuple[int, int], focal: float | None = None, film_mm: Any = None
) -> tuple[Float[np.ndarray, "3 3"], str]:
    """Intrinsics `[3, 3]` and where the focal length is from: `given`, `exif` or `assumed`.

    Args:
        size: width, height px.
        focal: focal length in px, if known.
        film_mm: EXIF's focal length on 35 mm film; what is no positive number is not known.
    """
    width, height = size
    K = geometry.typical_camera(tf.constant(height), tf.constant(width)).numpy()
    film_mm = float(film_mm) if isinstance(film_mm, numbers.Real) else math.nan
    if focal:
        K[[0, 1], [0, 1]], origin = focal, "given"
    elif 0 < film_mm < math.inf:
        K[[0, 1], [0, 1]] = film_mm / FILM_DIAGONAL_MM * np.hypot(width, height)
        origin = "exif"
    else:
        origin = "assumed"
    return K, origin
