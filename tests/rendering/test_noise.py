"""Random fields are standard, smooth, and the same in every run."""

import numpy as np

from dcmls_tf.rendering import noise

SIZE_M = 0.02


def test_fields_have_zero_mean_and_unit_variance_and_do_not_correlate():
    points = np.random.default_rng(0).uniform(0, 10, (20_000, 3))
    fields = noise.lookup(points, SIZE_M)
    np.testing.assert_allclose(fields.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(fields.T), np.eye(noise.CHANNELS), atol=0.1)


def test_blobs_are_as_wide_as_is_asked():
    points = np.random.default_rng(1).uniform(0, 10, (20_000, 3))

    def correlation(distance):
        moved = noise.lookup(points + [distance, 0, 0], SIZE_M)
        return np.mean(noise.lookup(points, SIZE_M) * moved)

    assert correlation(0.1 * SIZE_M) > 0.8
    assert abs(correlation(1.5 * SIZE_M)) < 0.1
