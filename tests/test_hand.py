"""The joints' tree and dataset orders, checked against names, not against themselves."""

import numpy as np

from dcmls_tf import hand


def native_names(prefix_order, tip_first):
    parts = {"thumb": ["cmc", "mcp", "ip", "tip"]}
    names = ["wrist"]
    for finger in prefix_order:
        of_finger = parts.get(finger, ["mcp", "pip", "dip", "tip"])
        names += [f"{finger}_{p}" for p in (reversed(of_finger) if tip_first else of_finger)]
    return np.array(names)


def test_rhd_lists_each_finger_from_its_tip():
    native = native_names(["thumb", "index", "middle", "ring", "little"], tip_first=True)
    assert tuple(native[hand.RHD_TO_CANONICAL]) == hand.JOINTS
    assert native[12] == "middle_mcp"
    assert hand.JOINTS[12] == "middle_tip"


def test_stb_lists_fingers_from_the_little_one():
    native = native_names(["little", "ring", "middle", "index", "thumb"], tip_first=False)
    assert tuple(native[hand.STB_TO_CANONICAL]) == hand.JOINTS


def test_inverse_orders_restore_the_native_one():
    native = np.arange(hand.NUM_JOINTS)
    for there, back in (
        (hand.RHD_TO_CANONICAL, hand.CANONICAL_TO_RHD),
        (hand.STB_TO_CANONICAL, hand.CANONICAL_TO_STB),
    ):
        np.testing.assert_array_equal(native[there][back], native)


def test_bones_join_neighbours_of_one_finger():
    assert len(hand.BONES) == hand.NUM_JOINTS - 1
    for parent, child in hand.BONES:
        assert parent == 0 or hand.finger_of(parent) == hand.finger_of(child)


def test_scale_bone_is_the_middle_fingers_first_phalanx():
    assert [hand.JOINTS[j] for j in hand.SCALE_BONE] == ["middle_mcp", "middle_pip"]
