"""What a hand and a camera can be: rules that every sample has to keep before it is prepared.

One sample that no hand and no camera made, a bone of no length or a camera of no focal length,
turns a training to NaN, and many of one wrong unit are learnt without a word. Ranges are wide:
they part mistakes from hands, not large hands from small ones. They come from

- hands: the bones of RHD (16 to 107 mm, 60 frames of its evaluation split), of STB (its one
  subject: 15 to 78 mm) and of 242,000 rendered hands of people from child to tall (10 to 128 mm),
  and then half and one and a half times that; the proportions by Spurr et al. ("Weakly Supervised
  3D Hand Pose Estimation via Biomechanical Constraints", ECCV 2020: a phalanx has 0.15 to 0.68 of
  the bone from wrist to middle MCP), and then half and twice;
- places: hands stand at 120 to 2,200 mm in rendered frames, at 330 to 1,030 in RHD, at 450 to 850
  in STB;
- cameras: fields of view from a fisheye's border to a long telephoto lens', square pixels within a
  factor of two.

Functions take any number of hands at once.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dcmls_tf import hand

# From wrist to the four MCPs, to the thumb, and all others; mm.
PALM_MM, THUMB_MM, PHALANX_MM = (20, 200), (8, 100), (5, 80)
SCALE_MM = (10, 80)
# A bone's part of the bone from wrist to middle MCP.
PROPORTION = (0.07, 1.6)
DEPTH_MM = (20, 10_000)
# How far from the optical axis a hand may be, in depths.
OFF_AXIS = 5
FOCAL_PX = (20, 100_000)
# In longer sides of the image. A picture cut around a distant hand has up to some 30.
FOCAL_SIDES = (0.15, 100)
ASPECT = (0.5, 2)
# Of the middle of a whole camera's image, in sides: how far its principal point may be from there.
CENTRE = 0.15
# How far uv may be from the projection of xyz_mm, in longer sides of the hand's box; and px that
# are always free.
OFF_PROJECTION, FREE_PX = 0.25, 3
SIDE_PX = (16, 20_000)
# A picture holds a hand when it has some of the hand's box, this part larger on all sides.
BOX_MARGIN = 0.25

NUMBERS = ("xyz_mm", "uv", "palm_mm", "K", "palm_uv")
_MOST_ABSOLUTE = 1e6


class Hands(NamedTuple):
    """N samples: the label fields of canonical examples, and what is known of their pictures.

    size: width, height px; zeros where there is no picture. whole: whether a picture is all that
    its camera sees, not a part of it. labelled: whether uv are labels, not what a detector says.
    """

    uv: Float[np.ndarray, "N 21 2"]
    xyz_mm: Float[np.ndarray, "N 21 3"]
    palm_uv: Float[np.ndarray, "N 2"]
    palm_mm: Float[np.ndarray, "N 3"]
    K: Float[np.ndarray, "N 3 3"]
    side: Int[np.ndarray, " N"]
    size: Int[np.ndarray, "N 2"]
    whole: bool = False
    labelled: bool = True


Found = Iterator[tuple[int, str]]


def problems(hands: Hands) -> list[str]:
    """For each sample, the first rule that it breaks, in words; empty where it keeps all."""
    said = [""] * len(hands.K)
    fields = {name: np.asarray(getattr(hands, name), np.float64) for name in NUMBERS}
    hands = hands._replace(**fields)
    with np.errstate(all="ignore"):  # Of numbers that an earlier rule has found.
        for rule in RULES:
            for number, words in rule(hands):
                said[number] = said[number] or words
    return said


def finite(hands: Hands) -> Found:
    """All numbers are finite, and none is larger than any distance or pixel."""
    for name in NUMBERS[:-1]:  # `projection` judges the palm's, which follow from the others.
        values = getattr(hands, name).reshape(len(hands.K), -1)
        most = np.inf if name == "uv" else _MOST_ABSOLUTE
        for number, place in _firsts(~(np.abs(values) < most)):
            yield number, f"{name} has {values[number, place]:.4g}"


def sides(hands: Hands) -> Found:
    """A hand is a left or a right one."""
    for number in np.flatnonzero(~np.isin(hands.side, (hand.LEFT, hand.RIGHT))):
        yield int(number), f"side is {hands.side[number]}, not 0 (left) or 1 (right)"


def camera(hands: Hands) -> Found:
    """K is a camera's: focal lengths, hardly a skew, and a last row of 0, 0, 1."""
    K = hands.K
    form = np.abs(K[:, [1, 2, 2, 2], [0, 0, 1, 2]] - [0, 0, 0, 1]) < 1e-6
    skewed = np.abs(K[:, 0, 1]) > 0.1 * np.abs(K[:, 0, 0])
    for number in np.flatnonzero(~form.all(1) | skewed):
        yield int(number), "K is not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
    focal = K[:, [0, 1], [0, 1]]
    yield from _outside("the focal length in K is {:.4g} px", focal, FOCAL_PX)
    yield from _outside("fx is {:.3g} times fy in K", (focal[:, 0] / focal[:, 1])[:, None], ASPECT)


def image(hands: Hands) -> Found:
    """A picture's size fits K: its field of view and, of a whole one, its middle."""
    with_image = hands.size.min(1) > 0
    yield from _outside("the picture has a side of {} px", hands.size, SIDE_PX, with_image)
    sides = hands.K[:, [0, 1], [0, 1]].max(1) / hands.size.max(1)
    yield from _outside(
        "the focal length in K is {:.3g} of the picture's longer side",
        sides[:, None], FOCAL_SIDES, with_image,
    )  # fmt: skip
    if hands.whole:
        off = np.abs(hands.K[:, :2, 2] / hands.size - 0.5) > CENTRE
        for number in np.flatnonzero(off.any(1) & with_image):
            (x, y), (width, height) = hands.K[number, :2, 2], hands.size[number]
            yield (
                int(number),
                (
                    f"K has its centre at {x:.4g}, {y:.4g} px, which is not near the middle of a "
                    f"picture of {width}×{height} px"
                ),
            )


def place(hands: Hands) -> Found:
    """A hand is before the camera, at a distance that cameras see hands at."""
    depth = hands.xyz_mm[..., 2]
    for number, joint in _firsts(_not_within(depth, DEPTH_MM)):
        yield (
            number,
            (
                f"{hand.JOINTS[joint]} is {depth[number, joint]:.4g} mm before the camera, "
                f"not {_range(DEPTH_MM)}{_unit(hands.xyz_mm[number])}"
            ),
        )
    middle = np.concatenate([hands.xyz_mm.mean(1), hands.palm_mm], 1).reshape(-1, 2, 3)
    tangent = np.abs(middle[..., :2]).max(-1) / middle[..., 2]
    yield from _outside(
        "the hand is {:.3g} depths beside the camera's axis", tangent, (0, OFF_AXIS)
    )


def bones(hands: Hands) -> Found:
    """Bones have lengths that hands have, and lengths that go together."""
    start, end = np.transpose(hand.BONES)
    lengths = np.linalg.norm(hands.xyz_mm[:, end] - hands.xyz_mm[:, start], axis=-1)
    for number, bone in _firsts((lengths < _BONES_MM[0]) | (lengths > _BONES_MM[1])):
        low, high = _BONES_MM[:, bone]
        yield (
            number,
            (
                f"{_bone(bone)} is {lengths[number, bone]:.4g} mm long, not {low:g} to {high:g}"
                f"{_unit(hands.xyz_mm[number])}"
            ),
        )
    proportions = lengths / lengths[:, hand.MIDDLE_MCP - 1, None]
    for number, bone in _firsts(_not_within(proportions, PROPORTION)):
        yield (
            number,
            (
                f"{_bone(bone)} is {proportions[number, bone]:.3g} times as long as the bone "
                f"from wrist to middle_mcp, not {_range(PROPORTION)}"
            ),
        )
    reach = np.linalg.norm(hands.palm_mm - hands.xyz_mm[:, hand.WRIST], axis=-1)
    yield from _outside("the palm's centre is {:.4g} mm from the wrist", reach[:, None], (5, 120))


def projection(hands: Hands) -> Found:
    """uv is where K puts xyz_mm. Keypoints of a detector have only to lie about the hand."""
    points = np.concatenate([hands.xyz_mm, hands.palm_mm[:, None]], 1)
    uv = np.concatenate([hands.uv, hands.palm_uv[:, None]], 1)
    homogeneous = points @ hands.K.transpose(0, 2, 1)
    projected = homogeneous[..., :2] / homogeneous[..., 2:]
    extent = np.ptp(projected[:, :-1], axis=1).max(-1)
    free = OFF_PROJECTION if hands.labelled else 3.0
    off = np.linalg.norm(uv - projected, axis=-1)
    for number, joint in _firsts(~(off <= np.maximum(free * extent, FREE_PX)[:, None])):
        name = (*hand.JOINTS, "the palm's centre")[joint]
        yield (
            number,
            (
                f"uv of {name} is {off[number, joint]:.4g} px from where K puts its xyz, in a hand "
                f"of {extent[number]:.4g} px"
            ),
        )


def within(hands: Hands) -> Found:
    """A picture holds some of its hand."""
    low, high = hands.uv.min(1), hands.uv.max(1)
    margin = BOX_MARGIN * (high - low).max(1, keepdims=True)
    outside = ((high + margin < 0) | (low - margin > hands.size)).any(1)
    for number in np.flatnonzero(outside & (hands.size.min(1) > 0)):
        width, height = hands.size[number]
        yield int(number), f"the hand is outside of its picture of {width}×{height} px"


RULES: tuple[Callable[[Hands], Found], ...] = (
    finite,
    sides,
    camera,
    image,
    place,
    bones,
    projection,
    within,
)


def _bones_mm() -> Float[np.ndarray, "2 20"]:
    """The shortest and the longest that each bone may be."""

    def of_bone(start: int, end: int) -> tuple[float, float]:
        if (start, end) == hand.SCALE_BONE:
            return SCALE_MM
        if start != hand.WRIST:
            return PHALANX_MM
        return THUMB_MM if hand.finger_of(end) == "thumb" else PALM_MM

    return np.transpose([of_bone(*bone) for bone in hand.BONES]).astype(float)


_BONES_MM = _bones_mm()


def _bone(number: int) -> str:
    start, end = hand.BONES[number]
    scale = " (the scale bone)" if (start, end) == hand.SCALE_BONE else ""
    return f"the bone from {hand.JOINTS[start]} to {hand.JOINTS[end]}{scale}"


def _unit(xyz_mm: Float[np.ndarray, "21 3"]) -> str:
    """A guess at the unit, where a hand has another size by a thousand."""
    reach = np.linalg.norm(xyz_mm - xyz_mm[hand.WRIST], axis=-1).max()
    if 0.03 < reach < 0.4:
        return "; are these metres where millimetres belong?"
    return "; are these millimetres where metres belong?" if 3e4 < reach < 4e5 else ""


def _not_within(values: Any, limits: tuple[float, float]) -> Bool[np.ndarray, "*shape"]:
    """Where values are beyond limits, or no numbers."""
    return ~((values >= limits[0]) & (values <= limits[1]))


def _firsts(broken: Bool[np.ndarray, "N M"]) -> Iterator[tuple[int, int]]:
    """The samples that break a rule anywhere, and where first."""
    for number in np.flatnonzero(broken.any(1)):
        yield int(number), int(broken[number].argmax())


def _outside(
    words: str,
    values: Float[np.ndarray, "N M"],
    limits: tuple[float, float],
    judged: Bool[np.ndarray, " N"] | None = None,
) -> Found:
    """The samples with a value beyond limits, among those that are judged."""
    broken = _not_within(values, limits)
    for number, place in _firsts(broken if judged is None else broken & judged[:, None]):
        yield number, f"{words.format(values[number, place])}, not {_range(limits)}"


def _range(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{low:g} to {high:g}"
