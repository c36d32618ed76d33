"""The joints' tree and data sets' orders, checked against names, not against themselves."""

import numpy as np
import pytest

from dcmls_tf import hand

FINGERS = ["thumb", "index", "middle", "ring", "little"]


def native_names(fingers: list[str], tip_first: bool) -> np.ndarray:
    parts = {"thumb": ["cmc", "mcp", "ip", "tip"]}
    names = ["wrist"]
    for finger in fingers:
        of_finger = parts.get(finger, ["mcp", "pip", "dip", "tip"])
        names += [f"{finger}_{p}" for p in (reversed(of_finger) if tip_first else of_finger)]
    return np.array(names)


def test_the_canonical_order_lists_fingers_from_the_thumb_each_base_to_tip():
    assert native_names(FINGERS, tip_first=False).tolist() == list(hand.JOINTS)
    assert hand.NUM_JOINTS == 21
    assert [hand.JOINTS[i] for i in (hand.WRIST, hand.MIDDLE_MCP)] == ["wrist", "middle_mcp"]


def test_rhd_lists_each_finger_from_its_tip():
    native = native_names(FINGERS, tip_first=True)
    assert tuple(native[hand.RHD_TO_CANONICAL]) == hand.JOINTS
    assert native[12] == "middle_mcp"
    assert hand.JOINTS[12] == "middle_tip"


def test_stb_lists_fingers_from_the_little_one():
    native = native_names(FINGERS[::-1], tip_first=False)
    assert tuple(native[hand.STB_TO_CANONICAL]) == hand.JOINTS


def test_inverse_orders_restore_the_native_one():
    native = np.arange(hand.NUM_JOINTS)
    for there, back in (
        (hand.RHD_TO_CANONICAL, hand.CANONICAL_TO_RHD),
        (hand.STB_TO_CANONICAL, hand.CANONICAL_TO_STB),
    ):
        np.testing.assert_array_equal(native[there][back], native)


def test_bones_lead_from_the_wrist_along_each_finger_to_its_tip():
    chains = [[hand.JOINTS[tip]] for tip in hand.TIPS]
    for chain in chains:
        while (parent := hand.PARENTS[hand.INDEX[chain[-1]]]) >= 0:
            chain.append(hand.JOINTS[parent])
    tip_first = native_names(FINGERS, tip_first=True)[1:].reshape(5, 4)
    assert chains == [[*finger, "wrist"] for finger in tip_first.tolist()]
    assert set(hand.BONES) == {(p, j) for j, p in enumerate(hand.PARENTS) if j != hand.WRIST}


def test_scale_bone_is_the_middle_fingers_first_phalanx():
    assert [hand.JOINTS[j] for j in hand.SCALE_BONE] == ["middle_mcp", "middle_pip"]


@pytest.mark.parametrize(("dataset", "knuckle"), [("rhd", "middle_mcp"), ("stb", "ring_mcp")])
def test_a_palm_is_between_the_wrist_and_its_data_sets_knuckle(dataset, knuckle):
    assert [hand.JOINTS[j] for j in hand.PALM_JOINTS[dataset]] == ["wrist", knuckle]


def test_mask_classes_of_a_side_are_rhds():
    classes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(classes[hand.is_of_side(classes, hand.LEFT)], np.r_[2:18])
    np.testing.assert_array_equal(classes[hand.is_of_side(classes, hand.RIGHT)], np.r_[18:34])
    assert (hand.BACKGROUND_CLASS, hand.PERSON_CLASS) == (0, 1)
    assert [hand.SIDES[side] for side in (hand.LEFT, hand.RIGHT)] == ["left", "right"]


def test_joints_have_their_fingers_name_and_colour():
    for joint, name in enumerate(hand.JOINTS[1:], start=1):
        finger = name.split("_")[0]
        assert hand.finger_of(joint) == finger
        assert hand.joint_colour(joint) == hand.FINGER_COLOURS[finger]
    assert hand.finger_of(hand.WRIST) is None
    assert hand.joint_colour(hand.WRIST) == hand.WRIST_COLOUR
    assert len(set(hand.FINGER_COLOURS.values())) == 5


def test_joint_0_is_named_after_the_root():
    assert hand.joint_names("palm") == ("palm", *hand.JOINTS[1:])
    for root in ("wrist", "middle_mcp"):
        assert hand.joint_names(root) == hand.JOINTS
