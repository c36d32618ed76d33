"""Reads annotation pickles without trusting them.

A pickle is a program. It can call anything that it can name, hold a thing within itself, or ask
for gigabytes in nine bytes. This reader is Python's own, of pure Python, that knows the few
opcodes and names which plain containers and arrays of numbers consist of. It answers the names
with its own stand-ins and refuses all others. What a file costs is in proportion to its size.
"""

import gc
import io
import os
import pickle
import reprlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dcmls_tf.errors import UserError

# RHD's own file has 75 MB.
MOST_BYTES = 2 << 30
MOST_NESTED = 32
# Containers and arrays that a file may hold, and how many bytes each further one has to bring:
# a frame of RHD has some 20 and 1,800 bytes.
FEW, BYTES_EACH = 1000, 12
_NUMERIC_KINDS = "biuf"
_MOST_DIMENSIONS = 8
_SCALARS = (int, float, str, bytes, type(None), np.generic)


class _Refused(Exception):
    """The file holds something that an annotation has no use for."""


class _Dtype:
    """Stands for `numpy.dtype`: a type code, then a state with the byte order."""

    def __init__(self, code: Any, *flags: Any):
        self._dtype = _numeric(code)

    def fill(self, state: Any, _: Any) -> None:
        """Takes the byte order of a state."""
        _, order, *structure = state
        if any(part is not None for part in structure[:3]):
            raise _Refused("a structured array")
        self._dtype = self._dtype.newbyteorder(order)

    def numpy(self) -> np.dtype:
        return self._dtype


class _Array:
    """Stands for an array that `_reconstruct` opens and a state then fills."""

    value: np.ndarray | None = None

    def fill(self, state: Any, encoded: Callable[[str], bytes]) -> None:
        """Takes the numbers of a state, whose buffer Python 2 wrote as a string."""
        _, shape, dtype, fortran, data = state
        data = encoded(data) if isinstance(data, str) else data
        self.value = _array(data, dtype, shape, "F" if fortran else "C")


class _Ndarray:
    """Stands for the class `numpy.ndarray`, which a pickle names but must not call."""

    def __init__(self, *unused: Any):
        raise _Refused("a bare array")


def _numeric(code: Any) -> np.dtype:
    dtype = np.dtype(code) if isinstance(code, str) else None
    if dtype is None or dtype.kind not in _NUMERIC_KINDS:
        raise _Refused(f"type {reprlib.repr(code) if isinstance(code, str) else type(code)}")
    return dtype


def _array(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
        raise _Refused("an array of no shape")
    return np.frombuffer(data, dtype.numpy()).reshape(shape, order=order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Ndarray:
        raise _Refused("an array of another class")
    return _Array()


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Ndarray,
    ("numpy", "dtype"): _Dtype,
}
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
for _module in _MULTIARRAY:
    _ADMITTED[_module, "_reconstruct"] = _reconstruct
for _module in ("numpy.core.numeric", "numpy._core.numeric"):
    _ADMITTED[_module, "_frombuffer"] = _array

# All but those that make objects of classes, sets, persistent ids and buffers beside the file.
_OPCODES = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP GLOBAL STACK_GLOBAL REDUCE BUILD "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 "
    "TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS "
    "EMPTY_DICT DICT SETITEM SETITEMS"
)


class _Unpickler(pickle._Unpickler):
    """Python's, which allocates nothing before it has read it, and follows no reference twice."""

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="latin-1")
        self._left = FEW + len(content) // BYTES_EACH
        self._text_left = len(content)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        if name == "scalar" and module in _MULTIARRAY:
            return self._scalar
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _Refused(f"{_short(module)}.{_short(name)}") from None

    def _encode(self, text: Any, encoding: Any) -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise _Refused(f"encoding {reprlib.repr(encoding)}")
        return self._encoded(text)

    def _scalar(self, dtype: Any, data: Any) -> Any:
        data = self._encoded(data) if isinstance(data, str) else data
        return _array(data, dtype, (1,))[0]

    def _encoded(self, text: str) -> bytes:
        self._text_left -= len(text)
        if self._text_left < 0:
            raise _Refused("one text as many arrays")
        return text.encode("latin-1")

    def _counted(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _Refused("more containers than its size has room for")


def _refuse(_: _Unpickler) -> NoReturn:
    raise _Refused("what is no container, text, number or array of numbers")


def _build(unpickler: Any) -> None:
    """A state goes to stand-ins alone: on a class or a function it would stay for the next file."""
    state = unpickler.stack.pop()
    target = unpickler.stack[-1]
    if not isinstance(target, (_Array, _Dtype)):
        raise _Refused("a state of what has none")
    target.fill(state, unpickler._encoded)


def _bytearray(unpickler: Any) -> None:
    size = int.from_bytes(unpickler.read(8), "little")
    unpickler.append(bytes(unpickler.read(size)))


def _with_keys(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """`load`, whose dict has keys that hash at once: tuples of tuples need not."""

    def checked(unpickler: Any) -> None:
        for key in unpickler.stack[-2:-1] if load is _SETITEM else unpickler.stack[::2]:
            parts = key if isinstance(key, tuple) else (key,)
            if not all(isinstance(part, _SCALARS) for part in parts):
                raise _Refused("a key that is no number or text")
        load(unpickler)

    return checked


def _counting(load: Callable[[Any], None]) -> Callable[[Any], None]:
    def counted(unpickler: Any) -> None:
        unpickler._counted()
        load(unpickler)

    return counted


_PYTHONS: dict[int, Callable[[Any], None]] = dict(pickle._Unpickler.dispatch)
_SETITEM = _PYTHONS[pickle.SETITEM[0]]


def _dispatch() -> dict[int, Callable[[Any], None]]:
    """What each opcode does."""
    known = {getattr(pickle, name)[0] for name in _OPCODES.split()}
    does = {code: load if code in known else _refuse for code, load in _PYTHONS.items()}
    does |= {pickle.BUILD[0]: _build, pickle.BYTEARRAY8[0]: _bytearray}
    for code in (pickle.SETITEM, pickle.SETITEMS, pickle.DICT):
        does[code[0]] = _with_keys(does[code[0]])
    for code in (pickle.MARK, pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.REDUCE):
        does[code[0]] = _counting(does[code[0]])
    return does


_Unpickler.dispatch = _dispatch()


def load(path: str | os.PathLike[str]) -> Any:
    """The plain containers and NumPy arrays in the pickle at `path`; arrays are read-only.

    Reads files of Python 2 and 3. Raises `UserError` naming the file when it is damaged, or
    holds anything but containers, strings, numbers and numeric arrays, or one within itself.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise _Refused(f"more than {MOST_BYTES >> 30} GB")
            return loads(file.read())
    except OSError as error:
        raise UserError(f"--raw_dir: cannot read {path} ({error.strerror})") from None
    except _Refused as error:
        raise UserError(
            f"--raw_dir: {path} is refused: annotations are arrays and plain containers, "
            f"but it holds {error}"
        ) from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise UserError(
            f"--raw_dir: {path} is not a readable annotation pickle ({type(error).__name__}); "
            "unpack or download it again"
        ) from None


def loads(content: bytes) -> Any:
    """What the bytes of a pickle hold; raises anything."""
    collects = gc.isenabled()
    gc.disable()  # It would go through all that is loaded so far, again and again.
    try:
        return _unwrap(_Unpickler(content).load(), {}, 0)
    finally:
        if collects:
            gc.enable()


def _unwrap(node: Any, done: dict[int, Any], depth: int) -> Any:
    """A node with arrays for stand-ins; each once, however often it is referred to."""
    if isinstance(node, _Array):
        if node.value is None:
            raise _Refused("an array without its numbers")
        return node.value
    if not isinstance(node, (dict, list, tuple)):
        return _plain(node)
    if depth > MOST_NESTED:
        raise _Refused("containers in containers without an end")
    if id(node) not in done:
        if isinstance(node, dict):
            done[id(node)] = {k: _unwrap(v, done, depth + 1) for k, v in node.items()}
        else:
            done[id(node)] = type(node)(_unwrap(value, done, depth + 1) for value in node)
    return done[id(node)]


def _plain(node: Any) -> Any:
    if not isinstance(node, (*_SCALARS, np.ndarray)):
        raise _Refused("a name alone")
    return node


def _short(text: str) -> str:
    return text if len(text) < 80 else f"{text[:80]}…"
