"""Small files that would cost a decoder much: what tests of limits send."""

import struct
import zlib

PNG_MAGIC, START_OF_SCAN = b"\x89PNG\r\n\x1a\n", b"\xff\xda"


def blank_png(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, all of it black: some kilobytes for millions of pixels."""
    packer, row = zlib.compressobj(9), bytes(1 + -(-width // 8))
    packed = [packer.compress(row * min(1000, height - y)) for y in range(0, height, 1000)]
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"".join(packed) + packer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return PNG_MAGIC + b"".join(_chunk(kind, body) for kind, body in chunks)


def jpeg_of_scans(progressive: bytes, more: int) -> bytes:
    """A progressive JPEG with its last scan `more` times again: each goes through all pixels."""
    last, end = progressive.rindex(START_OF_SCAN), progressive[-2:]
    return progressive[:-2] + progressive[last:-2] * more + end


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum
