"""Smooth random fields in space, the same in every run: blotches, folds, weaves."""

import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy import ndimage

CHANNELS = 4
_CELLS = 64
_SMOOTH = 2.0
# One period holds about this many blobs along each axis.
_BLOBS = _CELLS / (3.0 * _SMOOTH)


@functools.lru_cache(maxsize=1)
def _volume() -> Float[np.ndarray, "C 4"]:
    """Fields of `_CELLS`³ values, periodic along each axis, of unit variance and mean near 0."""
    white = np.random.default_rng(2020).standard_normal((_CELLS,) * 3 + (CHANNELS,))
    sigma = (_SMOOTH,) * 3 + (0,)
    smooth = ndimage.gaussian_filter(white, sigma, mode="wrap")
    return (smooth / smooth.std((0, 1, 2))).astype(np.float32).reshape(-1, CHANNELS)


def lookup(points: Shaped[Any, "N 3"], size: float) -> Float[np.ndarray, "N 4"]:
    """Four independent fields at points in space, with blobs `size` metres wide."""
    # The offset keeps coordinates positive, where truncation rounds down.
    cells = np.asarray(points, np.float32) * np.float32(_CELLS / (_BLOBS * size)) + 64 * _CELLS
    i, j, k = (cells.astype(np.int32) & (_CELLS - 1)).T
    return _volume()[(i * _CELLS + j) * _CELLS + k]
