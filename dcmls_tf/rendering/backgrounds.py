"""Backgrounds: photographs from a folder, and procedural ones between them.

The default photographs come with scikit-image's wheel; those used are dedicated to the
public domain (CC0, NASA) according to its `skimage/data/_fetchers.py`. Every fifth
photograph serves evaluation only.
"""

import functools
import hashlib
import os
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf.errors import UserError
from dcmls_tf.rendering.camera import SIZE
from dcmls_tf.rendering.lighting import linear_from_srgb

# CC0 by their photographers: brick, camera, chelsea, coffee, grass, gravel; public domain:
# astronaut and hubble_deep_field (NASA), clock_motion (S. van der Walt), rocket (SpaceX).
SHIPPED = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "rocket.jpg",
)
SUFFIXES = (".jpg", ".jpeg", ".png")
PROCEDURAL_SHARE = 0.15
_EVALUATION_EVERY = 5
_LONGEST_SIDE = 900


def photographs(folder: str | None = None) -> list[str]:
    """Sorted paths of a folder's photographs; scikit-image's public-domain ones by default."""
    if folder is None:
        import skimage

        data = os.path.join(os.path.dirname(skimage.__file__), "data")
        paths = [os.path.join(data, name) for name in SHIPPED]
        return [path for path in paths if os.path.isfile(path)]
    try:
        names = sorted(n for n in os.listdir(folder) if n.lower().endswith(SUFFIXES))
    except OSError as error:
        raise UserError(f"--backgrounds={folder}: cannot read it ({error.strerror})") from None
    if len(names) < 2:
        raise UserError(
            f"--backgrounds={folder}: holds {len(names)} .jpg or .png files; at least two are "
            "needed, since training and evaluation do not share any"
        )
    paths = [os.path.join(folder, name) for name in names]
    for path in paths:
        if not cv2.haveImageReader(path):
            raise _unreadable(path)
    return paths


def of_split(paths: list[str], split: str) -> list[str]:
    """The photographs of a split; none is in both."""
    held_out = paths[_EVALUATION_EVERY - 1 :: _EVALUATION_EVERY] or paths[-1:]
    return held_out if split == "evaluation" else [p for p in paths if p not in held_out]


def digest(paths: Sequence[str]) -> str:
    """A short text that changes with the photographs' names and sizes."""
    text = "\n".join(f"{os.path.basename(p)} {os.path.getsize(p)}" for p in paths)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unreadable(path: str) -> UserError:
    return UserError(f"--backgrounds: {path} is not a readable image; remove or replace it")


@functools.lru_cache(maxsize=256)
def read(path: str) -> UInt8[np.ndarray, "H W 3"]:
    """A photograph, RGB, made smaller where it is large."""
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise _unreadable(path)
    shrink = min(1.0, _LONGEST_SIDE / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[:, :, ::-1])


def sample_background(
    rng: np.random.Generator, paths: Sequence[str], size: int = SIZE
) -> Float[np.ndarray, "size size 3"]:
    """Random linear RGB image."""
    number = pick(rng, paths)
    if number < 0:
        image = procedural(rng, size)
    else:
        image = _crop(rng, read(paths[number]), size) * np.float32(1 / 255)
    brightness = np.float32(np.exp(rng.normal(-0.25, 0.45)))
    return brightness * linear_from_srgb(_recolour(rng, image))


def pick(rng: np.random.Generator, paths: Sequence[str]) -> int:
    """The number of a random photograph, or -1 for a procedural background."""
    if not paths or rng.random() < PROCEDURAL_SHARE:
        return -1
    return int(rng.integers(len(paths)))


def _crop(
    rng: np.random.Generator, image: UInt8[np.ndarray, "H W 3"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """A random square, mirrored half of the time."""
    height, width = image.shape[:2]
    side = int(min(height, width) * rng.uniform(0.45, 1.0))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    square = image[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    square = cv2.resize(square, (size, size), interpolation=method)
    return square[:, :: rng.choice([-1, 1])]


def _recolour(
    rng: np.random.Generator, image: Float[np.ndarray, "H W 3"]
) -> Float[np.ndarray, "H W 3"]:
    """Random contrast, saturation and colour balance of an sRGB image in 0..1."""
    saturation, contrast = rng.uniform(0.5, 1.25), rng.uniform(0.75, 1.1)
    mix = contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    shift = np.full((3, 1), 0.5 * (1 - contrast))
    balance = rng.normal(1, 0.06, (3, 1))
    return cv2.transform(image, balance * np.concatenate([mix, shift], 1))


def procedural(rng: np.random.Generator, size: int = SIZE) -> Float[np.ndarray, "size size 3"]:
    """Clouds of noise over a gradient, half of the time behind some flat shapes."""
    base, other = rng.uniform(0.1, 0.9, (2, 1)) + rng.normal(0, 0.12, (2, 3))
    ramp = np.linspace(0, 1, size)[:, None, None]
    image = np.broadcast_to(base * (1 - ramp) + other * ramp, (size, size, 3)).astype(np.float32)
    for cells in (4, 11, 32, 90):
        cloud = rng.normal(0, 0.35 / cells**0.6, (cells, cells, 3)).astype(np.float32)
        cloud = 0.85 * cloud[..., :1] + 0.15 * cloud
        image = image + cv2.resize(cloud, (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        image = _with_shapes(rng, np.ascontiguousarray(image))
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 3.0))


def _with_shapes(
    rng: np.random.Generator, image: Float[np.ndarray, "S S 3"]
) -> Float[np.ndarray, "S S 3"]:
    for _ in range(rng.integers(3, 14)):
        centre = rng.uniform(0, len(image), 2)
        radii = rng.uniform(0.05, 0.4, 2) * len(image)
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
        corners = centre + radii * np.stack([np.cos(angles), np.sin(angles)], 1)
        colour = [float(c) for c in rng.uniform(0.02, 0.98, 3)]
        cv2.fillPoly(image, [corners.astype(np.int32)], colour, lineType=cv2.LINE_AA)
    return image
