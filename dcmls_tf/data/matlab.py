"""Reads arrays of numbers from MATLAB files (version 5, which `save -v6` and `-v7` write).

SciPy's reader ends the process on some damaged files, and holds all that a file inflates to.
This one knows plain arrays of real numbers alone, and stops at a size.

Source: "MAT-File Format", The MathWorks; sections "Level 5 MAT-file format".
"""

import os
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

MOST_BYTES = 256 << 20
_HEADER_BYTES, _VERSION_5 = 128, 0x0100
# Data types of elements: those of numbers, and those that hold other elements.
_NUMBERS = dict(enumerate(("i1", "u1", "i2", "u2", "i4", "u4", "f4"), 1))
_NUMBERS |= {9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
# Classes of arrays: 6 to 15 are numbers.
_CLASSES = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse array"}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x0800
_MOST_DIMENSIONS = 8


def read(path: str | os.PathLike[str], name: str) -> Float[np.ndarray, "*shape"]:
    """The array of a name. Raises `ValueError` saying what is wrong, and `OSError`."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise ValueError(f"has more than {MOST_BYTES >> 20} MB")
        content = file.read()
    return loads(content, name)


def loads(content: bytes, name: str) -> Float[np.ndarray, "*shape"]:
    """The array of a name in a file's bytes. Raises `ValueError`."""
    order = _byte_order(content)
    for kind, data in _elements(memoryview(content)[_HEADER_BYTES:], order):
        if kind == _COMPRESSED:
            kind, data = next(_elements(memoryview(_inflated(data)), order), (0, data))
        if kind == _MATRIX:
            parts = _elements(data, order)
            array_class, dimensions, found = _description(parts, order)
            if found == name:
                return _array(name, array_class, dimensions, parts, order)
    raise ValueError(f"has no {name}")


def _byte_order(content: bytes) -> str:
    orders = {b"IM": "<", b"MI": ">"}
    order = orders.get(content[126:128])
    if order is None or struct.unpack_from(f"{order}H", content, 124)[0] != _VERSION_5:
        raise ValueError("is no MATLAB file of version 5; save it with -v7")
    return order


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The data types and bytes of elements that follow each other."""
    place = 0
    while place < len(content):
        if len(content) - place < 8:
            raise ValueError("is cut off")
        kind, size = struct.unpack_from(f"{order}II", content, place)
        start = place + 8
        if kind >> 16:  # A small element: its size and type in four bytes, its data in four.
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            place += 8
        else:
            place = start + size if kind == _COMPRESSED else start + -(-size // 8) * 8
        if start + size > len(content) or (start + size > place):
            raise ValueError("is cut off")
        yield kind, content[start : start + size]


def _inflated(data: memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"is damaged ({error})") from None
    if unpacker.unconsumed_tail:
        raise ValueError(f"inflates to more than {MOST_BYTES >> 20} MB")
    if not unpacker.eof:
        raise ValueError("is cut off")
    return content


def _description(
    parts: Iterator[tuple[int, memoryview]], order: str
) -> tuple[int, tuple[int, ...], str]:
    """An array's class with its flags, its dimensions and its name."""
    flags, dimensions, name = (next(parts, (0, memoryview(b""))) for _ in range(3))
    if len(flags[1]) < 4 or dimensions[0] != 5 or len(dimensions[1]) > 4 * _MOST_DIMENSIONS:
        raise ValueError("is damaged (an array without flags or dimensions)")
    (array_class,) = struct.unpack_from(f"{order}I", flags[1])
    shape = np.frombuffer(dimensions[1][: len(dimensions[1]) // 4 * 4], f"{order}i4")
    return array_class, tuple(shape.tolist()), bytes(name[1]).decode("latin-1")


def _array(
    name: str,
    array_class: int,
    shape: tuple[int, ...],
    parts: Iterator[tuple[int, memoryview]],
    order: str,
) -> Float[np.ndarray, "*shape"]:
    kind, flags = array_class & 0xFF, array_class & 0xFF00
    if kind not in _NUMERIC_CLASSES:
        raise ValueError(f"{name} is {_CLASSES.get(kind, 'no array')}, not an array of numbers")
    if flags & _COMPLEX:
        raise ValueError(f"{name} has complex numbers")
    number, data = next(parts, (0, memoryview(b"")))
    size = np.dtype(_NUMBERS.get(number, "V1")).itemsize
    count = int(np.prod(shape, dtype=object)) if shape else 0
    if number not in _NUMBERS or min(shape, default=0) < 0 or count * size != len(data):
        raise ValueError(f"is damaged ({name} has not as many numbers as it says)")
    values = np.frombuffer(data, f"{order}{_NUMBERS[number]}")
    return values.reshape(shape, order="F").astype(np.float64)
