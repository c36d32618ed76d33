"""Cameras project, see along rays and stand as RHD's do."""

import numpy as np
import pytest

from dcmls_tf.rendering import camera


@pytest.fixture
def cam():
    direction = np.array([0.6, 0.0, 0.8])
    K = camera.intrinsics(280.0)
    return camera.look_at(
        np.array([0.1, 1.2, 0.3]), direction, 0.5, 0.0, np.array([200.0, 120.0]), K
    )


def test_look_at_puts_the_target_at_its_pixel_and_distance(cam):
    uv, z = cam.project(np.array([0.1, 1.2, 0.3]))
    np.testing.assert_allclose(uv, (200, 120), atol=1e-6)
    ray = np.array([(200 - 160) / 280, (120 - 160) / 280, 1])
    assert z == pytest.approx(0.5 / np.linalg.norm(ray))


def test_axes_are_right_down_forward(cam):
    target = np.array([0.1, 1.2, 0.3])
    higher, _ = cam.project(target + (0, 0.05, 0))
    assert higher[1] < 120
    # Seen from the person's front, the person's left is on the right.
    leftward, _ = cam.project(target + (0.05, 0, 0))
    assert leftward[0] > 200
    assert np.linalg.det(cam.rotation) == pytest.approx(1)


def test_rays_invert_project(cam):
    uv = np.array([[10.0, 20.0], [300.0, 160.0]])
    depth = np.array([[0.7], [1.3]])
    again, z = cam.project(cam.position + depth * cam.rays(uv))
    np.testing.assert_allclose(again, uv, atol=1e-3)
    np.testing.assert_allclose(z, depth[:, 0], rtol=1e-5)


def test_sampled_cameras_have_rhds_focal_lengths_and_see_the_target():
    rng = np.random.default_rng(0)
    target = np.array([0.2, 1.1, 0.4])
    cameras = [camera.sample_camera(rng, target) for _ in range(50)]
    focal = np.array([c.K[0, 0] for c in cameras])
    assert focal.min() >= 260
    assert focal.max() <= 310
    uv = np.array([c.project(target)[0] for c in cameras])
    assert np.mean((uv > 0) & (uv < camera.SIZE)) > 0.9
