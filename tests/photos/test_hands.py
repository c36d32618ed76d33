"""Regions of hands: from boxes, keypoints and detections, given or found."""

import json

import numpy as np
from hand_files import noise, photo_of

from dcmls_tf import hand
from dcmls_tf.photos import hands
from dcmls_tf.photos.detection import Detection
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.photo import Photo

BOX = [20, 10, 100, 70]
rng = np.random.default_rng(0)


def test_a_region_lies_tight_around_its_keypoints():
    uv = rng.uniform(10, 90, (hand.NUM_JOINTS, 2))
    region = HandRegion.from_keypoints(uv, side=hand.LEFT, side_from="given")
    np.testing.assert_allclose(region.box, [*uv.min(0), *uv.max(0)], 1e-6)
    assert (region.side, region.side_from, region.score) == (hand.LEFT, "given", None)


def test_a_detection_in_a_reduced_picture_is_in_px_of_the_file():
    uv = rng.uniform(10, 90, (hand.NUM_JOINTS, 2))
    detection = Detection(np.array([*uv.min(0), *uv.max(0)]), uv, hand.LEFT, 0.9, 0.8)
    region = HandRegion.from_detection(detection, photo_of(noise(), reduction=4))
    assert region.keypoints is not None
    np.testing.assert_allclose(region.keypoints, 4 * uv, 1e-6)
    np.testing.assert_allclose(region.box, 4 * detection.box, 1e-6)
    assert (region.side, region.side_from, region.score) == (hand.LEFT, "detected", 0.8)
    right = region.of_side(hand.RIGHT)
    assert (right.side, right.side_from, right.score) == (hand.RIGHT, "given", 0.8)
    np.testing.assert_array_equal(right.box, region.box)


def test_hands_are_given_or_found(tmp_path):
    photo = Photo("a.png", np.zeros((8, 8, 3), np.uint8), (16, 16), np.eye(3), "assumed")
    boxed = hands.finder([BOX, BOX], side=hand.LEFT)(photo)
    assert [(region.side, region.side_from) for region in boxed] == [(hand.LEFT, "given")] * 2
    assert hands.finder([BOX])(photo)[0].side_from == "assumed"
    uv = np.random.default_rng(0).uniform(0, 16, (hand.NUM_JOINTS, 2))
    (tmp_path / "k.json").write_text(json.dumps({"a.png": uv.tolist()}))
    (of_file,) = hands.finder(keypoints_path=str(tmp_path / "k.json"))(photo)
    assert of_file.keypoints is not None
    np.testing.assert_allclose(of_file.keypoints, uv, 1e-6)
    seen = Detection(np.array([0, 0, 4, 4.0]), uv / 2, hand.LEFT, 0.9, 0.8)
    (detected,) = hands.finder(detector=lambda pixels: [seen])(photo)
    assert detected.keypoints is not None
    np.testing.assert_allclose(detected.keypoints, uv, 1e-6)  # The picture was reduced to half.
    assert (detected.side, detected.side_from, detected.score) == (hand.LEFT, "detected", 0.8)
    (told,) = hands.finder(side=hand.RIGHT, detector=lambda pixels: [seen])(photo)
    assert (told.side, told.side_from, told.score) == (hand.RIGHT, "given", 0.8)
