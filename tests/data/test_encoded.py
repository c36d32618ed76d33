"""Encoded images: judged by their headers, then decoded."""

import io
import time

import bombs
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from dcmls_tf import images
from dcmls_tf.data import encoded

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 33, 3), np.uint8)


def as_bytes(kind: str, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, kind, **options)
    return content.getvalue()


def test_size_and_pixels():
    for kind in encoded.FORMATS:
        assert encoded.size(as_bytes(kind)) == (33, 20)
    np.testing.assert_array_equal(encoded.decode(as_bytes("PNG")), PIXELS)
    assert encoded.decode(as_bytes("JPEG")).shape == (20, 33, 3)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP"])
def test_other_formats_are_refused(kind):
    with pytest.raises(ValueError, match="is damaged or no PNG or JPEG"):
        encoded.decode(as_bytes(kind))


@pytest.mark.parametrize("side", [7_072, 13_000, 20_000])
def test_very_many_pixels_are_refused_undecoded(side):
    content, start = bombs.blank_png(side, side), time.process_time()
    with pytest.raises(ValueError, match="more than 50 million pixels"):
        encoded.decode(content)
    assert time.process_time() - start < 0.5


def test_very_many_scans_are_refused_undecoded():
    content = bombs.jpeg_of_scans(as_bytes("JPEG", progressive=True), images.MOST_SCANS)
    with pytest.raises(ValueError, match="scans"):
        encoded.decode(content)


def test_files_have_a_size_that_is_judged_first(tmp_path, monkeypatch):
    monkeypatch.setattr(encoded, "MOST_BYTES", 1 << 20)
    (tmp_path / "a.png").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ValueError, match="more than 1 MB"):
        encoded.read(str(tmp_path / "a.png"))
    for path, said in ((tmp_path, "is no file|directory"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ValueError, match=said):
            encoded.read(str(path))


PLACES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5)


@hypothesis.given(kind=st.sampled_from(encoded.FORMATS), places=PLACES, cut=st.integers(0, 400))
@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
def test_damaged_images_are_pixels_or_a_reason(kind, places, cut):
    content = bytearray(as_bytes(kind))
    for place, value in places:
        content[place % len(content)] = value
    try:
        pixels = encoded.decode(bytes(content[: len(content) - max(0, cut - 200)]))
    except ValueError as error:
        assert len(str(error)) < 100
    else:
        assert pixels.shape[-1] == 3
