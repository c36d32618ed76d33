"""Reads annotation pickles without trusting them.

A pickle can call anything that it can name. This reader knows the few names that a pickled
NumPy array consists of, answers them with its own stand-ins, and refuses all others, so
that a file can bring plain containers and arrays of numbers and nothing else.
"""

import os
import pickle
from typing import Any

import numpy as np

from dcmls_tf.errors import UserError

_NUMERIC_KINDS = "biuf"


class _Refused(Exception):
    """The file holds something that an annotation has no use for."""


class _Dtype:
    """Stands for `numpy.dtype`: a type code, then a state with the byte order."""

    def __init__(self, code: Any, *flags: Any):
        self._dtype = _numeric(code)

    def __setstate__(self, state: Any) -> None:
        _, order, *structure = state
        if any(part is not None for part in structure[:3]):
            raise _Refused("a structured array")
        self._dtype = self._dtype.newbyteorder(order)

    def numpy(self) -> np.dtype:
        return self._dtype


class _Array:
    """Stands for an array that `_reconstruct` opens and a state then fills."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _array(data, dtype, shape, "F" if fortran else "C")


class _Ndarray:
    """Stands for the class `numpy.ndarray`, which a pickle names but must not call."""

    def __init__(self, *unused: Any):
        raise _Refused("a bare array")


def _numeric(code: Any) -> np.dtype:
    dtype = np.dtype(code) if isinstance(code, str) else None
    if dtype is None or dtype.kind not in _NUMERIC_KINDS:
        raise _Refused(f"type {code!r}")
    return dtype


def _array(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    # Python 2 wrote the buffer as a string.
    data = data.encode("latin-1") if isinstance(data, str) else data
    return np.frombuffer(data, dtype.numpy()).reshape(shape, order=order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Ndarray:
        raise _Refused(f"an array of class {kind!r}")
    return _Array()


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, (1,))[0]


def _encode(text: str, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"encoding {encoding!r}")
    return text.encode("latin-1")


_ADMITTED = {
    ("numpy", "ndarray"): _Ndarray,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _array


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def load(path: str | os.PathLike[str]) -> Any:
    """The plain containers and NumPy arrays in the pickle at `path`; arrays are read-only.

    Reads files of Python 2 and 3. Raises `UserError` naming the file when it is damaged, or
    holds anything but containers, strings, numbers and numeric arrays.
    """
    try:
        with open(path, "rb") as file:
            return _unwrap(_Unpickler(file, encoding="latin-1").load())
    except OSError as error:
        raise UserError(f"--raw_dir: cannot read {path} ({error.strerror})") from None
    except _Refused as error:
        raise UserError(
            f"--raw_dir: {path} is refused: annotations are arrays and plain containers, "
            f"but it holds {error}"
        ) from None
    except Exception as error:  # a damaged pickle can fail in any way
        kind = type(error).__name__
        raise UserError(
            f"--raw_dir: {path} is not a readable annotation pickle ({kind}: {error}); "
            "unpack or download it again"
        ) from None


def _unwrap(node: Any) -> Any:
    if isinstance(node, _Array):
        return node.value
    if isinstance(node, dict):
        return {key: _unwrap(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(_unwrap(value) for value in node)
    return node
