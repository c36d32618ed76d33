"""Crops as cameras, against NumPy written from the definitions."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from raw_trees import random_hand, random_rotation
from scipy.spatial.transform import Rotation

from dcmls_tf import geometry, hand


def f32(values: Any) -> Any:
    """Numbers as float32, as data and tensors are."""
    return np.asarray(values, np.float32)


K = f32([[280.0, 0, 160], [0, 285, 150], [0, 0, 1]])
SIZE = 96
COUNT = 40
ROUNDING = 1.0  # the op cuts what lies between two px off to whole numbers


def _pinhole(xyz, K) -> Any:
    return np.stack([K[0, 0] * xyz[..., 0] / xyz[..., 2] + K[0, 2],
                     K[1, 1] * xyz[..., 1] / xyz[..., 2] + K[1, 2]], -1)  # fmt: skip


@pytest.fixture(scope="module")
def hands():
    """Hands `[COUNT, 21, 3]` mm all over the image, some partly outside of it."""
    rng = np.random.default_rng(0)
    directions = np.c_[rng.uniform(-0.55, 0.55, (COUNT, 2)), np.ones(COUNT)]
    centres = directions * rng.uniform(300, 700, (COUNT, 1))
    return f32([random_hand(rng) + c for c in centres])


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(1)
    return {
        "roll": f32(rng.uniform(-np.pi, np.pi, COUNT)),
        "mirror": np.arange(COUNT) % 2 == 0,
    }


def _crop(hands, draws, perspective):
    box = geometry.joints_box(_pinhole(hands, K), K + np.zeros((COUNT, 1, 1), np.float32), 1.5)
    Ks = f32(np.broadcast_to(K, (COUNT, 3, 3)))
    return geometry.crop_transform(*box, Ks, SIZE, **draws, perspective=perspective)


def test_project_is_the_pinhole_camera(hands):
    np.testing.assert_allclose(geometry.project(hands, K), _pinhole(hands, K), atol=1e-3)


def test_points_behind_the_camera_count_as_1_mm_away():
    uv = geometry.project(tf.constant([[10, 20, -50], [0, 0, 0], [1, 2, 0.5]]), K)
    expected = [[280 * 10 - 160 * 50, 285 * 20 - 150 * 50], [0, 0], [280 + 80, 570 + 75]]
    np.testing.assert_allclose(uv, expected, rtol=1e-6)


def test_rays_lead_from_px_back_to_points(hands):
    directions = geometry.rays(_pinhole(hands, K), K)
    np.testing.assert_allclose(directions, hands / hands[..., 2:], atol=1e-4)


def test_an_unknown_camera_has_its_longer_side_as_focal_length():
    both = geometry.typical_camera(tf.constant([480, 640]), tf.constant([640, 480]))
    expected = [
        [[640, 0, 320], [0, 640, 240], [0, 0, 1]],
        [[640, 0, 240], [0, 640, 320], [0, 0, 1]],
    ]
    np.testing.assert_array_equal(both, expected)


def test_a_crop_camera_sees_its_tangent_at_its_sides():
    crop_K = geometry.crop_camera(SIZE, tf.constant([0.25, 0.5])).numpy()
    edges = np.array([[[-0.25, 0.25, 1]], [[-0.5, 0.5, 1]]])
    np.testing.assert_allclose(
        np.einsum("bij,bnj->bni", crop_K, edges), [[[0, SIZE, 1]], [[0, SIZE, 1]]], atol=1e-5
    )


def test_the_box_is_a_square_of_the_joints_longer_side_and_its_margin():
    uv = f32([[100, 40], [160, 60], [120, 70]])
    centre, side = geometry.joints_box(uv, K, 1.5)
    np.testing.assert_allclose(centre, [130, 55])
    assert float(side) == pytest.approx(1.5 * 60)


def test_perspective_crop_is_a_camera_that_sees_the_crop(hands, draws):
    H, A = (np.asarray(m) for m in _crop(hands, draws, perspective=True))
    crop_K = H @ K @ np.linalg.inv(A)
    crop_K /= crop_K[:, 2:, 2:]
    focal = crop_K[:, 0, 0]
    expected_K = np.zeros((COUNT, 3, 3))
    expected_K[:, 0, 0] = expected_K[:, 1, 1] = focal
    expected_K[:, :, 2] = [SIZE / 2, SIZE / 2, 1]
    np.testing.assert_allclose(crop_K, expected_K, atol=2e-2)
    in_crop_frame = np.einsum("bij,bnj->bni", A, hands)
    seen = focal[:, None, None] * in_crop_frame[..., :2] / in_crop_frame[..., 2:] + SIZE / 2
    np.testing.assert_allclose(geometry.apply_homography(_pinhole(hands, K), H), seen, atol=1e-3)


@pytest.mark.parametrize("perspective", [True, False])
def test_a_is_orthogonal_and_mirrors_only_when_asked(hands, draws, perspective):
    _, A = (np.asarray(m) for m in _crop(hands, draws, perspective))
    np.testing.assert_allclose(A @ A.transpose(0, 2, 1), np.eye(3) + 0 * A, atol=1e-5)
    expected = np.where(draws["mirror"], -1, 1)
    np.testing.assert_allclose(np.linalg.det(A), expected, atol=1e-5)


@pytest.mark.parametrize("perspective", [True, False])
def test_joints_fill_the_crop_to_its_margin(hands, perspective):
    still = {"roll": np.zeros(COUNT, np.float32), "mirror": False}
    H, _ = _crop(hands, still, perspective)
    x = geometry.to_unit_square(geometry.apply_homography(_pinhole(hands, K), H), SIZE)
    extent = (x.max(1) - x.min(1)).max(-1)
    if perspective:  # turning towards an oblique hand changes its shape, and so its box
        assert np.all((extent > 0.45) & (extent < 0.75))
        assert 0.6 < extent.mean() < 0.7
    else:
        np.testing.assert_allclose(extent, 1 / 1.5, rtol=1e-4)
    np.testing.assert_allclose((x.max(1) + x.min(1)) / 2, 0, atol=0.1 if perspective else 1e-4)


def test_affine_crop_is_a_similarity_whose_turn_is_a(hands, draws):
    H, A = (np.asarray(m) for m in _crop(hands, draws, perspective=False))
    np.testing.assert_allclose(H[:, 2], np.tile([0, 0, 1], (COUNT, 1)))
    zoom = np.sqrt(np.abs(np.linalg.det(H[:, :2, :2])))
    np.testing.assert_allclose(
        H[:, :2, :2], zoom[:, None, None] * A[:, :2, :2], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(A[:, 2], np.tile([0, 0, 1], (COUNT, 1)))


def test_mirroring_flips_the_crop_about_its_middle(hands):
    straight, _ = _crop(hands, {"roll": 0.0, "mirror": False}, True)
    mirrored, _ = _crop(hands, {"roll": 0.0, "mirror": True}, True)
    uv = _pinhole(hands, K)
    a, b = (geometry.apply_homography(uv, H) for H in (straight, mirrored))
    np.testing.assert_allclose(b, np.stack([SIZE - a[..., 0], a[..., 1]], -1), atol=1e-2)


def test_a_perspective_crop_just_holds_the_middles_of_its_boxs_sides():
    centre, side = f32([250, 60]), f32(90)
    H, _ = geometry.crop_transform(centre, side, K, SIZE)
    middles = centre + side / 2 * f32([[-1, 0], [1, 0], [0, -1], [0, 1]])
    from_middle = geometry.apply_homography(middles, H) - SIZE / 2
    assert np.abs(from_middle).max() == pytest.approx(SIZE / 2, abs=1e-3)
    np.testing.assert_allclose(
        geometry.apply_homography(centre[None], H), [[SIZE / 2] * 2], atol=1e-3
    )
    assert H[2, 2] == 1


def test_positive_roll_turns_x_towards_y():
    H, A = geometry.crop_transform(f32([160, 150]), f32(90), K, SIZE, roll=f32(np.pi / 2))
    np.testing.assert_allclose(A @ [[1.0], [0], [0]], [[0], [1], [0]], atol=1e-6)
    right_of_middle = geometry.apply_homography(f32([[180, 150]]), H)[0]
    assert right_of_middle[1] > SIZE / 2 + 10


def test_look_at_is_the_smallest_rotation():
    rng = np.random.default_rng(2)
    directions = f32(np.c_[rng.normal(size=(50, 2)), np.abs(rng.normal(size=50)) + 0.1])
    R = geometry.look_at(directions)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.einsum("bij,bj->bi", R, unit), np.tile([0, 0, 1], (50, 1)), atol=1e-6
    )
    angle = np.arccos(np.clip((np.trace(R, axis1=1, axis2=2) - 1) / 2, -1, 1))
    np.testing.assert_allclose(angle, np.arccos(unit[:, 2]), atol=2e-3)
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-5)


def test_tilt_turns_about_an_axis_in_the_image_plane():
    axes, angles = f32([np.pi / 2, 0.7, -2.5]), f32([0.3, 1.1, -0.4])
    vectors = angles[:, None] * np.stack([np.cos(axes), np.sin(axes), 0 * axes], -1)
    expected = Rotation.from_rotvec(vectors).as_matrix()
    np.testing.assert_allclose(geometry.tilt(axes, angles), expected, atol=1e-6)


def test_rotating_about_a_pivot_leaves_it(hands):
    R = f32(random_rotation(np.random.default_rng(3)))
    turned = geometry.rotate_about(hands, R, hands[:, 9])
    np.testing.assert_allclose(turned[:, 9], hands[:, 9], atol=1e-3)
    expected = (hands - hands[:, 9:10]) @ R.T + hands[:, 9:10]
    np.testing.assert_allclose(turned, expected, atol=1e-2)


def test_normalise_and_back(hands, draws):
    _, A = _crop(hands, draws, True)
    scale = geometry.scale_bone_mm(hands)
    middle_mcp, middle_pip = hand.INDEX["middle_mcp"], hand.INDEX["middle_pip"]
    np.testing.assert_allclose(
        scale, np.linalg.norm(hands[:, middle_mcp] - hands[:, middle_pip], axis=1), rtol=1e-5
    )
    root = hands[:, middle_mcp]
    y = geometry.normalise(hands, root, scale, A)
    expected = np.einsum("bij,bnj->bni", A, hands - root[:, None]) / scale[:, None, None]
    np.testing.assert_allclose(y, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(y[:, middle_pip], axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(geometry.denormalise(y, root, scale, A), hands, atol=1e-2)


def test_a_joint_at_an_absurd_angle_does_not_ruin_the_box():
    uv = f32([[100, 100], [150, 120], [1e7, -1e7]])
    centre, side = geometry.joints_box(uv, K, 1.5)
    right, top = 160 + 1.5 * 280, 150 - 1.5 * 285  # at the slope that still counts
    np.testing.assert_allclose(centre, [(100 + right) / 2, (top + 120) / 2])
    assert float(side) == 2 * K[0, 0]  # not 1.5 times its 480 px
    H, A = geometry.crop_transform(centre, side, K, SIZE)
    assert np.isfinite(H).all()
    assert np.isfinite(A).all()


def test_joints_in_one_place_have_a_box_all_the_same():
    centre, side = geometry.joints_box(f32([[100, 100]] * 3), K, 1.5)
    np.testing.assert_array_equal(centre, [100, 100])
    assert float(side) == pytest.approx(0.02 * K[0, 0])


def test_unit_square_and_back():
    px = f32([[0, SIZE], [SIZE / 2, 12]])
    x = geometry.to_unit_square(px, SIZE)
    np.testing.assert_allclose(x, [[-0.5, 0.5], [0, 12 / SIZE - 0.5]])
    np.testing.assert_allclose(geometry.from_unit_square(x, SIZE), px)


def _noise(seed, height, width, channels) -> Any:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def _dots(uv, height=240, width=320) -> Any:
    v, u = np.mgrid[:height, :width] + 0.5
    distance = (u - uv[0]) ** 2 + (v - uv[1]) ** 2
    blob = 255 * np.exp(-distance / (2 * 2.5**2))
    return blob.astype(np.uint8)[..., None].repeat(3, -1)


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("side", [40.0, 90.0, 260.0])
def test_what_is_in_the_image_follows_the_homography(side, perspective):
    """A blob's centre of mass lands where H takes it, however the crop is turned."""
    H, _ = geometry.crop_transform(
        f32([190, 90]), f32(side), K, SIZE, roll=f32(0.6), mirror=True,
        perspective=perspective,
    )  # fmt: skip
    uv = f32([184.3, 95.2])
    crop = geometry.warp_image(_dots(uv), H, SIZE)[..., 0]
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    centre_of_mass = [(crop * axis).sum() / crop.sum() for axis in (u, v)]
    expected = geometry.apply_homography(uv[None], H)[0]
    np.testing.assert_allclose(centre_of_mass, expected, atol=0.1)


def test_an_upright_crop_of_whole_pixels_copies_them():
    image = _noise(4, 40, 50, 3)
    H, _ = geometry.crop_transform(f32([24, 20]), f32(16), K, 16, perspective=False)
    crop = geometry.warp_image(image, H, 16)
    np.testing.assert_allclose(crop * 255, image[12:28, 16:32], atol=1e-2)


@pytest.mark.parametrize("shrinkage", [2, 3, 4, 8])
def test_shrinking_averages_what_a_pixel_covers(shrinkage):
    side = 8 * shrinkage
    image = _noise(5, side, side, 3)
    H, _ = geometry.crop_transform(f32([side / 2, side / 2]), f32(side), K, 8, perspective=False)
    blocks = image.reshape(8, shrinkage, 8, shrinkage, 3).mean((1, 3))
    np.testing.assert_allclose(geometry.warp_image(image, H, 8) * 255, blocks, atol=ROUNDING)


def test_a_crop_takes_at_most_4_samples_a_side_and_pixel():
    image = _noise(6, 128, 128, 3)
    H, _ = geometry.crop_transform(f32([64, 64]), f32(128), K, 8, perspective=False)
    # Of 16 px a side, samples at 2, 6, 10 and 14: each the mean of the two px beside it.
    rows = image.reshape(8, 4, 4, 8, 4, 4, 3)[:, :, 1:3, :, :, 1:3].mean((1, 2, 4, 5))
    np.testing.assert_allclose(geometry.warp_image(image, H, 8) * 255, rows, atol=ROUNDING)


def test_outside_of_the_image_is_black():
    white = tf.fill([64, 64, 3], tf.constant(255, tf.uint8))
    H, _ = geometry.crop_transform(f32([0, 32]), f32(64), K, 16, perspective=False)
    crop = np.asarray(geometry.warp_image(white, H, 16))
    np.testing.assert_allclose(crop[:, 8:], 1, atol=1e-6)
    assert not crop[:, :8].any()


def test_single_examples_equal_their_batch(hands, draws):
    H, A = _crop(hands, draws, True)
    box = geometry.joints_box(_pinhole(hands[3], K), K, 1.5)
    single = geometry.crop_transform(
        *box, K, SIZE, roll=draws["roll"][3], mirror=bool(draws["mirror"][3])
    )
    tf.debugging.assert_near(single[0], H[3], atol=1e-3)
    tf.debugging.assert_near(single[1], A[3], atol=1e-5)


def test_an_oblique_crop_takes_as_many_samples_as_its_middle_covers_px():
    for size in range(50, 220, 9):
        H, _ = geometry.crop_transform(f32([420, 320]), f32(220), K, size)
        inverse = np.linalg.inv(H)
        corners = size / 2 + np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        x, y, depth = inverse @ np.c_[corners, np.ones(4)].T
        x, y = x / depth, y / depth
        area = np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2  # shoelace formula
        expected = np.clip(np.round(np.sqrt(area)), 1, 4)
        assert geometry._supersampling(tf.constant(inverse), size) == expected


def test_boxes_may_be_python_numbers():
    centre: Any = [420, 320]
    side: Any = 220
    H, A = geometry.crop_transform(centre, side, K, SIZE, roll=1)
    same_H, same_A = geometry.crop_transform(f32([420, 320]), f32(220), K, SIZE, roll=f32(1))
    np.testing.assert_array_equal(H, same_H)
    np.testing.assert_array_equal(A, same_A)
