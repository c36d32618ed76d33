"""Poses on the rays of their keypoints, against cameras and an independent least-squares solver."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import rays, variants
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.model import read_pose
from dcmls_tf.serving import answers

SMALL: dict[str, Any] = {"modality": "2d", "joint_width": 16, "disc_width": 8}
ALL_THE_WAY = 1e3
CROP_FOCAL = 3.0  # in sides of a crop


def hands(count, distance=1 / rays.NEARNESS):
    """Poses relative to their roots, and their keypoints by a camera that looks near them."""
    rng = np.random.default_rng(0)
    y = rng.uniform(-1.5, 1.5, (count, 21, 3))
    y[:, 0] = 0
    root = np.stack([*rng.uniform(-0.5, 0.5, (2, count)), np.full(count, distance)], -1)
    points = y + root[:, None]
    return y.astype(np.float32), (CROP_FOCAL * points[..., :2] / points[..., 2:]).astype(np.float32)


def _onto(y, x, reach):
    return rays.onto(tf.constant(y), tf.constant(x), reach).numpy()


def by_numpy(y, x):
    """On the rays, by NumPy's solver: rows of joints, and one that says how near hands are."""
    placed = y.astype(np.float64).copy()
    for pose, uv in zip(placed, x.astype(np.float64), strict=True):
        off_root, by_depth = (uv - uv[0]).ravel(), (uv * pose[:, 2:]).ravel()
        seen = (pose[:, :2] - pose[0, :2]).ravel()
        # b − NEARNESS · a is 0, weighed as much as a joint whose length is NEARNESS_WEIGHT.
        weight = np.sqrt(rays.NEARNESS_WEIGHT)
        rows = np.c_[np.r_[off_root, -weight * rays.NEARNESS], np.r_[by_depth, weight]]
        a, b = np.linalg.lstsq(rows, np.r_[seen, 0.0], rcond=None)[0]
        pose[:, :2] = pose[0, :2] + (a * off_root + b * by_depth).reshape(-1, 2)
    return placed


def test_a_pose_that_lies_on_its_rays_stays():
    y, x = hands(4)
    np.testing.assert_allclose(_onto(y, x, ALL_THE_WAY), y, atol=1e-4)


def test_it_is_the_least_squares_solution_of_numpy():
    y, x = hands(5, 8.0)
    y += np.random.default_rng(1).normal(scale=0.2, size=y.shape).astype(np.float32)
    np.testing.assert_allclose(_onto(y, x, ALL_THE_WAY), by_numpy(y, x), atol=1e-4)


def test_wrong_x_and_y_are_mended_where_depths_are_right():
    y, x = hands(50)
    wrong = y.copy()
    wrong[:, 1:, :2] += np.random.default_rng(1).normal(scale=0.2, size=[50, 20, 2])
    placed = _onto(wrong, x, ALL_THE_WAY)
    before, after = (np.linalg.norm(p - y, axis=-1).mean() for p in (wrong, placed))
    assert after < before / 4


def test_the_farther_the_rays_the_smaller_the_part_of_the_way():
    y, x = hands(2)
    errors = np.random.default_rng(1).normal(size=[2, 20, 2])
    y[:, 1:, :2] += np.array([[[0.1]], [[2.0]]]) * errors
    way = by_numpy(y, x)[..., :2] - y[..., :2]
    distance = np.sqrt(np.mean(np.sum(way**2, -1), -1))[:, None, None]
    assert distance[0] < 0.3 < 1 < distance[1]
    gone = _onto(y, x, 0.3) - y
    np.testing.assert_allclose(gone[..., :2], way / (1 + (distance / 0.3) ** 2), atol=1e-4)
    np.testing.assert_array_equal(gone[..., 2], 0)
    half = _onto(y[1:], x[1:], distance.item(1)) - y[1:]
    np.testing.assert_allclose(half[..., :2], way[1:] / 2, atol=1e-4)


@pytest.mark.parametrize("y", [np.zeros((1, 21, 3), np.float32), hands(1)[0]])
def test_keypoints_all_in_one_place_give_finite_poses(y):
    assert np.isfinite(_onto(y, np.full((1, 21, 2), 0.1, np.float32), 0.1)).all()


def test_predictions_and_samples_are_placed_after_turns():
    c = Config(turns="0,40", **SMALL)
    model, placing = variants.from_config(c), variants.from_config(c.replace(rays=0.5))
    _, x = hands(3)
    x = tf.constant(x)
    for m in (placing, model):
        m(x)
    placing.set_weights(model.get_weights())
    expected = rays.onto(read_pose(model, x), x, 0.5)
    np.testing.assert_allclose(read_pose(placing, x), expected, atol=1e-5)
    noise = tf.random.stateless_normal([3, 5, answers.noise_size(model)], [0, 1])
    expected = rays.onto(answers.sampled_poses(model, x, None, noise), x[:, None], 0.5)
    sampled = answers.sampled_poses(placing, x, None, noise)
    np.testing.assert_allclose(sampled, expected, atol=1e-5)


def test_images_have_none():
    with pytest.raises(UserError, match=r"--rays=0\.5: there are none in an image"):
        Config(modality="rgb", rays=0.5)
