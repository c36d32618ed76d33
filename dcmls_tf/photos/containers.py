"""Whether a video's file is cut off, which decoders take for its end and say nothing of.

MP4 and MOV consist of boxes, WebM and MKV of EBML's elements, AVI of RIFF's chunks; each says
first how long it is.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof")
# A recorder that was switched off leaves bytes of its last box; one more or less says nothing.
_HEAD = 16


def is_cut_off(path: str) -> bool:
    """Whether the file is shorter than it says; `False` where it says nothing."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        return any(end > size for end in _ends(file, size))


def _ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where the parts of a file end by what it says."""
    head = file.read(_HEAD)
    if head[:4] == _EBML:
        yield from _elements(file, size)
    elif head[:4] == b"RIFF":
        yield 8 + int.from_bytes(head[4:8], "little")
    elif head[4:8] in _BOXES:
        yield from _boxes(file, size)


def _boxes(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(_HEAD)
        length = int.from_bytes(head[:4], "big")
        if length == 1:  # a length of 64 bits follows the name
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: to the end of the file
            return
        at += length
        yield at


def _elements(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 5 <= size:
        file.seek(at)
        head = file.read(_HEAD)
        width = 9 - head[4].bit_length()  # of the length, as its leading zeros say
        length = int.from_bytes(head[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
        if head[:4] not in (_EBML, _SEGMENT) or length == (1 << 7 * width) - 1:  # not known
            return
        at += 4 + width + length
        yield at
