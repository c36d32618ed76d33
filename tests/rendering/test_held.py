"""Things fit between palm and fingers, and look outwards."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import body as body_lib
from dcmls_tf.rendering import camera, held, occlusion, poses


def volume(vertices, faces):
    a, b, c = np.moveaxis(vertices[faces].astype(float), 1, 0)
    return np.einsum("fi,fi->", a, np.cross(b, c)) / 6


def grasping(gesture, side=hand.LEFT):
    """Both hands' joints; one makes the gesture, both arms hang."""
    pose = body_lib.Pose.rest()
    arm = pose.arms[side]
    arm.fingers, arm.thumb_twist, arm.cup = poses.hand_angles(poses.GESTURES[gesture])
    return body_lib.default_body().person(4).joints(pose)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("cylinder", np.pi * 0.02**2 * 0.12),
        ("sphere", 4 / 3 * np.pi * 0.02**3),
        ("capsule", np.pi * 0.02**2 * 0.08 + 4 / 3 * np.pi * 0.02**3),
    ],
)
def test_round_shapes_have_their_volume_and_look_outwards(shape, expected):
    assert volume(*held._lathe(shape, 0.02, 0.06)) == pytest.approx(expected, rel=0.03)


def test_box_has_its_volume_and_looks_outwards():
    assert volume(*held._box(np.array([0.01, 0.02, 0.03]))) == pytest.approx(0.02 * 0.04 * 0.06)


@pytest.mark.parametrize("side", [hand.LEFT, hand.RIGHT])
def test_grasped_things_leave_the_bones_alone_and_are_near_the_palm(side):
    joints = grasping("grasp_large", side)
    rng = np.random.default_rng(side)
    bones = np.concatenate([joints[side, [a, b]].mean(0)[None] for a, b in hand.BONES])
    for _ in range(12):
        thing = held.sample_thing(rng, joints, side)
        assert thing is not None
        assert np.linalg.norm(thing.vertices.mean(0) - joints[side].mean(0)) < 0.1
        near = np.linalg.norm(thing.vertices[:, None] - bones, axis=-1).min()
        assert near > 0.007


def test_pinched_things_are_at_the_tips():
    joints = grasping("pinch")
    thumb, index = joints[hand.LEFT, list(hand.TIPS[:2])]
    gap = float(np.linalg.norm(thumb - index))
    thing = held._pinched(np.random.default_rng(0), joints[hand.LEFT], gap)
    low, high = thing.vertices.min(0), thing.vertices.max(0)
    middle = (thumb + index) / 2
    assert (middle > low - 0.05).all()
    assert (middle < high + 0.05).all()


def test_a_thing_hides_what_is_behind_it():
    """A wall between camera and hand leaves no joint visible."""

    person = body_lib.default_body().person(0)
    posed = person.pose(body_lib.Pose.rest())
    copy = occlusion.coarse(person.body)
    target = posed.joints[hand.LEFT].mean(0)
    view = camera.look_at(
        target, np.array([0.0, 0.0, 1.0]), 0.5, 0.0, np.array([160, 160]), camera.intrinsics(280.0)
    )
    local, faces = held._box(np.array([0.2, 0.2, 0.01]))
    wall = held._placed(local, faces, target + (0, 0, 0.2), np.eye(3))
    uv, z = view.project(posed.joints)
    open_, hidden = (
        occlusion.Occluder(copy, posed.vertices[copy.vertices], thing).visible(view, uv, z)
        for thing in (None, wall)
    )
    assert open_[hand.LEFT].sum() > 15
    assert hidden[hand.LEFT].sum() == 0
