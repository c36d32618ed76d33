"""Inputs of a served model that are none, by what is wrong with them; and good ones."""

import numpy as np

NAN, INF = np.nan, np.inf
K = np.array([[64, 0, 32], [0, 64, 24], [0, 0, 1]], np.float32)
BOX = np.array([10, 10, 40, 40], np.float32)
UV = np.random.default_rng(0).uniform(5, 45, (21, 2)).astype(np.float32)
WIDTH, HEIGHT = 64, 48


def with_entry(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    """An array with another value at a place."""
    changed = array.copy()
    changed[place] = value
    return changed


BAD_K = {
    "NaN": with_entry(K, (0, 0), NAN),
    "infinite": with_entry(K, (0, 2), INF),
    "negative focal": with_entry(K, (1, 1), -64),
    "zero focal": with_entry(K, (0, 0), 0),
    "singular": np.ones([3, 3], np.float32),
    "no last row": with_entry(K, (2, 2), 0),
    "scaled": 2 * K,
    "transposed": K.T,
    "far out": with_entry(K, (0, 2), 1e30),
}
BAD_BOX = {
    "NaN": [NAN, 10, 40, 40],
    "infinite": [10, 10, INF, 40],
    "minus infinite": [-INF, 10, 40, 40],
    "reversed": [40, 10, 10, 40],
    "empty": [10, 10, 10, 40],
    "upside down": [10, 40, 40, 10],
    "beside the image": [70, 10, 90, 40],
    "above the image": [10, -50, 40, -10],
    "far out": [-1e30, -1e30, 1e30, 1e30],
    "farther than a camera sees": [-5000, 10, 40, 40],
    "parts of the image": [0.2, 0.3, 0.6, 1.2],
}
BAD_SIDE = {"two": 2, "minus one": -1, "largest": 2**31 - 1}
BAD_UV = {
    "NaN": with_entry(UV, (3, 0), NAN),
    "infinite": with_entry(UV, (20, 1), -INF),
    "huge": with_entry(UV, (0, 0), 1e30),
    "parts of the image": UV / 64,
    "farther than a camera sees": with_entry(UV, (0, 0), 64 * 25),
}
BAD_SIZE = {"NaN": [NAN, 48], "negative": [-64, 48], "half": [64, 0], "huge": [1e30, 48]}
BAD_PALM = {"NaN": [NAN, 1], "infinite": [1, INF]}
