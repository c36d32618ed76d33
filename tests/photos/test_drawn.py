"""Photos with poses over them: their size, and labels that can be read."""

import numpy as np
from fake_predictors import FixedPredictor

from dcmls_tf import hand
from dcmls_tf.photos import drawn
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.photo import Photo

BOX = [20, 10, 100, 70]
SIZE = 160, 120


def test_large_pictures_are_drawn_smaller(monkeypatch):
    monkeypatch.setattr(drawn, "LARGEST_SIDE", 80)
    pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
    # The file's picture is twice what was read of it.
    photo = Photo("a.png", pixels, (2 * SIZE[0], 2 * SIZE[1]), np.eye(3), "assumed")
    box = 2 * np.array(BOX, np.float32)
    picture, scale = drawn.draw(photo, FixedPredictor()(photo, [HandRegion(box)]))
    assert picture.shape == (60, 80, 3)
    assert scale == 1 / 4
    marked = np.argwhere(picture.any(-1))[:, ::-1]
    assert marked.min() >= 0
    assert marked[:, 1].max() <= BOX[3] / 2 + 4


def test_a_label_is_whole_at_the_edge_of_a_picture():
    photo = Photo("a.png", np.zeros((480, 640, 3), np.uint8), (640, 480), np.eye(3), "given")

    def text_of(box):
        (pose,) = FixedPredictor()(photo, [HandRegion(np.array(box, np.float32))])
        picture = drawn.draw(photo, [pose])[0].astype(int)
        white = np.all(picture > 240, axis=-1)
        return white[: int(box[1])].sum()

    inside, at_the_right = text_of([300, 100, 320, 160]), text_of([610, 100, 638, 160])
    assert inside == at_the_right > 100


def test_a_hand_is_labelled_with_how_its_side_is_known():
    region = HandRegion(np.array(BOX, np.float32), hand.LEFT, "detected", score=0.987)
    assert drawn.label(region) == "left (detected) 0.99"
    assert drawn.label(HandRegion(np.array(BOX, np.float32))) == "right (assumed)"
