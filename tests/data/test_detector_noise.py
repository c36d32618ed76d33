"""Errors of a detector, counted over many hands."""

from typing import Any

import numpy as np
import tensorflow as tf

from dcmls_tf.data import detector_noise

HANDS = 4000


def test_errors_are_normal_in_parts_of_the_box_with_some_outliers():
    rng = np.random.default_rng(0)
    uv: Any = np.float32(rng.uniform(0, 1, (1, 21, 2)) * [200, 100])
    noise: Any = rng.uniform(-1, 1, (HANDS, detector_noise.SIZE)).astype(np.float32)
    noise[:, 0] = -1  # all seen as badly as can be
    many = tf.constant(np.repeat(uv, HANDS, 0))
    error: Any = (detector_noise.displaced(many, tf.constant(noise), 0.02) - many).numpy()
    error /= np.ptp(uv[0], axis=0).max() * 0.02
    outlier = np.abs(noise[:, 43:]) < detector_noise.OUTLIERS
    assert abs(outlier.mean() - detector_noise.OUTLIERS) < 0.003
    assert abs(error[~outlier].std() - 1) < 0.02
    assert abs(error[outlier].std() - detector_noise.OUTLIER_FACTOR) < 0.2
    assert abs(error.mean()) < 0.02


def test_a_hand_that_is_seen_well_stays_as_it_is():
    uv = tf.random.stateless_uniform([2, 21, 2], [0, 1]) * 100
    np.testing.assert_array_equal(
        detector_noise.displaced(uv, tf.zeros([2, detector_noise.SIZE]), 0.1), uv
    )
