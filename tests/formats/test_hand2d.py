"""Hands of which some joints are not known."""

import numpy as np
import pytest
import raw_trees

from dcmls_tf import hand
from dcmls_tf.formats import hand2d
from dcmls_tf.formats.hand2d import Hand2D

ONE = np.random.default_rng(0).uniform(0, 300, (21, 2)).round(2)


def unknown(*names):
    flags = np.zeros(21, bool)
    flags[[hand.INDEX[name] for name in names]] = True
    return flags


def test_rows_with_and_without_confidence():
    scored = np.column_stack([ONE, np.linspace(0, 1, 21)])
    for values in (ONE, ONE.ravel(), scored, scored.ravel()):
        found = Hand2D.of_values(values.tolist())
        np.testing.assert_allclose(found.uv[1:], ONE[1:], atol=1e-4)
    np.testing.assert_allclose(found.confidence, np.linspace(0, 1, 21), rtol=1e-6)
    assert found.unsure(0).sum() == 1
    assert found.unsure(0.5).sum() == 11


def test_a_joint_that_is_not_there_may_be_anywhere():
    rows = np.column_stack([ONE, np.ones(21)])
    rows[4] = np.nan, np.inf, 0
    assert np.isfinite(Hand2D.of_values(rows).uv).all()
    rows[4, 2] = 1
    with pytest.raises(ValueError, match="not finite"):
        Hand2D.of_values(rows)


@pytest.mark.parametrize("third", [-0.1, 1.5, np.nan, 2])
def test_a_third_number_that_is_no_confidence_is_refused(third):
    with pytest.raises(ValueError, match="no confidence"):
        Hand2D.of_values(np.column_stack([ONE, np.full(21, third)]))


def test_parts_of_a_picture_become_pixels():
    relative = Hand2D(np.full((21, 2), 0.25, np.float32), np.ones(21), relative=True)
    in_pixels = relative.in_pixels((400, 200))
    np.testing.assert_array_equal(in_pixels.uv[0], [100, 50])
    assert in_pixels.in_pixels((9, 9)) is in_pixels


def test_a_joint_lies_between_its_neighbours_or_beyond_them():
    """On a straight finger whose bones have the usual lengths, exactly where it was."""
    straight = np.zeros((21, 2))
    for number, finger in enumerate(hand.FINGERS):
        along = np.array(hand2d._ALONG[finger])[:, None]
        straight[4 * number + 1 : 4 * number + 5] = along[1:] * [np.cos(number), np.sin(number)]
    hidden = unknown("index_mcp", "middle_tip", "ring_pip", "ring_dip", "thumb_tip")
    spoilt = np.where(hidden[:, None], 1e6, straight)
    found = hand2d.filled(spoilt, hidden)
    assert found is not None
    np.testing.assert_allclose(found, straight, atol=1e-6)


def test_filled_joints_are_nearer_than_a_bone_on_bent_fingers():
    rng = np.random.default_rng(1)
    for _ in range(20):
        pose = raw_trees.random_hand(rng)[:, :2]
        joint = rng.integers(1, 21)
        hidden = np.arange(21) == joint
        found = hand2d.filled(pose, hidden)
        assert found is not None
        assert np.linalg.norm(found[joint] - pose[joint]) < 60
        np.testing.assert_array_equal(found[~hidden], pose[~hidden])


@pytest.mark.parametrize(
    "names",
    [
        ("wrist",),
        ("ring_mcp", "ring_pip", "ring_dip", "ring_tip"),
        tuple(f"{finger}_{part}" for finger in hand.FINGERS[1:] for part in ("pip", "tip")),
    ],
)
def test_too_little_is_no_hand(names):
    assert hand2d.filled(ONE, unknown(*names)) is None
