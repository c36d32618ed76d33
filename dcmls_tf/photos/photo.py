"""One picture, decoded as a person sees it, and the camera that it is taken to come from.

Whatever a file holds (16-bit, grey, palette, transparent, CMYK, turned by EXIF), `Photo.pixels`
is uint8 RGB, upright. All coordinates are px of the upright picture as the file has it; very
large pictures are reduced for `pixels`, and `Photo.reduction` says by how much. A file of several
pictures is one for `sequences`.
"""

import contextlib
import dataclasses
import math
import numbers
import os
import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
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
FORMATS = (
    *("PNG", "JPEG", "MPO", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "PPM"),
    *("HEIF", "JPEG2000"),
)
# Those of them whose pictures follow each other in time, or are pages.
ANIMATED, PAGED = ("GIF", "WEBP", "PNG", "AVIF"), ("TIFF",)
# What TIFF says of a page, bit by bit.
_SUBFILE, _REDUCED, _MASK = 254, 1, 4
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
    frame, time_s: of a video or camera, else `None`; a page of a TIFF file has a `frame`.
    mirrored: whether the file shows it mirrored, and it is turned back here.
    """

    source: str
    pixels: UInt8[np.ndarray, "h w 3"]
    size: tuple[int, int]
    K: Float[np.ndarray, "3 3"]
    focal_from: str
    frame: int | None = None
    time_s: float | None = None
    mirrored: bool = False

    def unmirrored(self) -> Self:
        """What a mirrored picture, such as a selfie camera's, shows; px are of that then."""
        K = self.K.copy()
        K[0, 2] = self.size[0] - K[0, 2]
        pixels = np.ascontiguousarray(self.pixels[:, ::-1])
        return dataclasses.replace(self, pixels=pixels, K=K, mirrored=not self.mirrored)

    @property
    def reduction(self) -> float:
        """Px of `pixels` per px of the file's picture, at most 1."""
        return self.pixels.shape[1] / self.size[0]


def read(path: str, focal: float | None = None, name: str | None = None) -> Photo:
    """The `Photo` in an image file of one picture.

    focal: focal length in the file's px; default EXIF's, or `geometry.typical_camera`'s.
    name: what the file is called, if not by its path.

    Raises `UserError` for what is damaged, empty, too large, several pictures or none.
    """
    name = name or path
    with opened(path, name) as image:
        if several(image):
            raise UserError(
                f"{name}: holds several pictures; give one of them, or the file to "
                "scripts/predict.py"
            )
        return of_image(path, image, focal, name)


@contextlib.contextmanager
def opened(path: str, name: str | None = None) -> Iterator[Image.Image]:
    """An image file by Pillow; what goes wrong within `with` becomes a `UserError`.

    name: what the file is called, if not by its path.
    """
    name = name or path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of odd metadata, which nothing here needs.
            with Image.open(path, formats=_formats()) as image:
                yield image
    except UnidentifiedImageError:
        empty = os.path.getsize(path) == 0
        reason = "is empty" if empty else "is no picture that can be read"
        wanted = "PNG, JPEG, TIFF, WebP, AVIF, HEIC or BMP"
        raise UserError(f"{name}: {reason}; give a {wanted} file") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name}: {_too_large()}") from None
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files.
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{name}: is damaged or cannot be read ({reason})") from None


def several(image: Image.Image) -> bool:
    """Whether a file is an animation or has pages; previews and bursts beside a photo are none."""
    if image.format in PAGED and getattr(image, "n_frames", 1) > 1:
        many = sum(1 for _ in pages(image)) > 1
        image.seek(0)
        return many
    return image.format in ANIMATED and getattr(image, "is_animated", False)


def pages(image: Image.Image) -> Iterator[int]:
    """Goes to each page in turn; the pages' numbers, from 0. Smaller copies and masks are none."""
    number = 0
    for at in range(getattr(image, "n_frames", 1)):
        image.seek(at)
        tags: Any = getattr(image, "tag_v2", {})
        if not tags.get(_SUBFILE, 0) & (_REDUCED | _MASK):
            yield number
            number += 1


def of_image(
    path: str, image: Image.Image, focal: float | None = None, name: str | None = None
) -> Photo:
    """The `Photo` in the picture that an opened file is at. Raises what Pillow does."""
    name = name or path
    if image.width * image.height > MOST_PIXELS:
        raise UserError(f"{name}: {_too_large()}")
    if image.format in ("JPEG", "MPO") and _scans(path) > images.MOST_SCANS:
        raise UserError(f"{name}: has more than {images.MOST_SCANS} scans; store it anew")
    film_mm = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    turned = images.orientation(image) in images.TRANSPOSED
    size = (image.height, image.width) if turned else image.size
    image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))  # JPEG decodes to an 8th, at no cost.
    factor = -(-max(image.size) // LARGEST_SIDE)
    small = _reduced(image, factor) if factor > 1 else image
    pixels = np.array(to_rgb(ImageOps.exif_transpose(_with_exif(small, image))))
    return Photo(name, pixels, size, *camera(size, focal, film_mm))


def _formats() -> list[str]:
    """Those of `FORMATS` that this Pillow reads, HEIC by a plugin that is an extra."""
    Image.init()
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
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
    assumed = geometry.TYPICAL_FOCAL * max(size)
    K = np.array([[assumed, 0, width / 2], [0, assumed, height / 2], [0, 0, 1]], np.float32)
    film_mm = float(film_mm) if isinstance(film_mm, numbers.Real) else math.nan
    if focal:
        K[[0, 1], [0, 1]], origin = focal, "given"
    elif 0 < film_mm < math.inf:
        K[[0, 1], [0, 1]] = film_mm / FILM_DIAGONAL_MM * np.hypot(width, height)
        origin = "exif"
    else:
        origin = "assumed"
    return K, origin
