"""The body's joints, labels (`regions`) and kinematics, checked against its own mesh."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import body as body_lib
from dcmls_tf.rendering import poses


@pytest.fixture(scope="module")
def body():
    return body_lib.default_body()


@pytest.fixture(scope="module")
def person(body):
    return body.person(0)


def bent_pose(seed=0):
    """Arms stretched sideways and up, random hands: nothing touches anything."""
    rng = np.random.default_rng(seed)
    pose = body_lib.Pose.rest()
    for arm in pose.arms:
        arm.upper = body_lib.frame(np.array([1.0, 0.1, 0.3]), np.array([0.0, 1.0, 0.0]))
        arm.elbow, arm.pronation = rng.uniform(10, 100), rng.uniform(-70, 70)
        arm.wrist = rng.uniform(-30, 30, 2)
        arm.fingers, arm.thumb_twist, arm.cup = poses.sample_hand(rng, "training")
    return pose


def winding_numbers(points, vertices, faces):
    """How often the surface winds around each point (Jacobson et al. 2013); 0 is outside."""
    result = []
    for point in points:
        a, b, c = np.moveaxis(vertices[faces] - point, 1, 0)
        la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
        volume = np.einsum("fi,fi->f", a, np.cross(b, c))
        edges = [np.einsum("fi,fi->f", *pair) for pair in ((a, b), (b, c), (c, a))]
        below = la * lb * lc + edges[0] * lc + edges[1] * la + edges[2] * lb
        result.append(np.arctan2(volume, below).sum() / (2 * np.pi))
    return np.array(result)


def arm_faces(body):
    parts = [body_lib.PARTS.index(f"{p}_{s}") for p in ("forearm", "hand") for s in hand.SIDES]
    return body.faces[np.isin(body.part[body.faces], parts).all(1)]


@pytest.mark.parametrize("identity", [0, 9, 23])
def test_joints_lie_inside_the_skin(body, identity):
    posed = body.person(identity).pose(bent_pose(identity))
    joints = posed.joints.reshape(-1, 3)
    turns = winding_numbers(joints, posed.vertices.astype(float), arm_faces(body))
    outside = [f"{hand.SIDES[i // 21]} {hand.JOINTS[i % 21]}" for i in np.flatnonzero(turns < 0.5)]
    assert not outside


def test_tips_are_just_under_the_skin(body, person):
    posed = person.pose(bent_pose())
    for side in (hand.LEFT, hand.RIGHT):
        for tip in posed.joints[side, list(hand.TIPS)]:
            depth = np.linalg.norm(posed.vertices - tip, axis=1).min()
            assert 0.001 < depth < 0.006


def test_arrays_fit_together(body, person):
    num_vertices = len(body.part)
    assert body.faces.max() == num_vertices - 1
    assert person.rest_vertices.shape == (num_vertices, 3)
    for mask in (body.nail, body.eye, body.lip, body.scalp):
        assert mask.shape == (num_vertices,)
        assert mask.any()
        assert not mask.all()
    assert body.along.min() >= 0
    assert body.along.max() <= 1
    assert set(np.unique(body.face_class)) == set(range(1, 34))
    assert set(np.unique(body.part)) == set(range(len(body_lib.PARTS)))


def test_faces_look_outwards(body, person):
    vertices = person.rest_vertices
    a, b, c = np.moveaxis(vertices[body.faces], 1, 0)
    volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    assert 0.02 < volume < 0.2  # litres / 1000 of a person


def test_left_is_the_persons_left(body, person):
    left = body.part == body_lib.PARTS.index("hand_left")
    assert person.rest_vertices[left, 0].min() > 0
    rest = person.pose(body_lib.Pose.rest())
    assert rest.joints[hand.LEFT, :, 0].min() > 0 > rest.joints[hand.RIGHT, :, 0].max()
    eyes = person.rest_vertices[body.eye].mean(0)
    head = person.rest_vertices[body.part == body_lib.PARTS.index("head")].mean(0)
    assert eyes[2] > head[2] + 0.015  # looks along +z


def test_mirrored_pose_mirrors_the_joints(person):
    pose = bent_pose(1)
    pose.spine, pose.neck = np.array([5.0, 4.0, 9.0]), np.array([3.0, -5.0, 12.0])
    mirror = np.array([-1.0, 1.0, 1.0])
    expected = person.joints(pose)[::-1] * mirror
    np.testing.assert_allclose(person.joints(pose.mirrored()), expected, atol=3e-3)


def test_bones_keep_their_lengths(person):
    def lengths(pose):
        joints = person.joints(pose)
        return np.array(
            [np.linalg.norm(joints[:, c] - joints[:, p], axis=1) for p, c in hand.BONES]
        )

    rest = lengths(body_lib.Pose.rest())
    # Cupping the palm brings the little and ring knuckles a little nearer to the wrist.
    np.testing.assert_allclose(lengths(bent_pose(2)), rest, rtol=0.03)
    digits = [i for i, (parent, _) in enumerate(hand.BONES) if parent != hand.WRIST]
    np.testing.assert_allclose(lengths(bent_pose(2))[digits], rest[digits], rtol=1e-6)


def test_canonical_order_is_anatomical(body):
    for identity in range(0, body.num_identities, 7):
        person = body.person(identity)
        pose = body_lib.Pose.rest()
        for arm in pose.arms:
            arm.fingers = np.array([[40.0, 20, 0, 0]] + [[0.0, 0, 0, 0]] * 4)
        for joints in person.joints(pose):
            knuckles = joints[[hand.INDEX[f"{f}_mcp"] for f in hand.FINGERS[1:]]]
            tips = joints[list(hand.TIPS)]
            reach = np.linalg.norm(tips - joints[hand.WRIST], axis=1)
            assert reach.argmax() == hand.FINGERS.index("middle")
            assert reach.argmin() == hand.FINGERS.index("thumb")
            radial = knuckles[0] - knuckles[3]
            assert np.all(np.diff(knuckles @ radial) < 0)
            assert (tips[0] - knuckles[0]) @ radial > 0  # the thumb is on the index's side
            for finger in range(5):
                chain = joints[[0] + list(range(1 + 4 * finger, 5 + 4 * finger))]
                assert np.all(np.diff(np.linalg.norm(chain - chain[0], axis=1)) > 0)
            # Hanging arms: thumbs in front.
            assert radial[2] > 0


@pytest.mark.parametrize("finger", hand.FINGERS[1:])
def test_flexion_moves_tips_to_the_palm(person, finger):
    row = hand.FINGERS.index(finger)
    straight, bent = body_lib.Pose.rest(), body_lib.Pose.rest()
    for pose, angle in ((straight, 0.0), (bent, 60.0)):
        for arm in pose.arms:
            arm.fingers = np.zeros((5, 4))
            arm.fingers[row, 1:] = angle
    before, after = person.joints(straight), person.joints(bent)
    tip = hand.INDEX[f"{finger}_tip"]
    # Hanging arms, thumbs in front: the palm faces the body.
    assert after[hand.LEFT, tip, 0] < before[hand.LEFT, tip, 0] - 0.02
    assert after[hand.RIGHT, tip, 0] > before[hand.RIGHT, tip, 0] + 0.02
    others = [j for j in range(21) if hand.finger_of(j) != finger]
    np.testing.assert_allclose(after[:, others], before[:, others], atol=1e-9)


def test_angles_mean_what_they_say(person):
    pose = bent_pose(3)
    joints = person.joints(pose)[hand.LEFT]
    for row, finger in enumerate(hand.FINGERS[1:], start=1):
        mcp, pip, dip = (joints[hand.INDEX[f"{finger}_{part}"]] for part in ("mcp", "pip", "dip"))
        u, v = pip - mcp, dip - pip
        angle = np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))
        assert abs(angle - abs(pose.arms[hand.LEFT].fingers[row, 2])) < 8


def test_mask_classes_follow_the_fingers(body, person):
    """RHD: three classes a finger, tip first, thumb first, then the palm."""
    posed = person.pose(bent_pose(4))
    centres = posed.vertices[body.faces].mean(1)
    for side, first in {hand.LEFT: 2, hand.RIGHT: 18}.items():
        joints = posed.joints[side]
        for finger in range(5):
            for k in range(3):
                mine = centres[body.face_class == first + 3 * finger + k]
                far = 4 + 4 * finger - k
                middle = (joints[far] + joints[far - 1]) / 2
                length = np.linalg.norm(joints[far] - joints[far - 1])
                assert np.linalg.norm(mine.mean(0) - middle) < 0.6 * length


def test_splits_share_no_identity(body):
    training, evaluation = (body.identities(split) for split in body_lib.SPLITS)
    assert not set(training) & set(evaluation)
    assert sorted(training + evaluation) == list(range(body.num_identities))
    with pytest.raises(ValueError, match="'test'"):
        body.identities("test")


def test_scale_bones_are_human(body):
    scales = np.array([body.person(i).scale for i in range(body.num_identities)])
    assert scales.min() > 0.02
    assert scales.max() < 0.055
    assert 0.033 < scales.mean() < 0.042
