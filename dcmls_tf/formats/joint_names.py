"""Names that others give to joints of hands, as the package's own (`hand.JOINTS`).

    canonical         thumb_cmc, index_mcp, little_tip
    MediaPipe         THUMB_CMC, INDEX_FINGER_MCP, PINKY_TIP
    COCO-WholeBody    left_hand_root, left_thumb1, left_forefinger2, left_pinky_finger4
    InterHand2.6M     r_thumb4, L_Index_1, r_wrist

A number counts from the base of a finger, 1, to its tip, 4. A list of names of which 21 are a
hand's is an order of joints, whatever it is; without names 21 joints are in the canonical order,
which is that of COCO-WholeBody, MediaPipe, OpenPose and FreiHAND as well.
"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from dcmls_tf import hand

Order = Int[np.ndarray, "21"]
# Side, `None` where names do not tell it → the places of a hand's joints in canonical order.
Orders = dict[int | None, Order]

_FINGERS = {
    "thumb": "thumb",
    **dict.fromkeys(("index", "forefinger", "fore", "pointer"), "index"),
    "middle": "middle",
    "ring": "ring",
    **dict.fromkeys(("little", "pinky", "pinkie", "small"), "little"),
}
_SIDES = {"l": hand.LEFT, "left": hand.LEFT, "r": hand.RIGHT, "right": hand.RIGHT}
_ROOTS = ("handroot", "root", "wrist")
_NAME = re.compile(rf"({'|'.join(_FINGERS)})(?:finger)?(cmc|mcp|pip|dip|ip|tip|[1-4])")
# Of whole bodies: where the left hand's joints begin, and the right one's follow.
WHOLE_BODIES = {133: 91, 136: 94}  # COCO-WholeBody, Halpe


def place(name: str) -> tuple[int | None, int] | None:
    """Side, if the name tells it, and canonical number of a joint; `None` for what is none."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    side = _SIDES.get(words[0]) if words else None
    plain = "".join(words if side is None else words[1:])
    if plain in _ROOTS:
        return side, hand.WRIST
    found = _NAME.fullmatch(plain)
    if not found:
        return None
    finger, part = _FINGERS[found[1]], found[2]
    if part.isdecimal():
        return side, 4 * hand.FINGERS.index(finger) + int(part)
    joint = hand.INDEX.get(f"{finger}_{part}")
    return None if joint is None else (side, joint)


def orders(names: Sequence[str], count: int) -> Orders:
    """Where hands are among `count` joints with these names, of which there may be none.

    Raises `ValueError` where that is not known.
    """
    if count in WHOLE_BODIES:
        first = WHOLE_BODIES[count]
        left = first + np.arange(hand.NUM_JOINTS)
        return {hand.LEFT: left, hand.RIGHT: left + hand.NUM_JOINTS}
    if names:
        return _named(names, count)
    if count != hand.NUM_JOINTS:
        raise ValueError(f"{count} joints without names; a hand has {hand.NUM_JOINTS}")
    return {None: np.arange(hand.NUM_JOINTS)}


def _named(names: Sequence[str], count: int) -> Orders:
    if len(names) != count:
        raise ValueError(f"{len(names)} names of joints for {count} joints")
    found: dict[int | None, dict[int, int]] = {}
    for number, name in enumerate(names):
        known = place(str(name))
        if known:
            found.setdefault(known[0], {})[known[1]] = number
    whole = {
        side: np.array([places[joint] for joint in range(hand.NUM_JOINTS)])
        for side, places in found.items()
        if len(places) == hand.NUM_JOINTS
    }
    if not whole:
        unknown = next((name for name in names if not place(str(name))), names[0])
        raise ValueError(f"names of joints that are no hand's, such as {str(unknown)[:40]}")
    return whole


def side_named(name: object) -> int | None:
    """The side that a text such as `left`, `Right` or `left_hand` names."""
    words = re.split(r"[^a-z]+", name.lower()) if isinstance(name, str) else []
    return _SIDES.get(words[0]) if words else None
