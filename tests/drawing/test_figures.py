"""Pictures: where things are drawn, in which colour, and that views do not mirror."""

import io

import numpy as np
import pytest
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.drawing import figures as visualization

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
    picture = visualization.draw_skeleton(BLANK, uv + 0.5, width=3)
    for joint in hand.TIPS:
        np.testing.assert_array_equal(pixel(picture, uv[joint] + 0.5), hand.joint_colour(joint))


def test_the_pixel_convention_is_the_projections(uv):
    """A joint at (40, 60) is centred on the corner between four pixels."""
    uv[:] = [40, 60]
    picture = visualization.draw_skeleton(BLANK, uv, width=4).astype(int)
    ink = abs(picture - 128).sum(axis=-1)
    rows, columns = np.indices(ink.shape) + 0.5
    centre = [(columns * ink).sum() / ink.sum(), (rows * ink).sum() / ink.sum()]
    assert centre == pytest.approx((40, 60), abs=0.15)


def test_edges_are_smooth(uv):
    picture = visualization.draw_skeleton(BLANK, uv, colour=(255, 255, 255))
    assert len(np.unique(picture)) > 20


def test_the_image_itself_is_left_alone(uv):
    image = BLANK.copy()
    visualization.draw_skeleton(image, uv)
    np.testing.assert_array_equal(image, BLANK)


def test_hidden_joints_are_hollow(uv):
    visible = np.ones(21, bool)
    visible[hand.INDEX["middle_tip"]] = False
    point = uv[hand.INDEX["middle_tip"]] + 0.5
    shown = visualization.draw_skeleton(BLANK, uv + 0.5, width=3)
    hidden = visualization.draw_skeleton(BLANK, uv + 0.5, visible, width=3)
    np.testing.assert_array_equal(pixel(hidden, point), BLANK[0, 0])
    assert not np.array_equal(pixel(shown, point), BLANK[0, 0])


def test_joints_far_outside_do_no_harm(uv):
    uv[3] = [1e9, -1e9]
    assert visualization.draw_skeleton(BLANK, uv).shape == BLANK.shape


def test_float_images_are_scaled_from_half_to_half():
    image = np.zeros((2, 2, 3))
    image[0, 0], image[0, 1], image[1, 0] = -0.5, 0.5, 0.7
    assert visualization.as_uint8(image)[..., 0].tolist() == [[0, 255], [255, 128]]


def test_bad_input_is_named(uv, pose):
    with pytest.raises(ValueError, match=r"uv is \(20, 2\)"):
        visualization.draw_skeleton(BLANK, uv[:20])
    with pytest.raises(ValueError, match="not finite"):
        visualization.draw_skeleton(BLANK, uv * np.nan)
    with pytest.raises(ValueError, match="image is"):
        visualization.draw_skeleton(BLANK[..., 0], uv)
    with pytest.raises(ValueError, match="int64"):
        visualization.draw_skeleton(BLANK.astype(np.int64), uv)
    with pytest.raises(ValueError, match="view='back'"):
        visualization.draw_pose_3d(pose, view="back")
    with pytest.raises(ValueError, match="empty"):
        visualization.contact_sheet([], 3)
    with pytest.raises(ValueError, match="differ in size"):
        visualization.contact_sheet([BLANK, BLANK[:5]], 3)


@pytest.mark.parametrize("view", visualization.VIEWS)
def test_no_view_mirrors(view):
    rotation = visualization.VIEWS[view]
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
    picture = visualization.draw_pose_3d(marked(tip, point), view=view, size=SIZE)
    moved = towards(picture, tip)
    assert moved @ direction > 0.95 * np.linalg.norm(moved)


def test_nearer_joints_hide_farther_ones():
    for near, far in (("index_tip", "ring_tip"), ("ring_tip", "index_tip")):
        pose = marked(hand.INDEX[near], (0, 0, -10)) + marked(hand.INDEX[far], (0, 0, 10))
        picture = visualization.draw_pose_3d(pose, size=SIZE)
        colour = hand.joint_colour(hand.INDEX[near])
        np.testing.assert_array_equal(picture[SIZE // 2, SIZE // 2], colour)


def test_proportions_are_true():
    """A finger 20 to the right and one 20 down have as many pixels; the wrist is in the corner."""
    ring, index = hand.INDEX["ring_tip"], hand.INDEX["index_tip"]
    pose = marked(ring, (20, 0, 0)) + marked(index, (0, 20, 0))
    picture = visualization.draw_pose_3d(pose, size=2 * SIZE)
    moved = [towards(picture, joint) for joint in (ring, index)]
    np.testing.assert_allclose(moved[0], moved[1][::-1], atol=3)
    lengths = [(picture == hand.joint_colour(j)).all(axis=-1).sum() for j in (ring, index)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.1)


def test_truth_is_drawn_in_grey_under_the_pose(pose):
    picture = visualization.draw_pose_3d(pose, pose + 15, size=SIZE)
    assert (picture == visualization.TRUTH_COLOUR).all(axis=-1).any()
    alone = visualization.draw_pose_3d(pose, size=SIZE)
    assert not (alone == visualization.TRUTH_COLOUR).all(axis=-1).any()


def test_poses_fit_the_picture(pose):
    picture = visualization.draw_pose_3d(pose, 1.5 * pose, size=SIZE).astype(int)
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    np.testing.assert_array_equal(rim, np.broadcast_to(visualization.PAPER, rim.shape))


def test_contact_sheet_places_images_row_by_row():
    images = [np.full((4, 6, 3), 10 * i, np.uint8) for i in range(5)]
    sheet = visualization.contact_sheet(images, columns=3, padding=1)
    assert sheet.shape == (2 * 5 + 1, 3 * 7 + 1, 3)
    assert [sheet[1, 1, 0], sheet[1, 8, 0], sheet[1, 15, 0], sheet[6, 1, 0]] == [0, 10, 20, 30]
    assert sheet[6, 15, 0] == 255


@pytest.mark.parametrize("shapes", [((32, 32, 3), (16, 16, 3)), ((21, 2), (21, 2))])
def test_reconstruction_page(shapes, pose):
    rng = np.random.default_rng(0)
    x, x_rec = (rng.uniform(-0.5, 0.5, (3, *shape)) for shape in shapes)
    y = np.stack([pose] * 3)
    page = visualization.reconstruction_page(x, x_rec, y, y + 1, size=40, columns=2)
    assert page.dtype == np.uint8
    # Two strips a row, each of four pictures with 4 px between and around; 2 px around strips.
    assert page.shape == (2 * (48 + 2) + 2, 2 * (4 * 44 + 4 + 2) + 2, 3)
    assert page[:, :180].std() > 10


def test_a_page_without_reconstructions_leaves_them_out(pose):
    x, y = np.zeros((2, 32, 32, 3)), np.stack([pose] * 2)
    page = visualization.reconstruction_page(x, None, y, y, size=40, columns=2)
    assert page.shape == (48 + 4, 2 * (3 * 44 + 4 + 2) + 2, 3)


def test_figures_are_drawn(pose):
    t = np.linspace(0, 50, 11)
    curve = visualization.to_array(visualization.pck_figure({"model": (t, t / 50)}, "caption"))
    page = visualization.picture_page([[BLANK, BLANK]], ["a", "b"], ["row"], "title", "footer")
    for picture in (curve, visualization.to_array(page)):
        assert picture.dtype == np.uint8
        assert picture.shape[-1] == 3
        assert picture.std() > 10


def test_a_pose_turns_once_around_its_vertical_axis(pose):
    frames = visualization.turning(pose, frames=4, size=SIZE)
    quarter = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # x goes to where -z was
    centred = pose - (pose.min(axis=0) + pose.max(axis=0)) / 2
    extent = 1.1 * np.linalg.norm(centred, axis=1).max()
    expected = visualization.draw_pose_3d(centred @ quarter.T, extent=extent, size=SIZE)
    assert len(frames) == 4
    assert (frames[1] != expected).mean() < 0.01
    assert (frames[0] != frames[1]).mean() > 0.05


def test_an_animation_holds_its_pictures_in_order():
    pages = [np.full((8, 12, 3), level, np.uint8) for level in (0, 120, 255)]
    with Image.open(io.BytesIO(visualization.animation(pages, 50))) as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"]) == (3, (12, 8), 50)
        for number, page in enumerate(pages):
            gif.seek(number)
            np.testing.assert_allclose(np.asarray(gif.convert("RGB")), page, atol=2)
