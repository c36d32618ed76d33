"""Poses corrected by the detector's depths: frames, features, the network, the file in the box."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import depths
from dcmls_tf.photos.depths import DepthCorrection, Hands

rng = np.random.default_rng(0)
PALM = [hand.WRIST, hand.MIDDLE_MCP]


def some_hands(count=5, side=None):
    """Hands whose keypoints and depths are their joints' own, by 3 px a mm and off by some px."""
    joints = rng.normal(size=(count, 21, 3)) * 40
    off_palm = joints - joints[:, PALM].mean(1, keepdims=True)
    relative = np.concatenate([np.zeros((count, 1, 3)), off_palm[:, 1:]], 1)
    keypoints = 3 * joints[..., :2] + [50, 20]
    side = rng.integers(0, 2, count) if side is None else np.full(count, side)
    return Hands(relative, keypoints, 3 * joints[..., 2] + 7, side)


def rotated(hands, degrees):
    """The same hands in a picture that is turned."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    joints = np.concatenate([hands.joints_mm[..., :2] @ turn.T, hands.joints_mm[..., 2:]], -1)
    return hands._replace(joints_mm=joints, keypoints=hands.keypoints @ turn.T)


def mirrored(hands):
    """The other hands, in the mirrored picture."""
    return hands._replace(
        joints_mm=hands.joints_mm * [-1, 1, 1],
        keypoints=hands.keypoints * [-1, 1],
        side=hand.LEFT + hand.RIGHT - hands.side,
    )


def a_correction(width=6):
    shapes = [(84, width), (width, 60)]
    return DepthCorrection(
        [(rng.normal(size=s) / 9, rng.normal(size=s[1:])) for s in shapes], np.ones(21)
    )


def test_the_frame_of_a_hand_has_its_fingers_up_and_a_left_one_mirrored():
    hands = some_hands()
    turn = hands.turn()
    np.testing.assert_allclose(turn @ np.swapaxes(turn, 1, 2), [np.eye(3)] * 5, atol=1e-5)
    signs = np.where(hands.side == hand.LEFT, -1, 1)
    np.testing.assert_allclose(np.linalg.det(turn), signs, rtol=1e-5)
    way = hands.keypoints[:, [5, 9, 13, 17]].mean(1) - hands.keypoints[:, 0]
    across, down = np.einsum("nij,nj->in", turn[:, :2, :2], way)
    np.testing.assert_allclose(across, 0, atol=1e-3)
    assert (down < 0).all()


def test_features_are_the_pose_and_the_depths_in_scale_bones():
    hands = some_hands()
    features = hands.features()
    unit = np.linalg.norm(hands.joints_mm[:, 9] - hands.joints_mm[:, 10], axis=-1)
    poses = features[:, :63].reshape(-1, 21, 3)
    lengths = np.linalg.norm(hands.joints_mm, axis=-1) / unit[:, None]
    np.testing.assert_allclose(np.linalg.norm(poses, axis=-1), lengths, rtol=1e-5)
    # These keypoints and depths are the pose's own, so that the depths are its z.
    np.testing.assert_allclose(features[:, 63:], poses[..., 2], atol=1e-4)


@pytest.mark.parametrize("change", [mirrored, lambda hands: rotated(hands, 130)])
def test_a_mirrored_or_turned_picture_is_the_same_to_the_network(change):
    hands, correction = some_hands(), a_correction()
    changed = change(hands)
    np.testing.assert_allclose(changed.features(), hands.features(), atol=1e-4)
    after = hands._replace(joints_mm=correction(hands))
    np.testing.assert_allclose(correction(changed), change(after).joints_mm, atol=1e-3)


def test_neither_where_the_hand_is_nor_its_size_in_px_matters():
    hands, correction = some_hands(), a_correction()
    other = hands._replace(keypoints=2 * hands.keypoints + 99, depths=2 * hands.depths - 5)
    np.testing.assert_allclose(correction(other), correction(hands), atol=1e-3)


def test_the_network_moves_all_joints_but_the_root():
    hands = some_hands(1, hand.RIGHT)
    (kernel, bias), (last, last_bias) = a_correction().layers
    correction = DepthCorrection([(kernel, bias), (last, last_bias)], np.ones(21))
    hidden = np.maximum(hands.features() @ kernel + bias, 0)
    moved = (hidden @ last + last_bias).reshape(20, 3)
    expected = hands.joints_mm[0, 1:] + hands.unit_mm[0] * moved @ hands.turn()[0]
    np.testing.assert_allclose(correction(hands)[0, 1:], expected, atol=1e-4)
    np.testing.assert_array_equal(correction(hands)[0, 0], 0)


def test_a_file_is_what_was_saved(tmp_path):
    correction, hands = a_correction(), some_hands()
    correction.std_factors = np.linspace(0.5, 2, 21)
    path = str(tmp_path / "depths.npz")
    correction.save(path)
    loaded = DepthCorrection.load(path)
    # Weights are float16, and joints are moved by some 100 mm.
    np.testing.assert_allclose(loaded(hands), correction(hands), atol=1.0)
    np.testing.assert_allclose(loaded.std_factors, correction.std_factors, rtol=1e-3)


def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "depths.npz").write_bytes(b"none")
    for name in ("depths.npz", "missing.npz"):
        with pytest.raises(UserError, match=rf"{name}: cannot be read .* install the package anew"):
            DepthCorrection.load(str(tmp_path / name))


def rest_hands():
    """Right hands at rest, from 50 directions, with keypoints and depths of their own."""
    from scipy.spatial.transform import Rotation

    from dcmls_tf.rendering import body

    rest = [1000 * body.default_body().person(i).rest_joints[hand.RIGHT] for i in range(10)]
    turns = Rotation.from_quat(np.random.default_rng(1).normal(size=(50, 4))).as_matrix()
    joints = np.stack([rest[i % 10] @ turn.T for i, turn in enumerate(turns)])
    palm = joints[:, PALM].mean(1, keepdims=True)
    relative = np.concatenate([np.zeros((50, 1, 3)), (joints - palm)[:, 1:]], 1)
    return Hands(relative, joints[..., :2], joints[..., 2], np.full(50, hand.RIGHT))


def test_the_file_in_the_box_turns_fingers_towards_the_depths():
    correction, hands = DepthCorrection.load(depths.FILE), rest_hands()
    moved = np.linalg.norm(correction(hands) - hands.joints_mm, axis=-1)
    assert moved.mean() < 25  # mm, of poses that agree with their depths
    index = np.arange(5, 9)
    deeper = hands._replace(depths=hands.depths.copy())
    deeper.depths[:, index] += np.array([0, 10, 20, 30])
    gone = (correction(deeper) - correction(hands))[:, index, 2].mean(0)
    assert (np.diff(gone) > 0).all()
    assert gone[-1] > 2
    assert correction.std_factors.shape == (21,)
