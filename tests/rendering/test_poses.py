"""Sampled poses stay within human limits and out of the body, and differ between splits."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import body as body_lib
from dcmls_tf.rendering import poses

NUM_POSES = 40


@pytest.fixture(scope="module")
def person():
    return body_lib.default_body().person(2)


@pytest.fixture(scope="module")
def sample(person):
    rng = np.random.default_rng(11)
    return [poses.sample_pose(rng, "training", person) for _ in range(NUM_POSES)]


def test_same_seed_same_pose(person):
    first, second = (
        poses.sample_pose(np.random.default_rng(5), "evaluation", person) for _ in range(2)
    )
    np.testing.assert_array_equal(person.joints(first), person.joints(second))


def test_limits_hold(sample):
    columns = ("deviation", "mcp", "pip", "dip")
    thumb = ("thumb_radial", "thumb_palmar", "thumb_mcp", "thumb_ip")

    def within(values, name):
        low, high = poses.LIMITS[name]
        values = np.asarray(values)
        return np.all((values >= low) & (values <= high))

    for arm in [arm for pose in sample for arm in pose.arms]:
        for i in range(4):
            assert within(arm.fingers[1:, i], columns[i])
            assert within(arm.fingers[0, i], thumb[i])
        assert within(arm.wrist[0], "wrist_flexion")
        assert within(arm.wrist[1], "wrist_deviation")
        assert within(arm.pronation, "pronation")
        assert within(arm.elbow, "elbow")
        assert within(arm.thumb_twist, "thumb_twist")
        assert within(arm.cup, "cup")
        np.testing.assert_allclose(arm.upper.T @ arm.upper, np.eye(3), atol=1e-9)
        assert np.linalg.det(arm.upper) == pytest.approx(1)


def test_hands_stay_out_of_the_body(sample, person):
    obstacles = poses.person_obstacles(person)
    inside = 0
    for pose in sample:
        transforms = person.bone_transforms(pose)
        joints = person.joints(pose, transforms)
        inside += sum(obstacles.hit(joints[side], transforms, 0.0) for side in (0, 1))
    assert inside <= 0.02 * 2 * NUM_POSES


def test_obstacles_hold_the_trunk_and_not_the_air(person):
    obstacles = poses.person_obstacles(person)
    transforms = person.bone_transforms(body_lib.Pose.rest())
    bone = person.body.bone
    for name in ("spine03", "spine01", "head"):
        centre = (person.heads[bone[name]] + person.tails[bone[name]]) / 2
        assert obstacles.hit(centre[None], transforms, 0.0)
        assert not obstacles.hit(centre[None] + [0.0, 0.0, 0.4], transforms, 0.0)


def test_fingers_apart_sees_crossing_fingers(person):
    joints = person.joints(body_lib.Pose.rest())[hand.LEFT]
    assert poses.fingers_apart(joints)
    joints[hand.INDEX["index_tip"]] = joints[hand.INDEX["middle_tip"]]
    assert not poses.fingers_apart(joints)


def test_gestures_of_the_splits_share_only_the_neutral_hand():
    training, evaluation = (set(poses.gestures(split)) for split in body_lib.SPLITS)
    assert training & evaluation == {poses.NEUTRAL}
    assert training | evaluation == set(poses.GESTURES)
    assert 0.15 < len(evaluation) / len(poses.GESTURES) < 0.35
    for names in (training, evaluation):
        assert names & set(poses.EVERYDAY) > {poses.NEUTRAL}


def test_every_gesture_is_within_limits():
    for name, gesture in poses.GESTURES.items():
        fingers, twist, cup = poses.hand_angles(gesture)
        limited, limited_twist, limited_cup = poses.limit_hand(fingers, twist, cup)
        np.testing.assert_allclose(limited[:, 1:], fingers[:, 1:], atol=1e-9, err_msg=name)
        assert (limited_twist, limited_cup) == (twist, cup)


def tip_distance(person, gesture, a, b):
    """Distance between two joints of a gesture, in scale bones."""
    pose = body_lib.Pose.rest()
    arm = pose.arms[hand.LEFT]
    arm.fingers, arm.thumb_twist, arm.cup = poses.limit_hand(
        *poses.hand_angles(poses.GESTURES[gesture])
    )
    joints = person.joints(pose)[hand.LEFT]
    return np.linalg.norm(joints[hand.INDEX[a]] - joints[hand.INDEX[b]]) / person.scale


def test_gestures_look_like_their_names(person):
    for name in ("pinch", "ok", "tripod"):
        assert tip_distance(person, name, "thumb_tip", "index_tip") < 0.8
    assert tip_distance(person, "spread", "thumb_tip", "little_tip") > 4
    assert tip_distance(person, "fist", "middle_tip", "middle_mcp") < 1.2
    assert tip_distance(person, "point", "index_tip", "index_mcp") > 2
    assert tip_distance(person, "point", "ring_tip", "ring_mcp") < 1.3


def test_arm_reaches_its_target():
    for reach in poses.REACHES.values():
        target = np.array(reach.target)
        upper, elbow = poses._solve_arm(target, 20.0)
        fore = (upper @ body_lib.rotation(0, elbow))[:, 1]
        share = poses._UPPER_SHARE
        np.testing.assert_allclose(upper[:, 1] * share + fore * (1 - share), target, atol=1e-6)


def test_hands_vary(sample):
    fingers = np.stack([arm.fingers for pose in sample for arm in pose.arms])
    assert np.all(fingers[:, 1:, 1:3].std(0) > 12)
    assert 20 < fingers[:, 1:, 2].mean() < 70  # half-closed hands are the most frequent
