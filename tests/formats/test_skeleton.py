"""Skeletons, against SciPy's rotations and hands whose bends are known."""

import answer_files
import numpy as np
import pytest
import raw_trees
from scipy.spatial.transform import Rotation

from dcmls_tf import hand
from dcmls_tf.formats import skeleton

SIDES = pytest.mark.parametrize("side", [hand.LEFT, hand.RIGHT])
RNG = np.random.default_rng(0)


def bent(side, bends_deg):
    """A hand from `raw_trees` whose fingers' three joints are bent by these, in mm."""

    class Drawn:
        def uniform(self, low, high, size=None):
            return 1.0 if size is None else np.radians(bends_deg)

        def normal(self, size):
            return np.eye(3)

    return raw_trees.random_hand(Drawn(), side)


@SIDES
def test_a_skeleton_is_where_the_joints_are(side):
    poses = answer_files.motion(6, side)
    animation = skeleton.animate(poses, side)
    expected = poses * [0.001, -0.001, -0.001]  # metres, y up, towards the viewer
    np.testing.assert_allclose(animation.joints(), expected, atol=1e-12)
    rotations = animation.rotations
    np.testing.assert_allclose(rotations @ rotations.swapaxes(2, 3), np.broadcast_to(
        np.eye(3), rotations.shape), atol=1e-12)  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(rotations), 1)


@SIDES
def test_bones_keep_their_length_and_direction_where_a_model_changes_it(side):
    poses = answer_files.motion(5, side)
    longer = poses.copy()
    longer[2, 8] += 0.5 * (longer[2, 8] - longer[2, 7])
    joints = skeleton.animate(longer, side).joints()
    np.testing.assert_allclose(joints, poses * skeleton.TO_WORLD, atol=1e-12)


@SIDES
def test_angles_are_the_fingers_bends(side):
    angles = skeleton.animate(bent(side, [20, 50, 30])[None], side).angles()
    for finger in hand.FINGERS[1:]:
        assert angles[f"{finger}_pip"][0] == pytest.approx([50, 0], abs=1.5)
        assert angles[f"{finger}_dip"][0] == pytest.approx([30, 0], abs=1.5)
        assert angles[f"{finger}_mcp"][0, 0] == pytest.approx(20, abs=3)
    straight = skeleton.animate(bent(side, [0, 0, 0])[None], side).angles()
    assert abs(straight["middle_pip"]).max() < 1e-6


def test_a_spread_finger_is_abducted_towards_the_thumb():
    pose = bent(hand.RIGHT, [0, 0, 0])
    base = pose[5].copy()
    turn = Rotation.from_euler("z", -15, degrees=True)  # seen from the back, the thumb is left
    pose[5:9] = turn.apply(pose[5:9] - base) + base
    plain = skeleton.animate(bent(hand.RIGHT, [0, 0, 0])[None], hand.RIGHT).angles()
    spread = skeleton.animate(pose[None], hand.RIGHT).angles()
    assert spread["index_mcp"][0, 1] - plain["index_mcp"][0, 1] == pytest.approx(15, abs=0.1)


def test_angles_do_not_change_when_the_hand_turns():
    pose = raw_trees.random_hand(RNG)
    turned = pose @ raw_trees.random_rotation(RNG).T
    one, other = (skeleton.animate(p[None], hand.RIGHT).angles() for p in (pose, turned))
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], atol=1e-6)


def test_rotations_are_scipys():
    matrices = Rotation.random(200, rng=RNG).as_matrix()
    matrices[:4] = Rotation.from_euler("zyx", [[180, 0, 0], [0, 180, 0], [0, 0, 180], [0, 0, 0]],
                                       degrees=True).as_matrix()  # fmt: skip
    angles = skeleton.euler_zxy(matrices)
    np.testing.assert_allclose(Rotation.from_euler("ZXY", angles).as_matrix(), matrices, atol=1e-9)
    quaternions = skeleton.quaternions(matrices)
    np.testing.assert_allclose(Rotation.from_quat(quaternions).as_matrix(), matrices, atol=1e-9)
    assert ((quaternions[1:] * quaternions[:-1]).sum(1) >= 0).all()


def test_the_shortest_way_is_no_longer_than_the_angle_between():
    start = np.array([0.0, 1, 0])
    ends = RNG.normal(size=(50, 3))
    ends[:2] = [0, 1, 0], [0, -1, 0]
    ends /= np.linalg.norm(ends, axis=1, keepdims=True)
    turns = skeleton.shortest(start, ends)
    np.testing.assert_allclose(turns @ start, ends, atol=1e-12)
    angle = Rotation.from_matrix(turns).magnitude()
    np.testing.assert_allclose(angle, np.arccos(ends @ start), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
