"""Files of several pictures: what they are, and their frames' times; `test_output` runs them."""

import numpy as np
import pytest
import videos
from PIL import Image

from dcmls_tf.photos import sequences
from dcmls_tf.photos.sources import PICTURE, Source


def saved(path, count, **options):
    frames = [Image.fromarray(videos.picture(number)) for number in range(count)]
    more = {"save_all": True, "append_images": frames[1:]} if count > 1 else {}
    frames[0].save(path, **more, **options)
    return Source(PICTURE, str(path))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.gif", "animation"), ("a.webp", "animation"), ("a.png", "animation"), ("a.tif", "pages")],
)
def test_kinds(tmp_path, name, kind):
    assert sequences.kind(saved(tmp_path / name, 3)) == kind
    assert sequences.kind(saved(tmp_path / name, 1)) == "picture"


def test_a_photo_with_a_second_picture_beside_it_is_one_picture(tmp_path):
    """Telephones store depth or the other eye's view so."""
    source = saved(tmp_path / "a.jpg", 2, format="MPO")
    with Image.open(source.name) as image:
        assert image.format == "MPO"
    assert sequences.kind(source) == "picture"


def test_frames_without_a_time_are_shown_as_browsers_show_them(tmp_path):
    animation = sequences.Animation(saved(tmp_path / "a.gif", 3, duration=0))
    assert animation.frames == 3
    assert animation.fps == 10
    assert [f.time_s for f in animation] == pytest.approx([0, 0.1, 0.2])


def test_a_smaller_copy_is_no_page(tmp_path):
    from PIL import TiffImagePlugin

    small = TiffImagePlugin.ImageFileDirectory_v2()
    small[254] = 1
    first, second = (Image.fromarray(videos.picture(number)) for number in range(2))
    second.encoderinfo = {"tiffinfo": small}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    source = Source(PICTURE, str(tmp_path / "a.tif"))
    assert sequences.kind(source) == "picture"
    (page,) = sequences.pages(source)
    np.testing.assert_array_equal(page.pixels, videos.picture(0))
