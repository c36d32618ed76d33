"""The hand as data: joints and fingers, their tree, data sets' orders, mask classes, colours.

Canonical order is the field's 21-joint order: joint 0, then thumb, index, middle, ring
and little finger, each from its base to its tip. Joint 0 is the wrist or the palm
centre, as the root convention of an experiment asks.
"""

import numpy as np
from jaxtyping import Bool, Int

FINGERS = ("thumb", "index", "middle", "ring", "little")
_THUMB_PARTS = ("cmc", "mcp", "ip", "tip")
_FINGER_PARTS = ("mcp", "pip", "dip", "tip")

JOINTS = ("wrist",) + tuple(
    f"{finger}_{part}"
    for finger in FINGERS
    for part in (_THUMB_PARTS if finger == "thumb" else _FINGER_PARTS)
)
NUM_JOINTS = len(JOINTS)
INDEX = {name: i for i, name in enumerate(JOINTS)}

PARENTS = tuple(-1 if j == 0 else 0 if j % 4 == 1 else j - 1 for j in range(NUM_JOINTS))
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)
TIPS = tuple(INDEX[f"{finger}_tip"] for finger in FINGERS)

WRIST = INDEX["wrist"]
MIDDLE_MCP = INDEX["middle_mcp"]
FINGER_BASES = tuple(INDEX[f"{finger}_mcp"] for finger in FINGERS[1:])  # without the thumb's
# The bone that normalises scale: the middle finger's first phalanx (RHD's 12-11).
SCALE_BONE = (MIDDLE_MCP, INDEX["middle_pip"])

LEFT, RIGHT = 0, 1
SIDES = ("left", "right")

# The palm's centre is midway between two joints, which data sets choose differently.
PALM_JOINTS = {
    **dict.fromkeys(("rhd", "freihand", "interhand", "own"), (WRIST, MIDDLE_MCP)),
    "stb": (WRIST, INDEX["ring_mcp"]),
}

# The classes of RHD's masks. A hand has 16: three a finger, from its tip to its base, thumb
# first, and then the palm.
BACKGROUND_CLASS, PERSON_CLASS = 0, 1
HAND_CLASSES = {LEFT: range(2, 18), RIGHT: range(18, 34)}

# Px of the longer side of a hand's box that is one in px: parts of a picture, 0 to 1, are smaller.
SMALLEST_PX = 2.0

# canonical = native[permutation]. Both map some rows to themselves and are involutions
# there, so check them against joint names, never by applying one twice.
RHD_TO_CANONICAL = np.array(
    [0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17]
)
STB_TO_CANONICAL = np.array(
    [0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4]
)
CANONICAL_TO_RHD = np.argsort(RHD_TO_CANONICAL)
CANONICAL_TO_STB = np.argsort(STB_TO_CANONICAL)

# RGB in 0..255, one hue a finger, darker at the base and lighter at the tip.
WRIST_COLOUR = (235, 235, 235)
FINGER_COLOURS = {
    "thumb": (230, 60, 50),
    "index": (245, 160, 30),
    "middle": (60, 180, 75),
    "ring": (40, 140, 240),
    "little": (190, 70, 220),
}


def joint_names(root: str) -> tuple[str, ...]:
    """`JOINTS` as data with this root (`Config.root`) has them: joint 0 is `palm` with `palm`."""
    return ("palm" if root == "palm" else JOINTS[0], *JOINTS[1:])


def finger_of(joint: int) -> str | None:
    """The name of the finger that a joint is part of; `None` for joint 0."""
    return None if joint == 0 else FINGERS[(joint - 1) // 4]


def joint_colour(joint: int) -> tuple[int, int, int]:
    """The RGB colour, each channel 0..255, that a joint and the bone to it are drawn in."""
    finger = finger_of(joint)
    return WRIST_COLOUR if finger is None else FINGER_COLOURS[finger]


def is_of_side(mask_classes: Int[np.ndarray, "*shape"], side: int) -> Bool[np.ndarray, "*shape"]:
    """Where RHD's mask classes are those of the left or the right hand."""
    classes = HAND_CLASSES[side]
    return (mask_classes >= classes.start) & (mask_classes < classes.stop)
