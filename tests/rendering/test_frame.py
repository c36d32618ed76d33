"""Frames fit their annotations; covers `renderer` and `appearance` as well."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import backgrounds, frame, scene

INDICES = range(4)


@pytest.fixture(scope="module")
def scenes():
    return [scene.sample_scene(7, "evaluation", i, shared=False) for i in INDICES]


@pytest.fixture(scope="module")
def frames(scenes):
    paths = backgrounds.photographs()
    return [
        frame.render(s, scene.generator(7, "evaluation", i, 1), paths)
        for i, s in zip(INDICES, scenes, strict=True)
    ]


def test_depth_image_round_trip():
    depth = np.array([[0.0, 0.4567, 1.0], [2.5, 4.9999, np.inf]])
    image = frame.encode_depth(depth)
    # 0.4567 m is 5986 of 65535 steps: 23 * 256 + 98.
    assert image[0, 1].tolist() == [23, 98, 0]
    np.testing.assert_allclose(
        frame.decode_depth(image), np.minimum(depth, 5.0), atol=5 / 65535 / 2 + 1e-9
    )


def test_uv_is_xyz_projected_by_K(scenes):
    for s in scenes:
        points = s.annotation.xyz @ s.annotation.K.T
        np.testing.assert_allclose(
            points[:, :2] / points[:, 2:], s.annotation.uv_vis[:, :2], rtol=1e-3, atol=0.05
        )


def test_annotation_is_left_then_right_in_rhds_order(scenes):
    s = scenes[0]
    for side in (hand.LEFT, hand.RIGHT):
        native = s.annotation.xyz[21 * side : 21 * side + 21]
        expected = s.camera.to_camera(s.posed.joints[side])
        np.testing.assert_allclose(native[hand.RHD_TO_CANONICAL], expected, atol=1e-5)


def test_camera_does_not_mirror(scenes):
    """A left thumb's side of the palm, seen in the camera's frame, is a left one's."""
    s = scenes[0]
    for side in (hand.LEFT, hand.RIGHT):
        world = s.posed.joints[side]
        seen = s.camera.to_camera(world)
        corners = [hand.INDEX[name] for name in ("wrist", "index_mcp", "little_mcp", "thumb_tip")]

        def volume(points, corners=corners):
            a, b, c, d = points[corners]
            return np.linalg.det([b - a, c - a, d - a])

        assert volume(world) == pytest.approx(volume(seen))


def test_labelled_hand_is_the_larger_and_well_seen(scenes, frames):
    for s, f in zip(scenes, frames, strict=True):
        assert hand.is_of_side(f.mask, s.side).sum() > hand.is_of_side(f.mask, 1 - s.side).sum()
        visible = s.annotation.uv_vis[21 * s.side : 21 * s.side + 21, 2]
        assert visible.sum() >= scene.MIN_VISIBLE


def test_visible_joints_lie_on_their_hand_in_mask_and_depth(scenes, frames):
    on_hand, behind_skin = [], []
    for s, f in zip(scenes, frames, strict=True):
        rows = slice(21 * s.side, 21 * s.side + 21)
        uv_vis, z = s.annotation.uv_vis[rows], s.annotation.xyz[rows, 2]
        for (u, v, visible), depth in zip(uv_vis, z, strict=True):
            if visible:
                column, row = int(u), int(v)
                own = hand.is_of_side(f.mask, s.side)
                near = np.s_[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
                assert own[near].any()
                on_hand.append(own[row, column])
                if own[row, column]:
                    behind_skin.append(depth - f.depth_m[row, column])
    assert np.mean(on_hand) > 0.9
    # Joints are inside the hand: not before its skin, and rarely behind another finger.
    assert np.min(behind_skin) > -0.01
    assert np.median(behind_skin) < 0.025


def test_mask_and_depth_agree(frames):
    for f in frames:
        np.testing.assert_array_equal(f.mask > 0, np.isfinite(f.depth_m))
        assert f.mask.max() <= 33
        assert f.colour.std() > 5


def test_same_generator_same_bytes(scenes, frames):
    again = frame.render_frame(7, "evaluation", 1, backgrounds.photographs())
    np.testing.assert_array_equal(again.colour, frames[1].colour)
    np.testing.assert_array_equal(again.annotation.xyz, scenes[1].annotation.xyz)
