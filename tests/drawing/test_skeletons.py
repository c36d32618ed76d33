"""Skeletons: where joints are drawn, in which colour, and that views do not mirror."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.drawing import skeletons

SIZE = 128
BLANK = np.full((SIZE, SIZE, 3), 128, np.uint8)


@pytest.fixture
def uv():
    """Joints on a grid, well apart."""
    return np.array([[20 + 22 * (j % 5), 12 + 25 * (j // 5)] for j in range(21)], float)


@pytest.fixture
def pose():
    return np.random.default_rng(0).normal(0, 30, (hand.NUM_JOINTS, 3))


def pixel(picture, point):
    """The pixel that a point lies in; the first pixel spans 0..1."""
    x, y = np.floor(point).astype(int)
    return picture[y, x]


def marked(joint, point):
    """A pose with all joints at the origin but one."""
    pose = np.zeros((hand.NUM_JOINTS, 3))
    pose[joint] = point
    return pose


def towards(picture, joint):
    """From the picture's middle to the mean of the pixels in a joint's colour, `(x, y)`."""
    rows, columns = np.nonzero((picture == hand.joint_colour(joint)).all(axis=-1))
    return np.array([columns.mean(), rows.mean()]) + 0.5 - np.array(picture.shape[1::-1]) / 2


def test_joints_are_drawn_at_their_place_in_their_colour(uv):
    picture = skeletons.draw_skeleton(BLANK, uv + 0.5, width=3)
    for joint in hand.TIPS:
        np.testing.assert_array_equal(pixel(picture, uv[joint] + 0.5), hand.joint_colour(joint))


def test_the_pixel_convention_is_the_projections(uv):
    """A joint at (40, 60) is centred on the corner between four pixels."""
    uv[:] = [40, 60]
    picture = skeletons.draw_skeleton(BLANK, uv, width=4).astype(int)
    ink = abs(picture - 128).sum(axis=-1)
    rows, columns = np.indices(ink.shape) + 0.5
    centre = [(columns * ink).sum() / ink.sum(), (rows * ink).sum() / ink.sum()]
    assert centre == pytest.approx((40, 60), abs=0.15)


def test_edges_are_smooth(uv):
    picture = skeletons.draw_skeleton(BLANK, uv, colour=(255, 255, 255))
    assert len(np.unique(picture)) > 20


def test_the_image_itself_is_left_alone(uv):
    image = BLANK.copy()
    skeletons.draw_skeleton(image, uv)
    np.testing.assert_array_equal(image, BLANK)


def test_hidden_joints_are_hollow(uv):
    visible = np.ones(21, bool)
    visible[hand.INDEX["middle_tip"]] = False
    point = uv[hand.INDEX["middle_tip"]] + 0.5
    shown = skeletons.draw_skeleton(BLANK, uv + 0.5, width=3)
    hidden = skeletons.draw_skeleton(BLANK, uv + 0.5, visible, width=3)
    np.testing.assert_array_equal(pixel(hidden, point), BLANK[0, 0])
    assert not np.array_equal(pixel(shown, point), BLANK[0, 0])


def test_joints_far_outside_do_no_harm(uv):
    tip = hand.INDEX["thumb_tip"]
    uv[tip] = [1e9, -1e9]
    picture = skeletons.draw_skeleton(BLANK, uv + 0.5, width=3)
    for joint in set(hand.TIPS) - {tip}:
        np.testing.assert_array_equal(pixel(picture, uv[joint] + 0.5), hand.joint_colour(joint))


def test_float_images_are_scaled_from_half_to_half():
    image = np.zeros((2, 2, 3))
    image[0, 0], image[0, 1], image[1, 0] = -0.5, 0.5, 0.7
    assert skeletons.as_uint8(image)[..., 0].tolist() == [[0, 255], [255, 128]]


def test_bad_input_is_named(uv, pose):
    with pytest.raises(ValueError, match=r"uv is \(20, 2\)"):
        skeletons.draw_skeleton(BLANK, uv[:20])
    with pytest.raises(ValueError, match="not finite"):
        skeletons.draw_skeleton(BLANK, uv * np.nan)
    with pytest.raises(ValueError, match="image is"):
        skeletons.draw_skeleton(BLANK[..., 0], uv)
    with pytest.raises(ValueError, match="int64"):
        skeletons.draw_skeleton(BLANK.astype(np.int64), uv)
    with pytest.raises(ValueError, match="view='back'"):
        skeletons.draw_pose_3d(pose, view="back")


@pytest.mark.parametrize("view", skeletons.VIEWS)
def test_no_view_mirrors(view):
    rotation = skeletons.VIEWS[view]
    np.testing.assert_array_equal(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize(
    ("view", "point", "direction"),
    [
        ("front", (10, 0, 0), (1, 0)),
        ("front", (0, 10, 0), (0, 1)),
        ("side", (0, 0, 10), (1, 0)),
        ("side", (0, 10, 0), (0, 1)),
        ("top", (10, 0, 0), (1, 0)),
        ("top", (0, 0, 10), (0, -1)),
    ],
)
def test_axes_point_where_the_titles_say(view, point, direction):
    """Picture directions are right and down; x is right, y down and z forward."""
    tip = hand.INDEX["ring_tip"]
    picture = skeletons.draw_pose_3d(marked(tip, point), view=view, size=SIZE)
    moved = towards(picture, tip)
    assert moved @ direction > 0.95 * np.linalg.norm(moved)


def test_nearer_joints_hide_farther_ones():
    for near, far in (("index_tip", "ring_tip"), ("ring_tip", "index_tip")):
        pose = marked(hand.INDEX[near], (0, 0, -10)) + marked(hand.INDEX[far], (0, 0, 10))
        picture = skeletons.draw_pose_3d(pose, size=SIZE)
        colour = hand.joint_colour(hand.INDEX[near])
        np.testing.assert_array_equal(picture[SIZE // 2, SIZE // 2], colour)


def test_proportions_are_true():
    """A finger 20 to the right and one 20 down have as many pixels; the wrist is in the corner."""
    ring, index = hand.INDEX["ring_tip"], hand.INDEX["index_tip"]
    pose = marked(ring, (20, 0, 0)) + marked(index, (0, 20, 0))
    picture = skeletons.draw_pose_3d(pose, size=2 * SIZE)
    moved = [towards(picture, joint) for joint in (ring, index)]
    np.testing.assert_allclose(moved[0], moved[1][::-1], atol=3)
    lengths = [(picture == hand.joint_colour(j)).all(axis=-1).sum() for j in (ring, index)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.1)


def test_truth_is_drawn_in_grey_under_the_pose(pose):
    picture = skeletons.draw_pose_3d(pose, pose + 15, size=SIZE)
    assert (picture == skeletons.TRUTH_COLOUR).all(axis=-1).any()
    # A pose covers the same one under it.
    for covered in (None, pose):
        alone = skeletons.draw_pose_3d(pose, covered, size=SIZE)
        assert not (alone == skeletons.TRUTH_COLOUR).all(axis=-1).any()


def test_grid_lines_are_multiples_of_their_distance():
    """At 0.64 px a unit and the origin in the middle, lines 50 apart are 32 px apart."""
    pose = np.zeros((hand.NUM_JOINTS, 3))
    picture = skeletons.draw_pose_3d(pose, extent=100, grid=50, size=SIZE)
    for line in (picture[10], picture[:, 10]):
        assert np.flatnonzero((line != skeletons.PAPER).any(-1)).tolist() == [0, 32, 64, 96]
        np.testing.assert_array_equal(line[32], [skeletons.GRID_LINE[0]] * 3)
        np.testing.assert_array_equal(line[64], [skeletons.GRID_AXIS[0]] * 3)


def test_a_hand_is_drawn_with_its_box_and_label(uv):
    box = np.array([16, 20, 112, 116.0])
    plain, labelled = (skeletons.draw_hand(BLANK, uv + 0.5, box, text) for text in ("", "right"))
    for row, column in ((20, 60), (116, 60), (40, 16), (40, 112)):
        np.testing.assert_array_equal(plain[row, column], skeletons.PAPER)
    rows, columns = np.nonzero((plain != labelled).any(axis=-1))
    assert len(rows) > 0
    assert rows.max() <= 20 + 2
    assert columns.min() >= 16 - 2
    tip = hand.INDEX["little_tip"]
    np.testing.assert_array_equal(pixel(plain, uv[tip] + 0.5), hand.joint_colour(tip))


def test_only_the_part_of_a_photo_around_the_hand_is_redrawn():
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    before, uv = photo.copy(), np.random.default_rng(1).uniform(110, 140, (21, 2))
    drawn = skeletons.draw_hand(photo, uv, np.array([110, 110, 140, 140.0]), "left")
    np.testing.assert_array_equal(photo, before)
    changed = np.argwhere((drawn != photo).any(axis=-1))
    assert changed.min() > 80
    assert changed.max() < 160


def test_poses_fit_the_picture(pose):
    picture = skeletons.draw_pose_3d(pose, 1.5 * pose, size=SIZE).astype(int)
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    np.testing.assert_array_equal(rim, np.broadcast_to(skeletons.PAPER, rim.shape))


def test_a_pose_turns_once_around_its_vertical_axis(pose):
    frames = skeletons.turning(pose, frames=4, size=SIZE)
    quarter = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # x goes to where -z was
    centred = pose - (pose.min(axis=0) + pose.max(axis=0)) / 2
    extent = 1.1 * np.linalg.norm(centred, axis=1).max()
    expected = skeletons.draw_pose_3d(centred @ quarter.T, extent=extent, size=SIZE)
    assert len(frames) == 4
    assert (frames[1] != expected).mean() < 0.01
    assert (frames[0] != frames[1]).mean() > 0.05
