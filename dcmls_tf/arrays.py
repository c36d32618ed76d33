"""NumPy under TensorFlow's names, so that a formula is written once and runs without TensorFlow.

`of(...)` is TensorFlow where a tensor is among its arguments, and the functions here where all of
them are NumPy's. Floats are float32, as TensorFlow's are, whatever Python numbers go in.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

# A NumPy array or a TensorFlow tensor.
Array = Any


def of(*values: Any) -> Any:
    """What computes with `values`, which may be lists of arrays: TensorFlow, or `NUMPY`."""
    tf = sys.modules.get("tensorflow")  # Who has a tensor has imported it.
    return tf if tf is not None and _has_tensor(tf, values) else NUMPY


def _has_tensor(tf: Any, values: Sequence[Any]) -> bool:
    for value in values:
        found = _has_tensor(tf, value) if isinstance(value, list | tuple) else tf.is_tensor(value)
        if found:
            return True
    return False


def _float32(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _float32_of(function: Any) -> Any:
    """A NumPy function, its floats being float32."""
    return staticmethod(lambda *args, **options: _float32(function(*args, **options)))


def _reducing(function: Any) -> Any:
    """A NumPy reduction by TensorFlow's arguments."""

    def reduced(value: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = tuple(axis) if isinstance(axis, list | range) else axis
        return _float32(function(_float32(value), axis=axes, keepdims=keepdims))

    return staticmethod(reduced)


class _Linalg:
    """`tf.linalg`."""

    inv = _float32_of(np.linalg.inv)
    det = _float32_of(np.linalg.det)
    diag_part = _float32_of(lambda matrix: np.diagonal(matrix, axis1=-2, axis2=-1))
    matvec = _float32_of(lambda matrix, vector: (matrix @ np.asarray(vector)[..., None])[..., 0])

    @staticmethod
    def diag(values: Array) -> Array:
        """Matrices with `values` on their diagonals."""
        return np.asarray(values)[..., None] * np.eye(np.shape(values)[-1], dtype=np.float32)

    @staticmethod
    def lstsq(matrix: Array, target: Array, l2_regularizer: float = 0.0) -> Array:
        """Linear least squares by the normal equations."""
        matrix, target = (np.asarray(value, np.float64) for value in (matrix, target))
        across = np.swapaxes(matrix, -1, -2)
        normal = across @ matrix + l2_regularizer * np.eye(matrix.shape[-1])
        return _float32(np.linalg.solve(normal, across @ target))


class _Math:
    """`tf.math`."""

    is_finite = staticmethod(np.isfinite)
    reduce_variance = _reducing(np.var)

    @staticmethod
    def l2_normalize(value: Array, axis: int) -> Array:
        """Vectors along an axis, of length 1."""
        return _float32(value / np.linalg.norm(value, axis=axis, keepdims=True))


class NUMPY:
    """The functions of TensorFlow that are used of arrays that may be NumPy's."""

    linalg, math = _Linalg, _Math
    float32, int32 = np.float32, np.int32
    reduce_min, reduce_max = _reducing(np.min), _reducing(np.max)
    reduce_sum, reduce_mean = _reducing(np.sum), _reducing(np.mean)
    reduce_all, reduce_any = _reducing(np.all), _reducing(np.any)
    maximum, abs, equal = _float32_of(np.maximum), _float32_of(np.abs), staticmethod(np.equal)
    clip_by_value, sqrt, round = _float32_of(np.clip), _float32_of(np.sqrt), _float32_of(np.round)
    cos, sin = _float32_of(np.cos), _float32_of(np.sin)
    where, concat = _float32_of(np.where), _float32_of(np.concatenate)
    stack, reshape = _float32_of(np.stack), _float32_of(np.reshape)
    pad, broadcast_to = _float32_of(np.pad), staticmethod(np.broadcast_to)
    ones_like, zeros_like = _float32_of(np.ones_like), _float32_of(np.zeros_like)
    shape = staticmethod(np.shape)

    @staticmethod
    def cast(value: Any, dtype: Any) -> Array:
        """Numbers of another type."""
        return np.asarray(value).astype(dtype)

    @staticmethod
    def convert_to_tensor(value: Any, dtype: Any = None) -> Array:
        """An array of numbers."""
        return _float32(np.asarray(value, dtype))

    @staticmethod
    def matmul(a: Array, b: Array, transpose_b: bool = False) -> Array:
        """Matrix products."""
        return _float32(np.matmul(a, np.swapaxes(b, -1, -2) if transpose_b else b))

    @staticmethod
    def unstack(value: Array, axis: int) -> list[Array]:
        """The slices along an axis."""
        return list(np.moveaxis(np.asarray(value), axis, 0))

    @staticmethod
    def norm(value: Array, axis: Any, keepdims: bool = False) -> Array:
        """Euclidean length along one axis or several."""
        axes = tuple(axis) if isinstance(axis, list) else axis
        return np.sqrt(np.sum(np.square(_float32(value)), axis=axes, keepdims=keepdims))
