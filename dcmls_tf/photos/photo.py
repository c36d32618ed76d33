"""Pictures from files, videos and cameras, decoded as a person sees them.

Whatever a file holds (16-bit, grey, palette, transparent, CMYK, turned by EXIF), `Photo.pixels`
is uint8 RGB, upright. All coordinates are px of the upright picture as the file has it; very
large pictures are reduced for `pixels`, and `Photo.reduction` says by how much.
"""

import dataclasses
import glob
import itertools
import math
import numbers
import os
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from dcmls_tf import geometry
from dcmls_tf.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
# In the names of pictures that were drawn on, which folders are not searched for.
DRAWN = ".hands."
# Longer side of `Photo.pixels`; no network here sees more than 512 px of a hand.
LARGEST_SIDE = 4096
# Pillow refuses more than twice its own limit.
MOST_PIXELS = 2 * Image.MAX_IMAGE_PIXELS
# Diagonal of a 35 mm frame, which EXIF's equivalent focal length goes by.
FILM_DIAGONAL_MM = 43.27
DEFAULT_FPS = 30.0
# Containers may say that there are this many frames more than there are.
MISCOUNTED = 1


@dataclasses.dataclass(frozen=True)
class Photo:
    """One picture: `pixels` uint8 `[h, w, 3]`; `size` (width, height) px of the file's picture.

    `K` float32 `[3, 3]`, in the file's px, and `focal_from`: `exif`, `given` or `assumed`.
    `frame` and `time_s` are a video's, else `None`.
    """

    source: str
    pixels: np.ndarray
    size: tuple
    K: np.ndarray
    focal_from: str
    frame: int = None
    time_s: float = None

    @property
    def reduction(self):
        """Px of `pixels` per px of the file's picture, at most 1."""
        return self.pixels.shape[1] / self.size[0]


@dataclasses.dataclass(frozen=True)
class Source:
    """What an input stands for: `kind` is `picture`, `video` or `camera`; `name` is a path,
    or the camera's number."""

    kind: str
    name: str


def find(inputs):
    """Files, folders, globs, videos and camera numbers → list of `Source`.

    Folders give the pictures and videos in them, sorted. Raises `UserError` for an input that
    gives nothing.
    """
    found = [source for given in inputs for source in _sources(given)]
    return list(dict.fromkeys(found))


def _sources(given):
    if os.path.isdir(given):
        entries = [e for e in os.scandir(given) if DRAWN not in e.name]
        paths = [e.path for e in entries if _is(e.name, PICTURES + VIDEOS)]
        wanted = f"holds no picture or video ({', '.join(PICTURES + VIDEOS)})"
    elif os.path.exists(given):
        paths, wanted = [given], ""
    elif given.isdecimal():
        return [Source("camera", given)]
    else:
        paths = glob.glob(given, recursive=True)
        wanted = "matches no file" if glob.has_magic(given) else "does not exist"
    paths = sorted(path for path in paths if os.path.isfile(path))
    if not paths:
        raise UserError(f"--input={given}: {wanted}; give a picture, folder, glob, video or camera")
    return [Source("video" if _is(path, VIDEOS) else "picture", path) for path in paths]


def _is(name, extensions):
    return name.lower().endswith(extensions)


def read(path, focal=None):
    """The `Photo` in an image file.

    focal: focal length in the file's px; default EXIF's, or `geometry.typical_camera`'s.

    Raises `UserError` for what is damaged, empty, too large or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of odd metadata, which nothing here needs.
            with Image.open(path) as image:
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


def _photo(path, image, focal):
    if image.width * image.height > MOST_PIXELS:
        raise UserError(f"{path}: {_too_large()}")
    film_mm = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    size = image.size[::-1] if turned else image.size
    image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))  # JPEG decodes to an 8th, at no cost.
    factor = -(-max(image.size) // LARGEST_SIDE)
    small = image.reduce(factor) if factor > 1 and image.mode in ("L", "RGB", "RGBA") else image
    pixels = np.array(to_rgb(ImageOps.exif_transpose(_with_exif(small, image))))
    return Photo(path, pixels, size, *camera(size, focal, film_mm))


def _with_exif(small, image):
    """A reduced copy forgets which way is up."""
    if small is not image:
        small.info["exif"] = image.getexif().tobytes()
    return small


def _too_large():
    return f"has more than {MOST_PIXELS / 1e6:.0f} million pixels; reduce it first"


def to_rgb(image):
    """Any Pillow image as RGB: 16 bits brought to 8, transparency laid on white.

    Raises `UserError` for pixels of no known range.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise UserError(f"has values up to {values.max()}; give 8 or 16 bits a channel")
        image = Image.fromarray(np.uint8(values // 257))
    if image.mode == "F":
        raise UserError("has floating-point pixels; give 8 or 16 bits a channel")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def camera(size, focal=None, film_mm=None):
    """Intrinsics `[3, 3]` and where the focal length is from: `given`, `exif` or `assumed`.

    Args:
        size: width, height px.
        focal: focal length in px, if known.
        film_mm: EXIF's focal length on 35 mm film; what is no positive number is not known.
    """
    width, height = size
    K = np.array(geometry.typical_camera(height, width))
    origin = "assumed"
    if focal:
        K[[0, 1], [0, 1]], origin = focal, "given"
    elif isinstance(film_mm, numbers.Real) and 0 < film_mm < math.inf:
        K[[0, 1], [0, 1]] = film_mm / FILM_DIAGONAL_MM * np.hypot(width, height)
        origin = "exif"
    return K, origin


def opencv():
    """The module `cv2`. Raises `UserError` when it is not installed."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # What is wrong is said in a sentence.
    try:
        import cv2
    except ImportError:
        raise UserError("needs OpenCV: pip install '.[predict]'") from None
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


class Video:
    """The frames of a video file or a camera, as `Photo`s.

    Iterating skips frames that do not decode; `lost` says how many there were so far. Raises
    `UserError` when it cannot be opened or has no frame that decodes.
    """

    def __init__(self, source, focal=None):
        cv2 = opencv()
        self.source, self._focal, self.lost = source, focal, 0
        is_file = source.kind == "video"
        if is_file and os.path.getsize(source.name) == 0:
            raise UserError(f"{source.name}: is empty; give a video")
        self._capture = cv2.VideoCapture(source.name if is_file else int(source.name))
        if not self._capture.isOpened():
            what = "is damaged or no video" if is_file else "there is no such camera"
            raise UserError(f"{source.name}: {what}")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else DEFAULT_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        # How many frames the file says it has; `None` where it does not.
        self.frames = int(count) if is_file and count > 0 else None

    def __iter__(self):
        cv2 = opencv()
        try:
            missing = 0
            # OpenCV says the same of a frame that does not decode and of the end.
            for number in range(self.frames) if self.frames else itertools.count():
                decoded, pixels = self._capture.read()
                if decoded:
                    self.lost, missing = self.lost + missing, 0
                    time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield self._photo(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), number, time_s)
                elif self.frames:
                    missing += 1
                else:
                    break
        finally:
            self._capture.release()
        if missing == self.frames:
            raise UserError(f"{self.source.name}: has no frame that can be decoded")
        if missing > MISCOUNTED:
            self.lost += missing

    def _photo(self, pixels, number, time_s):
        size = pixels.shape[1::-1]
        K, origin = camera(size, self._focal)
        return Photo(self.source.name, pixels, size, K, origin, number, time_s)
