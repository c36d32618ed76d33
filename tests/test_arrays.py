"""NumPy and TensorFlow give the same numbers: of `arrays`, and of all that is written with it.

Covers `sampling` and `frames`; `test_checks` compares what they refuse.
"""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import arrays, geometry, hand, placement, sampling
from dcmls_tf.config import Config
from dcmls_tf.serving import frames, preprocessing

rng = np.random.default_rng(0)
HANDS = 5
K = np.array([[[280, 0, 160], [0, 300, 150], [0, 0, 1]]] * HANDS, np.float32)
CENTRE = rng.uniform([-100, -100, 450], [100, 100, 600], (HANDS, 1, 3))
XYZ_MM = (CENTRE + rng.normal(0, 30, (HANDS, hand.NUM_JOINTS, 3))).astype(np.float32)
ROLL = rng.normal(size=HANDS).astype(np.float32)
LEFT = np.array([True, False, True, False, True])
PICTURE = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)


def both(function, *arguments, **options):
    """What a function makes of NumPy's arrays, and of tensors; the first is NumPy's own."""
    in_numpy = tf.nest.flatten(function(*arguments, **options))
    tensors = [tf.nest.map_structure(tf.constant, value) for value in (list(arguments), options)]
    in_tensorflow = tf.nest.flatten(function(*tensors[0], **tensors[1]))
    assert all(isinstance(value, np.ndarray) for value in in_numpy)
    assert all(tf.is_tensor(value) for value in in_tensorflow)
    return in_numpy, [value.numpy() for value in in_tensorflow]


def agree(function, *arguments, atol=1e-6, **options):
    """Compares both; returns NumPy's."""
    in_numpy, in_tensorflow = both(function, *arguments, **options)
    for a, b in zip(in_numpy, in_tensorflow, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)
    return in_numpy


def test_arrays_are_computed_with_by_what_they_are():
    assert arrays.of(XYZ_MM, 1.0, [K]) is arrays.NUMPY
    assert arrays.of(XYZ_MM, tf.constant(1.0)) is tf
    assert arrays.of([1.0, [tf.constant(1.0)]]) is tf


def test_cameras_and_poses():
    (uv,) = agree(geometry.project, XYZ_MM, K, atol=1e-3)
    agree(geometry.rays, uv, K)
    agree(lambda a, b: geometry.joints_box(a, b, 1.5), uv, K, atol=1e-4)
    agree(lambda half: geometry.crop_camera(64, half), np.array([0.2, 0.5], np.float32))
    agree(geometry.typical_camera, np.array([48, 64]), np.array([64, 48]))
    agree(geometry.with_focal, K, np.full(HANDS, 1.5, np.float32), atol=1e-4)
    (turn,) = agree(geometry.tilt, ROLL, 0.3 * ROLL)
    agree(geometry.rotate_about, XYZ_MM, turn, XYZ_MM[:, 9], atol=1e-3)
    (scale_mm,) = agree(geometry.scale_bone_mm, XYZ_MM, atol=1e-4)
    (y,) = agree(geometry.normalise, XYZ_MM, XYZ_MM[:, 0], scale_mm, turn, atol=1e-5)
    agree(geometry.denormalise, y, XYZ_MM[:, 0], scale_mm, turn, atol=1e-3)


@pytest.mark.parametrize("perspective", [True, False])
def test_crops(perspective):
    uv = geometry.project(XYZ_MM, K)
    centre, side = geometry.joints_box(uv, K, 1.5)
    H, A = agree(
        lambda c, s, camera, roll, mirror: geometry.crop_transform(
            c, s, camera, 64, roll=roll, mirror=mirror, perspective=perspective
        ),
        *(centre, side, K, ROLL, LEFT),
        atol=1e-4,
    )
    assert A.shape == (HANDS, 3, 3)
    agree(geometry.apply_homography, uv, H, atol=1e-3)


def test_placement():
    relative = XYZ_MM - XYZ_MM[:, :1]
    uv = geometry.project(XYZ_MM, K) + np.float32(0.5)
    box = np.concatenate([uv.min(1), uv.max(1)], -1)
    # TensorFlow solves in float32, of numbers of about 500.
    agree(placement.place_over, relative, uv, K, atol=0.02)
    agree(placement.place_in_box, relative, box, K, atol=0.02)


@pytest.mark.parametrize("zoom", [0.15, 1.0, 3.0])
def test_pixels_between_pixels(zoom):
    straight = np.array([[zoom, 0.1, -3], [-0.2, zoom, 5], [1e-3, 2e-3, 1]], np.float32)
    crop, expected = both(lambda p, H: geometry.warp_image(p, H, 24), PICTURE, straight)
    # A sum of float32 may end on the other side of a whole number, which the kernel cuts off.
    np.testing.assert_allclose(crop[0], expected[0], atol=1.01 / 255)
    assert np.abs(crop[0] - expected[0]).mean() < 1e-4
    assert crop[0].std() > 0.01


def test_outside_of_an_image_is_black():
    far = np.array([1, 0, 500, 0, 1, 0, 0, 0], np.float32)
    squares = both(lambda image, transform: sampling.projective(image, transform, 8), PICTURE, far)
    assert all(not square.any() for (square,) in squares)


@pytest.mark.parametrize(
    "options",
    [{}, {"root": "wrist"}, {"side": "none", "perspective_crop": False}, {"dataset": "stb"}],
    ids=str,
)
def test_inputs_and_answers_of_keypoints(options):
    config = Config(modality="2d", **options)
    uv = geometry.project(XYZ_MM, K)
    given: dict[str, Any] = {"keypoints": uv, "side": LEFT.astype(np.int32), "K": K}
    agree(lambda **named: preprocessing.from_keypoints(config, **named), **given, atol=1e-5)
    del given["K"]
    inputs = preprocessing.from_keypoints(config, **given)
    agree(lambda **named: preprocessing.from_keypoints(config, **named), **given, atol=1e-5)
    y = rng.normal(size=(HANDS, 21, 3)).astype(np.float32)
    agree(lambda y, A: frames.pose_answer(y, only(A), 30.0), y, inputs["A"], atol=1e-3)
    y = rng.normal(size=(HANDS, 4, 21, 3)).astype(np.float32)
    agree(lambda y, A: frames.sample_answer(y, only(A), 30.0), y, inputs["A"], atol=1e-3)


def only(A) -> Any:
    """The part of network inputs that leads back to the camera's frame."""
    return {"A": A}


def test_inputs_and_answers_of_pictures():
    config = Config(input_size=32, reconstruction_size=16)
    content = tf.constant([tf.io.encode_png(PICTURE).numpy()] * 2)
    given: dict[str, Any] = {
        "box": np.array([[10, 12, 50, 48], [0, 0, 0, 0]], np.float32),
        "side": np.array([hand.LEFT, hand.RIGHT], np.int32),
        "K": np.array([[[90, 0, 40], [0, 90, 30], [0, 0, 1]], np.zeros([3, 3])], np.float32),
    }
    in_numpy: Any = preprocessing.from_pixels(config, [PICTURE] * 2, **given)
    in_graph: Any = preprocessing.from_photos(config, content, **given)
    assert in_numpy.keys() == in_graph.keys()
    for name, value in in_numpy.items():
        tolerance = 1.01 / 255 if name == "x" else 1e-4
        np.testing.assert_allclose(value, in_graph[name], atol=tolerance)
    y = rng.normal(size=(2, 21, 3)).astype(np.float32)
    placed = [frames.pose_answer(y, in_numpy, 30.0)]
    placed += [frames.pose_answer(tf.constant(y), in_graph, 30.0)]
    for name, value in placed[0].items():
        np.testing.assert_allclose(value, placed[1][name], atol=0.02)
