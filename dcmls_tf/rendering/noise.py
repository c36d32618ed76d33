"""Smooth random fields in space, the same in every run: blotches, folds, weaves."""

import functools

import numpy as np
from scipy import ndimage

CHANNELS = 4
_CELLS = 64
_SMOOTH = 2.0
# One period holds about this many blobs along each axis.
_BLOBS = _CELLS / (3.0 * _SMOOTH)


@functools.lru_cache(maxsize=1)
def _volume():
    """`[64 * 64 * 64, 4]` float32, periodic along each axis, zero mean, unit variance."""
    white = np.random.default_rng(2020).standard_normal((_CELLS,) * 3 + (CHANNELS,))
    sigma = (_SMOOTH,) * 3 + (0,)
    smooth = ndimage.gaussian_filter(white, sigma, mode="wrap")
    return (smooth / smooth.std((0, 1, 2))).astype(np.float32).reshape(-1, CHANNELS)


def lookup(points, size):
    """Four independent fields `[N, 4]` at `points [N, 3]`, with blobs `size` metres wide."""
    # The offset keeps coordinates positive, where truncation rounds down.
    cells = np.asarray(points, np.float32) * np.float32(_CELLS / (_BLOBS * size)) + 64 * _CELLS
    i, j, k = (cells.astype(np.int32) & (_CELLS - 1)).T
    return _volume()[(i * _CELLS + j) * _CELLS + k]
