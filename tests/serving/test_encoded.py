"""Pictures judged by their first bytes: sizes as a decoder has them, and bombs that stay shut."""

import io
import resource
import struct

import bombs
import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener

from dcmls_tf import images
from dcmls_tf.serving import checks, encoded

register_heif_opener()
W, H = 37, 23
PIXELS = np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8)


def content_of(form, **options):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, form, **options)
    return content.getvalue()


def exif_of(orientation, byte_order="<"):
    """EXIF's data with some other entries before and after the orientation."""
    exif = Image.Exif()
    exif.endian = byte_order
    exif[ExifTags.Base.ImageDescription] = "a hand, 274 times"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Software] = "none"
    return exif


def top_down_bmp():
    rows = PIXELS[..., ::-1].reshape(H, 3 * W)
    body = b"".join(row.tobytes() + bytes(-len(row) % 4) for row in rows)
    header = struct.pack("<IiiHHIIiiII", 40, W, -H, 1, 24, 0, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + header + body


@pytest.mark.parametrize(
    "content",
    [
        content_of("png"),
        content_of("jpeg"),
        content_of("jpeg", progressive=True, quality=98),
        content_of("bmp"),
        top_down_bmp(),
    ],
    ids=["png", "jpeg", "progressive jpeg", "bmp", "bmp whose rows go down"],
)
def test_the_header_says_what_the_decoder_gives(content):
    _, size = encoded.checked(tf.constant([content]))
    decoded = tf.io.decode_image(content, channels=3)
    assert size.numpy().tolist() == [[W, H]] == [list(decoded.shape[1::-1])]


def refusal_of(contents):
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        encoded.checked(tf.constant(contents))
    return checks.refusal(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"B", b"no picture", encoded.PNG, encoded.PNG + b"\xff" * 30, b"BM" + b"\0" * 40,
     content_of("gif"), content_of("webp"), content_of("tiff"), content_of("avif"),
     content_of("heif")],
    ids=["empty", "one byte", "text", "cut PNG", "PNG of minus one", "BMP of nothing", "GIF",
         "WebP", "TIFF", "AVIF", "HEIC"],
)  # fmt: skip
def test_what_is_no_picture_is_named(content):
    said = refusal_of([content_of("png"), content])
    assert said == "image: row 1 is no PNG, JPEG or BMP; convert it to one"


def test_a_cut_jpeg_is_refused():
    assert "Invalid JPEG data" in refusal_of([encoded.JPEG + b"\xe0"])


def test_a_picture_of_400_million_pixels_is_not_decoded():
    content = bombs.blank_png(20_000, 20_000)
    assert len(content) < 60_000
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert "image: row 0 has more than 50 million pixels" in refusal_of([content])
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 100_000  # kB; decoded it takes 1.2 GB.
    assert after.ru_utime - before.ru_utime < 2


def test_a_jpeg_of_many_scans_is_not_decoded():
    """The last scan of a progressive JPEG over and over: each goes through all pixels."""
    content = content_of("jpeg", progressive=True)
    scans = content.count(images.START_OF_SCAN)
    said = refusal_of([bombs.jpeg_of_scans(content, 500)])
    assert f"of more than 32 scans; store it anew ({scans + 500})" in said
    encoded.checked(tf.constant([content]))


@pytest.mark.parametrize("form", ["jpeg", "png"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_that_exif_turns_is_refused(form, orientation):
    said = refusal_of([content_of(form), content_of(form, exif=exif_of(orientation))])
    wanted = "image: row 1 is turned by its EXIF orientation; turn its pixels upright and"
    assert said == f"{wanted} leave the tag out ({orientation})"


@pytest.mark.parametrize("byte_order", "<>")
def test_both_byte_orders_of_exif_are_read(byte_order):
    content = content_of("jpeg", exif=exif_of(6, byte_order))
    assert (b"MM" if byte_order == ">" else b"II") in content[:40]
    assert "is turned by its EXIF orientation" in refusal_of([content])


@pytest.mark.parametrize(
    "exif",
    [exif_of(1).tobytes(), b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0MM\0*\xff\xff\xff\xff",
     b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"],
    ids=["upright", "none", "empty", "cut", "far out", "of too many entries", "of half an entry"],
)  # fmt: skip
def test_an_upright_picture_is_taken_whatever_else_exif_says(exif):
    _, size = encoded.checked(tf.constant([content_of("jpeg", exif=exif)]))
    assert size.numpy().tolist() == [[W, H]]
