"""Files of videos, whole and cut; `test_video` cuts those that are made by FFmpeg."""

import pytest

from dcmls_tf.photos import containers


def box(name, size, long=False):
    head = (1).to_bytes(4, "big") if long else size.to_bytes(4, "big")
    more = size.to_bytes(8, "big") if long else b""
    return (head + name + more).ljust(size, b"x")


EBML = b"\x1a\x45\xdf\xa3" + bytes([0x83]) + b"abc"
SEGMENT = b"\x18\x53\x80\x67"
WHOLE = {
    "mp4": box(b"ftyp", 24) + box(b"mdat", 100) + box(b"moov", 50),
    "long": box(b"ftyp", 24) + box(b"moov", 60) + box(b"mdat", 90, long=True),
    "mkv": EBML + SEGMENT + (0x01 << 56 | 80).to_bytes(8, "big") + bytes(80),
    "avi": b"RIFF" + (72).to_bytes(4, "little") + b"AVI ".ljust(72, b"x"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_shorter_than_it_says_is_cut_off(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(WHOLE[name])
    assert not containers.is_cut_off(str(path))
    path.write_bytes(WHOLE[name] + b"more")
    assert not containers.is_cut_off(str(path))
    path.write_bytes(WHOLE[name][:-20])
    assert containers.is_cut_off(str(path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video",
        EBML + SEGMENT + b"\x01" + b"\xff" * 7 + b"live",
        box(b"ftyp", 24) + bytes(4) + b"mdat" + b"x" * 40,
        box(b"ftyp", 24) + b"\x00\x00\x00\x02mdat",
    ],
)
def test_a_file_that_says_nothing_is_not(tmp_path, content):
    (tmp_path / "v").write_bytes(content)
    assert not containers.is_cut_off(str(tmp_path / "v"))
