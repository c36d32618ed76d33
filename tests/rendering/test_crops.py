"""Crops see what the frame sees, with intrinsics to match."""

import cv2
import numpy as np
import pytest

from dcmls_tf.rendering import backgrounds, camera, crops, frame, scene


@pytest.fixture(scope="module")
def drawn():
    return scene.sample_scene(7, "training", 1)


def joints_uv(drawn):
    return drawn.camera.project(drawn.figure.joints[drawn.side])[0]


def test_crop_camera_sees_the_square_around_the_joints(drawn):
    uv = joints_uv(drawn)
    crop, _ = crops.crop_camera(drawn.camera, uv, 256, 100.0)
    assert crop.size == 256
    seen, _ = crop.project(drawn.figure.joints[drawn.side])
    low, high = seen.min(0), seen.max(0)
    np.testing.assert_allclose((low + high) / 2, (128, 128), atol=1e-3)
    assert 256 / (high - low).max() == pytest.approx(crops.MARGIN)


def test_crop_has_no_more_pixels_than_the_sensor(drawn):
    uv = joints_uv(drawn)
    box = np.ptp(uv, axis=0).max()
    crop, _ = crops.crop_camera(drawn.camera, uv, 256, 1.0)
    assert crop.size == round(crops.MARGIN * box)
    assert crop.K[0, 0] == pytest.approx(drawn.camera.K[0, 0], rel=0.01)


def test_frames_border_cuts_the_crop():
    K = camera.intrinsics(280.0)
    whole = camera.Camera(K, np.eye(3), np.zeros(3))
    uv = np.array([(-20.0, 100.0), (40.0, 160.0)])
    crop, (left, top, right, bottom) = crops.crop_camera(whole, uv, 256, 1.0)
    # The box is 60 px wide around (10, 130): 138 px from (-59, 61) on, of which 59 are outside.
    assert (crop.size, left, top, right, bottom) == (138, 59, 0, 138, 138)


def test_crop_shows_what_the_frame_shows(drawn):
    """At the frame's own resolution, a crop's mask and depth are the frame's."""
    uv = joints_uv(drawn)
    corner = np.floor(uv.min(0)) - 4
    side = int(np.ptp(uv, axis=0).max()) + 8
    crop = drawn.camera.cropped(corner, side, side)
    paths = backgrounds.photographs()
    rngs = (scene.generator(7, "training", 1, 1) for _ in range(2))
    _, mask, depth = frame.paint(drawn, next(rngs), paths, drawn.camera)
    _, cut_mask, cut_depth = frame.paint(drawn, next(rngs), paths, crop)
    left, top = corner.astype(int)
    inside = np.s_[top : top + side, left : left + side]
    assert np.mean(mask[inside] == cut_mask) > 0.995
    both = np.isfinite(cut_depth) & np.isfinite(depth[inside])
    np.testing.assert_allclose(np.median(cut_depth[both] / depth[inside][both]), 1, atol=1e-3)


def test_fields_are_those_of_the_crop(drawn):
    crop = crops.render_crop(
        drawn, drawn.side, np.random.default_rng(0), backgrounds.photographs(), 128
    )
    decoded = cv2.imdecode(np.frombuffer(crop.encoded, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == crop.colour.shape
    points = crop.fields["xyz_mm"] @ crop.fields["K"].T
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], crop.fields["uv"], atol=0.05)
    expected = 1000 * drawn.camera.to_camera(drawn.figure.joints[drawn.side])
    np.testing.assert_allclose(crop.fields["xyz_mm"], expected, atol=1e-2)
    assert crop.fields["side"] == drawn.side
