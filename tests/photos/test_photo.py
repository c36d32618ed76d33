"""Pictures as users have them, good and bad: what is decoded, what is said."""

import dataclasses
import resource
import subprocess
import sys
from typing import Any

import bombs
import numpy as np
import pytest
from PIL import ExifTags, Image

from dcmls_tf.errors import UserError
from dcmls_tf.photos import photo

cv2 = pytest.importorskip("cv2")
W, H = 64, 48


@pytest.fixture(scope="module")
def pixels():
    """A picture without symmetry, smooth enough for JPEG."""
    x, y = np.meshgrid(np.arange(W), np.arange(H))
    return np.stack([4 * x, 5 * y, 255 - 3 * x - y], -1).clip(0, 255).astype(np.uint8)


def saved(folder, name, image, **options):
    path = folder / name
    image.save(path, **options)
    return str(path)


def close(pixels, expected, tolerance=6):
    return np.abs(pixels.astype(int) - expected.astype(int)).max() <= tolerance


def test_what_is_rgb_is_left_as_it_is(tmp_path, pixels):
    picture = photo.read(saved(tmp_path, "a.png", Image.fromarray(pixels)))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.size == (W, H)
    assert picture.reduction == 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", [True, False])
def test_bits_and_grey(tmp_path, pixels, bits, colour):
    values = pixels if colour else pixels[..., 0]
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, (values[..., ::-1] if colour else values) * np.uint16(257 if bits > 8 else 1))
    if bits == 8:
        cv2.imwrite(path, values[..., ::-1] if colour else values)
    expected = pixels if colour else np.repeat(pixels[..., :1], 3, -1)
    np.testing.assert_array_equal(photo.read(path).pixels, expected)


def test_what_is_transparent_lies_on_white(tmp_path, pixels):
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[:, : W // 2] = 0
    image = Image.fromarray(np.concatenate([pixels, alpha], -1))
    decoded = photo.read(saved(tmp_path, "a.png", image)).pixels
    assert (decoded[:, : W // 2] == 255).all()
    np.testing.assert_array_equal(decoded[:, W // 2 :], pixels[:, W // 2 :])


def test_cmyk(tmp_path, pixels):
    path = saved(tmp_path, "a.jpg", Image.fromarray(pixels).convert("CMYK"), quality=98)
    assert close(photo.read(path).pixels, pixels, 12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_says_which_way_is_up(tmp_path, pixels, orientation):
    """A picture stored the other way round comes out upright, with its own width and height."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(pixels)
    image = image.transpose(undo[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = photo.read(saved(tmp_path, "a.png", image, exif=exif))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.size == (W, H)


def test_the_focal_length_is_given_or_exifs_or_typical(tmp_path, pixels):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    path = saved(tmp_path, "a.jpg", Image.fromarray(pixels), exif=exif)
    picture = photo.read(path)
    # 26 mm before a frame of 36 × 24 mm.
    expected = 26 / np.hypot(36, 24) * np.hypot(W, H)
    np.testing.assert_allclose(
        picture.K, [[expected, 0, W / 2], [0, expected, H / 2], [0, 0, 1]], 1e-4
    )
    assert picture.focal_from == "exif"
    given = photo.read(path, focal=70)
    assert given.focal_from == "given"
    assert given.K[0, 0] == given.K[1, 1] == 70
    plain = photo.read(saved(tmp_path, "b.jpg", Image.fromarray(pixels)))
    assert plain.focal_from == "assumed"
    assert plain.K[0, 0] == W


@pytest.mark.parametrize("film_mm", ["wide", 0, (26, 27)])
def test_a_focal_length_that_is_none_is_passed_over(tmp_path, pixels, film_mm):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = film_mm
    picture = photo.read(saved(tmp_path, "a.png", Image.fromarray(pixels), exif=exif))
    assert picture.focal_from == "assumed"
    assert picture.K[0, 0] == W


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.gif", "a.bmp"])
@pytest.mark.filterwarnings("error")
def test_damaged_bytes_give_a_picture_or_one_sentence(tmp_path, pixels, name):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options: Any = {"exif": exif} if name not in ("a.gif", "a.bmp") else {}
    path = saved(tmp_path, name, Image.fromarray(pixels), **options)
    with open(path, "rb") as file:
        content = file.read()
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.integers(min(len(content), 300))] = rng.integers(256)
        with open(path, "wb") as file:
            file.write(damaged[: rng.integers(len(content))] if rng.integers(2) else damaged)
        try:
            assert photo.read(path).pixels.dtype == np.uint8
        except UserError as error:
            assert path in str(error)
            refused += 1
    assert refused > 5


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.png", b"", "is empty"),
        ("text.png", b"not a picture\n", "no picture"),
        ("half.jpg", None, "truncated"),
        ("half.png", None, "damaged"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(tmp_path, name, content, said):
    path = tmp_path / name
    if content is None:
        noise = np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8)
        Image.fromarray(noise).save(path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as raised:
        photo.read(str(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "form", "options"),
    [
        ("a.heic", "HEIF", {"quality": 95}),
        ("a.avif", "AVIF", {"quality": 95}),
        ("a.jp2", "JPEG2000", {}),
        ("a.jfif", "JPEG", {"quality": 98, "subsampling": 0}),
    ],
)
def test_formats_of_telephones_and_browsers(tmp_path, pixels, name, form, options):
    pytest.importorskip("pillow_heif").register_heif_opener()
    path = saved(tmp_path, name, Image.fromarray(pixels), format=form, **options)
    picture = photo.read(path)
    assert picture.size == (W, H)
    assert np.abs(picture.pixels.astype(int) - pixels).mean() < 4


def test_of_heic_the_camera_is_known_and_exif_turns_nothing(tmp_path, pixels):
    """HEIC says itself which way is up, and its reader turns it."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    path = saved(tmp_path, "a.heic", Image.fromarray(pixels), format="HEIF", quality=95, exif=exif)
    picture = photo.read(path)
    assert picture.size == picture.pixels.shape[1::-1]
    assert picture.focal_from == "exif"
    assert picture.K[0, 0] == pytest.approx(26 / np.hypot(36, 24) * np.hypot(W, H), 1e-4)


def test_a_mirrored_picture_is_turned_back(tmp_path, pixels):
    mirrored = Image.fromarray(np.ascontiguousarray(pixels[:, ::-1]))
    picture = photo.read(saved(tmp_path, "a.png", mirrored), focal=70).unmirrored()
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.mirrored
    moved = dataclasses.replace(picture, K=picture.K + np.array([[0, 0, 5], [0] * 3, [0] * 3]))
    assert moved.unmirrored().K[0, 2] == W / 2 - 5
    assert not moved.unmirrored().mirrored


def test_several_pictures_in_a_file_are_said(tmp_path, pixels):
    frames = [Image.fromarray(pixels), Image.fromarray(pixels[::-1])]
    for name in ("a.gif", "a.webp", "a.tif", "a.png"):
        path = saved(tmp_path, name, frames[0], save_all=True, append_images=frames[1:])
        with pytest.raises(UserError, match="holds several pictures; give one of them"):
            photo.read(path)


def test_one_pixel(tmp_path):
    picture = photo.read(saved(tmp_path, "a.png", Image.new("RGB", (1, 1), (9, 8, 7))))
    np.testing.assert_array_equal(picture.pixels, [[[9, 8, 7]]])


def test_large_pictures_are_reduced(tmp_path, monkeypatch, pixels):
    monkeypatch.setattr(photo, "LARGEST_SIDE", 20)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    picture = photo.read(saved(tmp_path, "a.png", image, exif=exif))
    assert picture.size == (W, H)
    assert picture.pixels.shape == (12, 16, 3)
    assert picture.reduction == 1 / 4
    blocks = pixels.reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    assert close(picture.pixels, blocks, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_large_pictures_of_every_kind_are_reduced(tmp_path, monkeypatch, mode):
    """Also band by band, where the last band is smaller than the others."""
    monkeypatch.setattr(photo, "LARGEST_SIDE", 20)
    monkeypatch.setattr(photo, "BAND", 5)
    grey = np.repeat(np.linspace(0, 255, 16).astype(np.uint8), 4)[None].repeat(50, 0)
    if mode == "I;16":
        image, expected = Image.fromarray(grey.astype(np.uint16) * 257), grey
    else:
        image = Image.fromarray(grey).convert(mode)
        expected = np.asarray(image.convert("L"))
    form = "tif" if mode == "CMYK" else "png"
    picture = photo.read(saved(tmp_path, f"a.{form}", image))
    assert picture.size == (64, 50)
    assert picture.pixels.shape == (13, 16, 3)
    blocks = expected[:48].reshape(12, 4, 16, 4).mean(axis=(1, 3))
    assert close(picture.pixels[:12], np.repeat(blocks[..., None], 3, -1), 1)


def test_a_jpeg_of_many_scans_is_refused(tmp_path, pixels):
    path = tmp_path / "a.jpg"
    saved(tmp_path, "a.jpg", Image.fromarray(pixels), progressive=True)
    path.write_bytes(bombs.jpeg_of_scans(path.read_bytes(), 100))
    with pytest.raises(UserError, match=r"a\.jpg: has more than 32 scans"):
        photo.read(str(path))


def test_formats_that_other_programs_read_are_refused(tmp_path, pixels):
    """Pillow hands EPS to Ghostscript."""
    path = saved(tmp_path, "a.eps", Image.fromarray(pixels))
    with pytest.raises(UserError, match="is no picture"):
        photo.read(path)


def test_a_loop_of_links_gets_one_sentence(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: is damaged or cannot be read"):
        photo.read(str(tmp_path / "a.png"))


def test_a_picture_of_169_million_pixels_is_not_decoded(tmp_path):
    """A PNG of 13,000 × 13,000 px of one bit: 20 kB, which took 3.6 GB."""
    path = tmp_path / "a.png"
    path.write_bytes(bombs.blank_png(13_000, 13_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"a\.png: has more than 120 million pixels"):
        photo.read(str(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_too_many_pixels_are_refused(tmp_path, monkeypatch):
    path = saved(tmp_path, "a.png", Image.new("L", (100, 100)))
    monkeypatch.setattr(photo, "MOST_PIXELS", 5000)
    with pytest.raises(UserError, match="million pixels"):
        photo.read(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="million pixels"):
        photo.read(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "RGB"), ("a.jpg", "RGB"), ("a.png", "RGBA"), ("a.png", "1"), ("a.png", "P")],
)
def test_108_megapixels_fit_in_memory(tmp_path, name, mode):
    plain = Image.new("RGB", (12000, 9000), (255, 255, 255) if mode == "1" else (10, 200, 30))
    path = saved(tmp_path, name, plain.convert(mode))
    code = (
        "import resource, sys; from dcmls_tf.photos import photo;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "picture = photo.read(sys.argv[1]); assert picture.size == (12000, 9000);"
        "assert max(picture.pixels.shape) <= photo.LARGEST_SIDE;"
        "assert picture.pixels[5, 5, 1] > 190;"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stdout) * (1 if sys.platform != "darwin" else 1 / 1024)
    assert kilobytes < 600_000
    assert resource  # Not there on Windows, where this cannot be measured.
