"""Where hands are put, against the camera's definition and NumPy's least squares."""

import numpy as np
import pytest
import tensorflow as tf
from raw_trees import random_hand

from dcmls_tf import placement

K = np.array([[280.0, 0, 160], [0, 285, 150], [0, 0, 1]], np.float32)
COUNT = 12


def _pinhole(xyz):
    return np.stack([K[0, 0] * xyz[..., 0] / xyz[..., 2] + K[0, 2],
                     K[1, 1] * xyz[..., 1] / xyz[..., 2] + K[1, 2]], -1)  # fmt: skip


def _shift(place, points_mm, *seen):
    return place(*(tf.constant(v, tf.float32) for v in (points_mm, *seen, K))).numpy()


@pytest.fixture(scope="module")
def poses():
    """Hands `[COUNT, 21, 3]` mm about their wrists."""
    rng = np.random.default_rng(0)
    return np.array([random_hand(rng) for _ in range(COUNT)])


@pytest.fixture(scope="module")
def shifts():
    """Where their wrists are, `[COUNT, 3]` mm."""
    rng = np.random.default_rng(1)
    directions = np.c_[rng.uniform(-0.5, 0.5, (COUNT, 2)), np.ones(COUNT)]
    return directions * rng.uniform(300, 700, (COUNT, 1))


def test_points_that_fit_are_put_where_they_are(poses, shifts):
    uv = _pinhole(poses + shifts[:, None])
    shift = _shift(placement.place, poses, uv, np.ones_like(uv))
    np.testing.assert_allclose(shift, shifts, atol=0.05)


def test_coordinates_without_weight_do_not_count(poses, shifts):
    uv = _pinhole(poses + shifts[:, None])
    weight = np.ones_like(uv)
    weight[:, 3:12, 0] = weight[:, 5:21, 1] = 0
    spoiled = np.where(weight == 0, 1000.0, uv)
    shift = _shift(placement.place, poses, spoiled, weight)
    np.testing.assert_allclose(shift, shifts, atol=0.05)


def test_points_that_do_not_fit_are_put_by_least_squares(poses, shifts):
    """The distance of a point X from the ray (u, v, 1) is u Z − X along x, v Z − Y along y."""
    rng = np.random.default_rng(2)
    uv = _pinhole(poses + shifts[:, None]) + rng.normal(size=(COUNT, 21, 2)) * 5
    weight = rng.uniform(0.1, 1, uv.shape)
    shift = _shift(placement.place, poses, uv, weight)
    for n in range(COUNT):
        tangent = (uv[n] - K[:2, 2]) / K[[0, 1], [0, 1]]
        rows, target = [], []
        for point, slope, importance in zip(poses[n], tangent, weight[n], strict=True):
            for axis in (0, 1):
                unit = np.eye(3)[axis]
                rows.append(importance[axis] * (unit - slope[axis] * np.eye(3)[2]))
                target.append(importance[axis] * (slope[axis] * point[2] - point[axis]))
        expected = np.linalg.lstsq(np.array(rows), np.array(target), rcond=None)[0]
        np.testing.assert_allclose(shift[n], expected, atol=0.05)


def test_a_hand_in_its_own_box_is_where_it_was(poses, shifts):
    uv = _pinhole(poses + shifts[:, None])
    box = np.concatenate([uv.min(1), uv.max(1)], -1)
    shift = _shift(placement.place_in_box, poses, box)
    np.testing.assert_allclose(shift, shifts, atol=0.1)


def test_a_hand_in_another_box_is_a_compromise_about_its_middle(poses, shifts):
    uv = _pinhole(poses + shifts[:, None])[::-1]
    corners = uv.min(1), uv.max(1)
    shift = _shift(placement.place_in_box, poses, np.concatenate(corners, -1))
    seen = _pinhole(poses + shift[:, None])
    np.testing.assert_allclose((seen.min(1) + seen.max(1)) / 2, sum(corners) / 2, atol=3)
    ratio = np.ptp(seen, axis=1) / np.ptp(uv, axis=1)
    assert (ratio.min(1) < 1).all()
    assert (ratio.max(1) > 1).all()


def test_a_hand_over_its_own_keypoints_is_where_it_was(poses, shifts):
    shift = _shift(placement.place_over, poses, _pinhole(poses + shifts[:, None]))
    np.testing.assert_allclose(shift, shifts, atol=0.05)


def test_a_hand_over_keypoints_of_another_has_their_centre_and_spread(poses, shifts):
    uv = _pinhole(poses + shifts[:, None])[::-1]
    centred = poses - poses.mean(1, keepdims=True)
    shift = _shift(placement.place_over, centred, uv)
    seen = _pinhole(centred + shift[:, None])
    np.testing.assert_allclose(seen.mean(1), uv.mean(1), atol=0.01)
    spread = [np.sqrt(np.var(points, 1).sum(-1)) for points in (seen, uv)]
    np.testing.assert_allclose(*spread, rtol=1e-3)
    assert (shift[:, 2] > 100).all()
