"""What the command line says of hands, and what finds them."""

import numpy as np
import pytest
from absl import flags

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import asked, detection
from dcmls_tf.photos.asked import HandsAsked
from dcmls_tf.photos.photo import Photo, camera


def said(*arguments):
    values = flags.FlagValues()
    asked.define_flags(values)
    values(["script", *arguments])
    return HandsAsked.from_flags(values)


def test_flags_say_which_hands():
    assert said() == HandsAsked()
    given = said("--box=1,2,30,40", "--box=5,6,70,80", "--side=left", "--max_hands=2")
    assert given == HandsAsked(((1, 2, 30, 40), (5, 6, 70, 80)), None, hand.LEFT, 2)
    assert said("--mirror", "--min_score=0.3").min_score == 0.3
    assert [said(f).tiles for f in ("--max_hands=4", "--max_hands=5", "--tiles=2")] == [1, 4, 2]
    assert said("--max_hands=9", "--tiles=1").tiles == 1
    assert said("--mirror").said()["mirror"]
    assert said("--keypoints=a.json").keypoints_path == "a.json"
    with pytest.raises(UserError, match=r"^box 1,2,3: give left"):
        said("--box=1,2,3")
    with pytest.raises(UserError, match=r"^--box and --keypoints: give one of them$"):
        said("--box=1,2,30,40", "--keypoints=a.json")
    with pytest.raises(UserError, match=r"^--focal=nan: must be finite"):
        said("--focal=nan")
    with pytest.raises(UserError, match=r"^--keypoints=: give a file"):
        said("--keypoints=")


def test_mirrored_pictures_are_turned_back():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    photo = Photo("a.png", pixels, (4, 2), *camera((4, 2)))
    assert HandsAsked().upright(photo) is photo
    turned = HandsAsked(mirror=True).upright(photo)
    np.testing.assert_array_equal(turned.pixels, pixels[:, ::-1])
    assert turned.mirrored


def test_a_detector_is_made_only_where_one_is_needed(monkeypatch):
    made = []
    monkeypatch.setattr(detection, "Detector", lambda *a, **kw: made.append((a, kw)))
    boxed = HandsAsked(((1, 2, 30, 40),), side=hand.LEFT)
    assert not boxed.detects
    photo = Photo("a.png", np.zeros((50, 50, 3), np.uint8), (50, 50), *camera((50, 50)))
    (region,) = boxed.finder()(photo)
    np.testing.assert_array_equal(region.box, [1, 2, 30, 40])
    assert region.side == hand.LEFT
    assert not made
    HandsAsked(max_hands=3).finder()
    assert made == [((3,), {"min_score": 0.5, "tiles": 1})]
    assert HandsAsked().finder(lambda pixels: [])(photo) == []
    assert made == [((3,), {"min_score": 0.5, "tiles": 1})]
