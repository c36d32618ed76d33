"""What stands for a box, a camera and a palm that are not given.

`test_signatures` compares with the training pipeline.
"""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import hand
from dcmls_tf.config import Config
from dcmls_tf.serving import preprocessing

rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {"input_size": 32, "reconstruction_size": 16}


def smooth(height, width):
    """A picture that does not change much from pixel to pixel, uint8."""
    blobs = rng.uniform(50, 250, (4, 4, 3))
    return tf.cast(tf.image.resize(blobs, [height, width]), tf.uint8).numpy()


def test_what_stands_for_a_box_and_a_camera():
    c = Config(**SMALL)
    photo = tf.constant([tf.io.encode_png(smooth(48, 64)).numpy()])
    # Whole image: the crop is the square that holds it. 53 degrees: focal length = longer side.
    reach = 64 / 1.5 / 2
    told = {
        "box": tf.constant([[32 - reach, 24 - reach, 32 + reach, 24 + reach]], tf.float32),
        "K": tf.constant([[[64, 0, 32], [0, 64, 24], [0, 0, 1]]], tf.float32),
    }
    crop, expected = (preprocessing.from_photos(c, photo, **more) for more in ({}, told))
    for name, value in told.items():
        np.testing.assert_allclose(crop[name], value, atol=1e-4)
    np.testing.assert_allclose(crop["x"], expected["x"], atol=1.01 / 255)
    assert np.all(crop["x"][0, :3] == -0.5)
    assert np.all(crop["x"][0, 5:-5] > -0.5)


def test_one_row_stands_for_every_hand():
    c = Config(**SMALL)
    photos = tf.constant([tf.io.encode_png(smooth(48, 64)).numpy()] * 3)
    inputs = preprocessing.from_photos(c, photos, box=tf.constant([[10.0, 10, 40, 40]]))
    assert inputs["side"].numpy().tolist() == [hand.RIGHT] * 3
    np.testing.assert_array_equal(inputs["x"][0], inputs["x"][2])
    assert inputs["x"].shape == (3, 32, 32, 3)


@pytest.mark.parametrize(("dataset", "joint"), [("rhd", "middle_mcp"), ("stb", "ring_mcp")])
def test_a_palm_that_is_not_given_is_midway_between_the_data_sets_joints(dataset, joint):
    c = Config(modality="2d", dataset=dataset, **SMALL)
    uv = rng.uniform(50, 250, (2, 21, 2)).astype(np.float32)
    midway = (uv[:, hand.WRIST] + uv[:, hand.INDEX[joint]]) / 2
    guessed = preprocessing.from_keypoints(c, tf.constant(uv))
    told = preprocessing.from_keypoints(c, tf.constant(uv), palm=tf.constant(midway))
    np.testing.assert_allclose(guessed["x"], told["x"], atol=1e-6)
    elsewhere = preprocessing.from_keypoints(c, tf.constant(uv), palm=tf.constant(midway + 9))
    assert np.abs(elsewhere["x"][:, 0] - told["x"][:, 0]).min() > 1e-3
    np.testing.assert_array_equal(elsewhere["x"][:, 1:], told["x"][:, 1:])


def test_crops_of_left_hands_are_mirrored_and_so_is_their_frame():
    crops = tf.constant(rng.integers(0, 256, (2, 32, 32, 3)), tf.uint8)
    sides = tf.constant([hand.LEFT, hand.RIGHT])
    inputs = preprocessing.from_crops(Config(**SMALL), crops, sides)
    x = crops.numpy() / 255 - 0.5
    np.testing.assert_allclose(inputs["x"][0], x[0, :, ::-1], atol=1e-6)
    np.testing.assert_allclose(inputs["x"][1], x[1], atol=1e-6)
    np.testing.assert_array_equal(inputs["A"], [np.diag([-1, 1, 1]), np.eye(3)])
    as_it_is = preprocessing.from_crops(Config(side="none", **SMALL), crops, sides)
    np.testing.assert_allclose(as_it_is["x"], x, atol=1e-6)
    np.testing.assert_array_equal(as_it_is["A"], [np.eye(3)] * 2)
