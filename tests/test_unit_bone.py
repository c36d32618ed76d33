"""Poses scaled for their scale bone to be as long as their unit says."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import unit_bone, variants
from dcmls_tf.config import Config
from dcmls_tf.model import read_pose
from dcmls_tf.serving import answers

SMALL: dict[str, Any] = {"modality": "2d", "joint_width": 16, "disc_width": 8}


def poses(count):
    y = np.random.default_rng(0).normal(size=(count, 21, 3)).astype(np.float32)
    y[:, 0] = 0
    return y


def bones(y):
    return np.linalg.norm(y[..., 9, :] - y[..., 10, :], axis=-1)


@pytest.mark.parametrize("part", [0.3, 1.0])
def test_the_bone_goes_a_part_of_the_way_to_one(part):
    y = poses(5)
    scaled = unit_bone.scaled(tf.constant(y), part).numpy()
    np.testing.assert_allclose(bones(scaled), bones(y) ** (1 - part), rtol=1e-4)
    # All of the hand goes with it, about its root.
    np.testing.assert_allclose(scaled, y * (bones(y) ** -part)[:, None, None], rtol=1e-4)


def test_a_pose_of_the_right_size_stays():
    y = poses(3)
    y /= bones(y)[:, None, None]
    np.testing.assert_allclose(unit_bone.scaled(tf.constant(y), 0.5), y, rtol=1e-4)


def test_a_bone_of_no_length_gives_a_finite_pose():
    assert np.isfinite(unit_bone.scaled(tf.zeros([1, 21, 3]), 1.0)).all()


def test_predictions_and_samples_are_scaled_after_turns_and_rays():
    c = Config(turns="0,40", rays=0.5, **SMALL)
    model, scaling = variants.from_config(c), variants.from_config(c.replace(unit_bone=0.5))
    x = tf.constant(np.random.default_rng(1).uniform(-0.4, 0.4, (3, 21, 2)), tf.float32)
    for m in (scaling, model):
        m(x)
    scaling.set_weights(model.get_weights())
    expected = unit_bone.scaled(read_pose(model, x), 0.5)
    np.testing.assert_allclose(read_pose(scaling, x), expected, rtol=1e-4)
    noise = tf.random.stateless_normal([3, 5, answers.noise_size(model)], [0, 1])
    expected = unit_bone.scaled(answers.sampled_poses(model, x, None, noise), 0.5)
    sampled = answers.sampled_poses(scaling, x, None, noise)
    np.testing.assert_allclose(sampled, expected, rtol=1e-4)
