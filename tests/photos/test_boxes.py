"""Boxes: read from text, refused where they show nothing, and the windows cut around them."""

import numpy as np
import pytest
from hand_files import noise, photo_of

from dcmls_tf.errors import UserError
from dcmls_tf.photos import boxes

rng = np.random.default_rng(0)


def test_a_box_is_four_numbers_in_order():
    assert boxes.parse(" 1, 2.5,30,4e1") == [1, 2.5, 30, 40]
    for text in ("1,2,3", "1,2,3,x", "", "3,2,1,4", "1,4,3,4", "nan,1,2,3"):
        with pytest.raises(UserError, match="box"):
            boxes.parse(text)


def test_four_numbers_may_be_no_box_and_are_named_as_asked():
    assert boxes.four_numbers("0,0,0,0") == [0, 0, 0, 0]
    with pytest.raises(UserError, match=r"^--box=1,2,x,4: give left,top,right,bottom in px$"):
        boxes.four_numbers("1,2,x,4", label="--box=")


def test_a_window_is_the_photo_around_the_box():
    pixels = noise()
    window = boxes.cut_window(photo_of(pixels), [90, 60, 110, 70], 1.5)
    # The crop is 1.5 × 20 px, the window twice that around the box's middle (100, 65).
    np.testing.assert_array_equal(window.pixels, pixels[35:95, 70:130])
    np.testing.assert_array_equal(window.from_file @ [90, 60, 1], [20, 25, 1])
    whole = boxes.cut_window(photo_of(pixels), [-500, -500, 700, 700], 1.5)
    np.testing.assert_array_equal(whole.pixels, pixels)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([30, 10, 20, 40], "left < right"),
        ([10, 40, 20, 40], "top < bottom"),
        ([np.nan, 10, 20, 40], "left < right"),
        ([200, 10, 220, 40], "outside of the 200×150 picture"),
        ([10, -50, 20, 0], "outside of the 200×150 picture"),
        ([0.2, 0.3, 0.6, 1.0], "smaller than 2 px; give px of the picture, not parts of it"),
    ],
)
def test_a_box_that_shows_nothing_is_refused(box, said):
    with pytest.raises(UserError, match=said):
        boxes.cut_window(photo_of(noise()), np.array(box, np.float32), 1.5)


@pytest.mark.parametrize("reduction", [1, 3])
def test_any_box_that_touches_the_photo_gives_a_window_that_it_touches(reduction):
    photo = photo_of(noise((20, 15)), reduction)
    width, height = photo.size
    for _ in range(300):
        near = rng.uniform([-width, -height], photo.size)
        far = rng.uniform(np.maximum(near, 0), 2 * np.array(photo.size)) + 0.1
        box = np.array([*near, *far], np.float32)
        window = boxes.cut_window(photo, box, 1.25)
        assert min(window.pixels.shape) > 0
        corners = window.inside(box.reshape(2, 2))
        assert (corners[1] > 0).all()
        assert (corners[0] < window.pixels.shape[1::-1]).all()


def test_px_go_into_a_window_and_back():
    window = boxes.cut_window(photo_of(noise(), reduction=4), [400, 240, 440, 280], 1.5)
    px = rng.uniform(0, 800, (5, 2))
    corner = np.array([window.from_file[0, 2], window.from_file[1, 2]])
    np.testing.assert_allclose(window.inside(px), px / 4 + corner)
    np.testing.assert_allclose(window.outside(window.inside(px)), px)
