"""The light of a scene, and the curve of sRGB."""

import numpy as np
import pytest

from dcmls_tf.rendering import camera, lighting


def test_lamps_are_above_and_more_often_on_the_cameras_side():
    rng = np.random.default_rng(0)
    view = camera.sample_camera(rng, np.array([0.2, 1.1, 0.4]))
    lights = [lighting.sample_lighting(rng, view) for _ in range(200)]
    directions = np.array([light.direction for light in lights])
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-6)
    assert directions[:, 1].min() > 0
    level = directions[:, [0, 2]] @ -view.rotation[2, [0, 2]]
    assert np.mean(level > 0) > 0.6


def test_srgb_round_trip():
    levels = np.arange(256) / 255
    again = lighting.srgb_from_linear(lighting.linear_from_srgb(levels))
    np.testing.assert_allclose(again[20:], levels[20:], atol=1 / 255)
    # IEC 61966-2-1: mid grey 0.5 is 0.2140 linear.
    assert lighting.linear_from_srgb(0.5) == pytest.approx(0.2140, abs=2e-4)
