"""Names of joints as MediaPipe, COCO-WholeBody and InterHand2.6M have them."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.formats import joint_names

MEDIAPIPE = [
    "WRIST",
    *(f"THUMB_{part}" for part in ("CMC", "MCP", "IP", "TIP")),
    *(f"{f}_FINGER_{p}" for f in ("INDEX", "MIDDLE", "RING") for p in ("MCP", "PIP", "DIP", "TIP")),
    *(f"PINKY_{part}" for part in ("MCP", "PIP", "DIP", "TIP")),
]
FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
WHOLE_BODY_LEFT = ["left_hand_root", *(f"left_{f}{n}" for f in FINGERS for n in (1, 2, 3, 4))]


def interhand(side):
    """InterHand2.6M's order: each finger from its tip, and the wrist at the end."""
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    return [*(f"{side}_{f}{n}" for f in fingers for n in (4, 3, 2, 1)), f"{side}_wrist"]


def test_own_names_are_their_own_order():
    assert [joint_names.place(name) for name in hand.JOINTS] == [(None, j) for j in range(21)]


@pytest.mark.parametrize(
    ("names", "side"), [(MEDIAPIPE, None), (WHOLE_BODY_LEFT, hand.LEFT)], ids=["mp", "coco"]
)
def test_others_of_the_same_order(names, side):
    (order,) = joint_names.orders(names, 21).items()
    assert order[0] == side
    np.testing.assert_array_equal(order[1], np.arange(21))


def test_both_hands_from_tip_to_base():
    orders = joint_names.orders([*interhand("r"), *interhand("L")], 42)
    assert set(orders) == {hand.LEFT, hand.RIGHT}
    right = orders[hand.RIGHT]
    assert right[hand.WRIST] == 20
    assert right[hand.INDEX["thumb_tip"]] == 0
    assert right[hand.INDEX["thumb_cmc"]] == 3
    assert right[hand.INDEX["little_mcp"]] == 19
    np.testing.assert_array_equal(orders[hand.LEFT], right + 21)


@pytest.mark.parametrize(("count", "left", "right"), [(133, 91, 112), (136, 94, 115)])
def test_hands_of_whole_bodies(count, left, right):
    orders = joint_names.orders([], count)
    assert (orders[hand.LEFT][0], orders[hand.RIGHT][0]) == (left, right)
    assert orders[hand.RIGHT][20] == right + 20 < count


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        ([], 20, "20 joints without names"),
        ([], 42, "42 joints without names"),
        (hand.JOINTS[1:], 21, "20 names of joints for 21"),
        (["nose", *hand.JOINTS[1:]], 21, "such as nose"),
        (["thumb_pip", *hand.JOINTS[1:]], 21, "such as thumb_pip"),
        ([hand.JOINTS[1], *hand.JOINTS[1:]], 21, "no hand's"),
    ],
)
def test_what_is_no_order_is_said(names, count, said):
    with pytest.raises(ValueError, match=said):
        joint_names.orders(names, count)


def test_a_side_is_told_from_its_name():
    named = {"left": 0, "Right": 1, "left_hand": 0, "L": 0, "interacting": None, None: None}
    assert {name: joint_names.side_named(name) for name in named} == named
