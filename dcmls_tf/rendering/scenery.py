"""Backgrounds as photos and webcams have them: photographs taken apart, rooms, patterns.

Few photographs may serve many frames: they are zoomed, recoloured, laid over one another in
patches and blurred as what is out of focus.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf.rendering import backgrounds
from dcmls_tf.rendering.lighting import linear_from_srgb

_PHOTOGRAPH_SHARE = 0.6
_BLURRED_SHARE = 0.5


def sample_scenery(
    rng: np.random.Generator, paths: Sequence[str], size: int
) -> Float[np.ndarray, "size size 3"]:
    """Random linear RGB image; paths: photographs to take pieces of."""
    image = _layer(rng, paths, size)
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        image = _patched(rng, image, _layer(rng, paths, size))
    if rng.random() < _BLURRED_SHARE:
        image = _blurred(image, size / 256 * np.exp(rng.uniform(-0.5, 2.1)))
    brightness = np.float32(np.exp(rng.normal(-0.2, 0.5)))
    return brightness * linear_from_srgb(np.clip(_recoloured(rng, image), 0, 1))


def _layer(
    rng: np.random.Generator, paths: Sequence[str], size: int
) -> Float[np.ndarray, "size size 3"]:
    """One texture, sRGB, about 0..1."""
    if paths and rng.random() < _PHOTOGRAPH_SHARE:
        return _piece(rng, backgrounds.read(paths[int(rng.integers(len(paths)))]), size)
    kinds = (_plain, _room, _pattern, _clouds)
    image = kinds[rng.integers(len(kinds))](rng)
    return cv2.resize(image.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)


def _piece(
    rng: np.random.Generator, image: UInt8[np.ndarray, "H W 3"], size: int
) -> Float[np.ndarray, "size size 3"]:
    """A square of a photograph, turned and mirrored at random."""
    side = int(min(image.shape[:2]) * np.exp(rng.uniform(np.log(0.15), 0)))
    top, left = (rng.integers(n - side + 1) for n in image.shape[:2])
    square = image[top : top + side, left : left + side] * np.float32(1 / 255)
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    square = cv2.resize(square, (size, size), interpolation=method)[:, :: rng.choice([-1, 1])]
    turns = rng.choice(4, p=[0.7, 0.1, 0.1, 0.1])
    return np.ascontiguousarray(np.rot90(square, turns))


def _blurred(image: Float[np.ndarray, "S S 3"], sigma: float) -> Float[np.ndarray, "S S 3"]:
    """Gaussian blur, of a smaller copy where that makes no difference."""
    size, shrink = len(image), max(1, int(sigma / 1.5))
    small = cv2.resize(image, (size // shrink,) * 2, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


_SIDE = 160  # of what is drawn rather than photographed


def _plain(rng: np.random.Generator) -> Float[np.ndarray, "160 160 3"]:
    """A wall: one colour, a little uneven."""
    colour = rng.uniform(0.05, 0.95) + rng.normal(0, 0.08, 3)
    shade = cv2.resize(rng.normal(0, 0.06, (3, 3, 1)).astype(np.float32), (_SIDE, _SIDE))
    grain = cv2.GaussianBlur(rng.normal(0, 0.1, (_SIDE, _SIDE)).astype(np.float32), (0, 0), 1.0)
    return np.float32(colour) + (shade + rng.uniform(0, 0.6) * grain)[..., None]


def _clouds(rng: np.random.Generator) -> Float[np.ndarray, "160 160 3"]:
    return backgrounds.procedural(rng, _SIDE)


def _room(rng: np.random.Generator) -> Float[np.ndarray, "160 160 3"]:
    """Walls and a floor, with doors, shelves and windows."""
    image = _plain(rng)
    horizon = rng.uniform(0.4, 1.0) * _SIDE
    floor = np.mgrid[:_SIDE, :_SIDE][0] > horizon + rng.normal(0, 0.2) * np.arange(_SIDE)
    image[floor] = _plain(rng)[floor]
    for _ in range(rng.integers(2, 9)):
        left, top = rng.uniform(-0.2, 0.9, 2) * _SIDE
        width, height = rng.uniform(0.05, 0.5, 2) * _SIDE
        tilt = rng.normal(0, 0.06)
        corners = np.array([(0, 0), (width, tilt * width), (width, height), (0, height)])
        colour = np.clip(rng.uniform(0, 1) + rng.normal(0, 0.12, 3), 0, 1)
        points = (corners + (left, top)).astype(np.int32)
        cv2.fillPoly(image, [points], colour.tolist(), lineType=cv2.LINE_AA)
        edge = np.clip(colour * rng.uniform(0.4, 1.3), 0, 1).tolist()
        cv2.polylines(image, [points], True, edge, int(rng.integers(1, 3)), cv2.LINE_AA)
    return image


def _pattern(rng: np.random.Generator) -> Float[np.ndarray, "160 160 3"]:
    """Stripes, checks or dots of two colours, turned."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 40)
    y, x = np.mgrid[:_SIDE, :_SIDE]
    u = (x * np.cos(angle) + y * np.sin(angle)) / period
    v = (y * np.cos(angle) - x * np.sin(angle)) / (period * rng.uniform(0.5, 2))
    u, v = u % 1, v % 1
    kind = rng.integers(3)
    if kind == 0:
        share = u < rng.uniform(0.2, 0.8)
    elif kind == 1:
        share = (u < 0.5) ^ (v < 0.5)
    else:
        share = (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.1
    share = share.astype(np.float32)[..., None]
    return _plain(rng) * (1 - share) + _plain(rng) * share


def _patched(
    rng: np.random.Generator,
    image: Float[np.ndarray, "S S 3"],
    other: Float[np.ndarray, "S S 3"],
) -> Float[np.ndarray, "S S 3"]:
    """`image` with a polygon of `other` on it."""
    size = len(image)
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
    reach = rng.uniform(0.15, 0.6) * size
    corners = rng.uniform(0, size, 2) + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0, lineType=cv2.LINE_AA)
    return image + mask[..., None] * (other - image)


def _recoloured(
    rng: np.random.Generator, image: Float[np.ndarray, "S S 3"]
) -> Float[np.ndarray, "S S 3"]:
    """Another contrast, saturation and hue; now and then black and white."""
    grey = np.full((3, 3), 1 / 3)
    saturation = 0.0 if rng.random() < 0.05 else rng.uniform(0.4, 1.3)
    turn = np.eye(3) if rng.random() < 0.7 else np.eye(3)[rng.permutation(3)]
    mix = rng.uniform(0.6, 1.15) * (saturation * turn + (1 - saturation) * grey)
    mix = mix * rng.normal(1, 0.08, (3, 1))
    shift = rng.uniform(-0.1, 0.2)
    return cv2.transform(image, np.column_stack([mix, [shift] * 3]))
