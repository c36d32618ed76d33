"""Turned crops: pictures and keypoints alike, poses turned back, the mean of several."""

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from dcmls_tf import geometry, turning, variants
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.model import predict_pose, read_pose
from dcmls_tf.serving import answers

rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {
    "joint_width": 16,
    "disc_width": 8,
    "input_size": 32,
    "reconstruction_size": 16,
}
ANGLES = (0.0, 25.0, 90.0, -140.0)


def poses(count):
    return rng.normal(size=(count, 21, 3)).astype(np.float32)


def test_keypoints_and_poses_turn_alike():
    """Seen by a camera, a turned pose lies on the turned keypoints."""
    y = poses(2) + [0.0, 0.0, 9.0]
    uv = y[..., :2] / y[..., 2:]
    turned = turning.turned(tf.constant(uv, tf.float32), ANGLES).numpy()
    # What is turned back from y is y turned by the opposite angle.
    opposite = [-a for a in ANGLES]
    of_angles = np.repeat(y[:, None], len(ANGLES), 1).astype(np.float32)
    seen = turning.turned_back(tf.constant(of_angles), opposite).numpy().reshape(-1, 21, 3)
    np.testing.assert_allclose(turned, seen[..., :2] / seen[..., 2:], atol=1e-6)


def test_a_turn_is_clockwise_as_it_is_seen():
    right = tf.constant([[[1.0, 0.0]] * 21])
    np.testing.assert_allclose(turning.turned(right, [90])[0, 0], [0, 1], atol=1e-6)  # down


@pytest.mark.parametrize("angle", [90.0, -90.0, 180.0, 270.0])
def test_quarter_turns_of_pictures_are_exact(angle):
    x = rng.uniform(-0.5, 0.5, (2, 16, 16, 3)).astype(np.float32)
    expected = np.rot90(x, -int(angle // 90), axes=(1, 2))
    np.testing.assert_allclose(turning.turned(tf.constant(x), [angle]), expected, atol=1e-6)


@pytest.mark.parametrize("angle", [25.0, -140.0])
def test_pictures_turn_as_scipy_turns_them(angle):
    x = rng.uniform(-0.5, 0.5, (1, 17, 17, 1)).astype(np.float32)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    to_source = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])  # of (row, column)
    to_source[:2, 2] = 8 - to_source[:2, :2] @ [8, 8]
    expected = ndimage.affine_transform(x[0, ..., 0], to_source, order=1, mode="nearest")
    turned = turning.turned(tf.constant(x), [angle])[0, ..., 0]
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_a_mark_in_a_picture_stays_on_its_keypoint():
    uv = np.array([[0.2, -0.3]] * 21, np.float32)
    x = np.zeros((1, 64, 64, 3), np.float32)
    column, row = np.floor(64 * (uv[0] + 0.5)).astype(int)
    x[0, row - 1 : row + 2, column - 1 : column + 2] = 1
    for angle in ANGLES:
        picture = turning.turned(tf.constant(x), [angle])[0, ..., 0].numpy()
        seen = np.array(ndimage.center_of_mass(picture))[::-1] + 0.5
        expected = 64 * (turning.turned(tf.constant(uv[None]), [angle])[0, 0].numpy() + 0.5)
        np.testing.assert_allclose(seen, expected, atol=0.7)


def test_turns_are_those_of_a_crop_that_is_rolled():
    """As augmentation rolls the camera: the same H · uv, and A · xyz."""
    y = poses(1) * 20 + [30, 10, 400]
    K = np.array([[500.0, 0, 160], [0, 500, 160], [0, 0, 1]], np.float32)
    y, K = (tf.constant(v, tf.float32) for v in (y, K[None]))
    uv = geometry.project(y, K)
    centre, side = geometry.joints_box(uv, K, 1.5)
    H, A = geometry.crop_transform(centre, side, K, 64)
    H_rolled, A_rolled = geometry.crop_transform(centre, side, K, 64, roll=math.radians(25))
    x, x_rolled = (
        geometry.to_unit_square(geometry.apply_homography(uv, h), 64) for h in (H, H_rolled)
    )
    np.testing.assert_allclose(turning.turned(x, [25.0]), x_rolled, atol=1e-5)
    back = turning.turned_back(tf.matmul(y, A_rolled, transpose_b=True)[:, None], [25.0])[:, 0]
    np.testing.assert_allclose(back, tf.matmul(y, A, transpose_b=True), atol=1e-3)


@pytest.mark.parametrize("modality", ["rgb", "2d"])
@pytest.mark.parametrize("latent", ["full", "none"])
def test_a_prediction_is_the_mean_of_what_the_model_says_of_each_turn(modality, latent):
    c = Config(modality=modality, latent=latent, side="input", encoder="resnet18_small", **SMALL)
    model = variants.from_config(c.replace(turns="0,25,90,-140"))
    size = [3, 32, 32, 3] if modality == "rgb" else [3, 21, 2]
    x = tf.constant(rng.uniform(-0.5, 0.5, size), tf.float32)
    side = tf.constant([0, 1, 0])
    each = []
    for angle in ANGLES:
        y = model(turning.turned(x, [angle]), tf.cast(side, tf.float32)[:, None]).numpy()
        cos, sin = math.cos(math.radians(-angle)), math.sin(math.radians(-angle))
        y_x, y_y = y[..., 0], y[..., 1]
        each.append(np.stack([cos * y_x - sin * y_y, sin * y_x + cos * y_y, y[..., 2]], -1))
    predicted = predict_pose(model, {"x": x, "side": side})
    np.testing.assert_allclose(predicted, np.mean(each, 0), atol=1e-5)
    assert np.abs(predicted - each[0]).max() > 1e-3


def test_without_turns_it_is_the_models_own_answer():
    model = variants.from_config(Config(modality="2d", **SMALL))
    x = tf.constant(rng.normal(size=(2, 21, 2)), tf.float32)
    np.testing.assert_array_equal(read_pose(model, x), model(x))


def test_samples_are_of_the_turned_hand_in_turn():
    model = variants.from_config(Config(modality="2d", turns="0,90,-60", **SMALL))
    x = tf.constant(rng.normal(size=(2, 21, 2)), tf.float32)
    noise = tf.zeros([2, 5, answers.noise_size(model)])
    y = answers.sampled_poses(model, x, None, noise).numpy()
    for k, angle in enumerate((0.0, 90.0, -60.0, 0.0, 90.0)):
        alone = model(turning.turned(x, [angle]))[:, None]
        np.testing.assert_allclose(y[:, k], turning.turned_back(alone, [angle])[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("turns", "says"),
    [("", "degrees with commas"), ("0,x", "degrees with commas"), ("0,400", "from -360"),
     ("nan", "from -360")],
)  # fmt: skip
def test_angles_that_are_none_are_refused(turns, says):
    with pytest.raises(UserError, match=f"--turns={turns}: .*{says}"):
        Config(turns=turns)
