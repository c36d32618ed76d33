"""Random whole-body poses in which the hands matter: everyday arms, gestures, blends.

Angles are degrees and mean what `body.Arm` says. Ranges of motion follow the clinical
norms of the American Academy of Orthopaedic Surgeons (Greene & Heckman, The Clinical
Measurement of Joint Motion, 1994); the coupling of a finger's last two joints follows
Rijpkema & Girard (SIGGRAPH 1991: DIP = 2/3 PIP) and that of neighbouring fingers
Schieber & Santello (J. Appl. Physiol. 2004).
"""

import dataclasses
import functools
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from dcmls_tf import hand
from dcmls_tf.rendering import body as body_lib

DIP_PER_PIP = 2 / 3

# Degrees, (low, high). Finger abduction is measured from the middle finger's metacarpal.
LIMITS = {
    "deviation": (-28, 24),
    "mcp": (-25, 92),
    "pip": (-4, 110),
    "dip": (-6, 80),
    "thumb_radial": (5, 72),
    "thumb_palmar": (-5, 68),
    "thumb_twist": (-20, 50),
    "thumb_mcp": (-10, 60),
    "thumb_ip": (-20, 80),
    "cup": (0, 20),
    "wrist_flexion": (-65, 70),
    "wrist_deviation": (-32, 20),
    "pronation": (-85, 85),
    "elbow": (2, 145),
}

# Thumb: radial and palmar abduction, twist, MCP and IP flexion.
THUMBS = {
    "open": (54, 30, 0, 5, 0),
    "relaxed": (38, 40, 5, 18, 14),
    "beside": (26, 24, 0, 14, 10),
    "flat": (22, 14, 0, 6, 5),
    "up": (62, 12, -5, 2, -8),
    "opposed": (38, 58, 20, 20, 25),
    "pinching": (34, 58, 25, 28, 30),
    "across": (26, 56, 25, 45, 50),
    "in_palm": (16, 62, 30, 50, 45),
    "on_index": (30, 42, 12, 28, 35),
    "wrapped": (30, 62, 22, 35, 40),
    "beyond": (22, 60, 30, 40, 25),
}


@dataclasses.dataclass(frozen=True)
class Gesture:
    """A hand by flexion, degrees: `(MCP, PIP)` or `(MCP, PIP, DIP)` a finger.

    thumb: a name in `THUMBS`; spread: how far the fingers fan out, degrees between
    neighbours; cup: hollow of the palm; deviations: extra deviation of single fingers.
    """

    thumb: str
    index: tuple[float, ...]
    middle: tuple[float, ...]
    ring: tuple[float, ...]
    little: tuple[float, ...]
    spread: float = 4.0
    cup: float = 3.0
    deviations: tuple[float, float, float, float] = (0, 0, 0, 0)


_OUT, _BENT = (2, 4), (72, 95)

GESTURES = {
    # Everyday hands: what talking, walking and waiting people show most.
    "relaxed": Gesture("relaxed", (14, 32), (18, 42), (21, 46), (23, 45)),
    "resting": Gesture("beside", (24, 42), (28, 52), (30, 55), (30, 52), 3),
    "hanging": Gesture("beside", (10, 40), (13, 50), (16, 54), (18, 50), 2),
    "half_open": Gesture("open", (8, 24), (10, 30), (12, 32), (12, 30), 7),
    "half_closed": Gesture("relaxed", (32, 58), (37, 70), (40, 74), (42, 70), 3),
    "loose_fist": Gesture("on_index", (52, 78), (58, 86), (62, 90), (62, 84), 1),
    "soft_flat": Gesture("beside", (6, 12), (7, 16), (8, 18), (10, 18), 3),
    "lazy_point": Gesture("relaxed", (10, 20), (32, 62), (40, 70), (42, 66), 3),
    "offering": Gesture("open", (12, 14), (16, 18), (20, 20), (22, 22), 5, 6),
    # Named gestures.
    "open": Gesture("open", _OUT, _OUT, _OUT, _OUT, 6),
    "spread": Gesture("up", (-8, 2), (-8, 2), (-8, 2), (-8, 2), 14, 0),
    "flat": Gesture("flat", (0, 0), (0, 0), (0, 0), (0, 0), 1, 0),
    "salute": Gesture("flat", (8, 4), (8, 4), (8, 4), (8, 5), 0, 2),
    "fist": Gesture("across", (82, 98), (86, 102), (86, 100), (84, 92), 0, 6),
    "thumb_in_fist": Gesture("in_palm", (72, 92), (78, 96), (80, 96), (80, 90), 0, 8),
    "point": Gesture("across", _OUT, _BENT, (78, 96), (78, 90), 2),
    "point_thumb_out": Gesture("up", _OUT, _BENT, (78, 96), (78, 90), 2),
    "pinch": Gesture("pinching", (48, 48, 22), (52, 52), (55, 55), (55, 52), 2),
    "pinch_open": Gesture("pinching", (48, 46, 22), (22, 22), (14, 18), (10, 16), 7),
    "ok": Gesture("pinching", (50, 52, 30), (12, 14), (4, 8), (-4, 6), 10),
    "tripod": Gesture("pinching", (46, 46, 20), (50, 46, 20), (55, 68), (55, 65), 2),
    "victory": Gesture("across", _OUT, _OUT, (80, 96), (80, 90), 5, 5, (7, -5, 0, 0)),
    "scissors": Gesture("across", (14, 8), (6, 6), (76, 92), (76, 88), 3, 5, (4, -3, 0, 0)),
    "crossed": Gesture("across", (12, 12), (4, 6), (78, 94), (78, 88), 1, 5, (-7, 9, 0, 0)),
    "three": Gesture("across", _OUT, _OUT, _OUT, (76, 86), 8, 8),
    "three_thumb": Gesture("up", _OUT, _OUT, (74, 94), (74, 88), 8),
    "four": Gesture("in_palm", _OUT, _OUT, _OUT, _OUT, 9, 4),
    "two_thumb": Gesture("up", _OUT, (76, 96), (78, 96), (78, 90), 3),
    "thumbs_up": Gesture("up", (76, 98), (80, 100), (80, 98), (80, 92), 0, 4),
    "call_me": Gesture("up", (72, 92), (76, 94), (72, 90), (2, 6), 4, 4, (0, 0, 0, -10)),
    "little_up": Gesture("across", (76, 94), (78, 96), (72, 90), (0, 6), 2),
    "horns": Gesture("across", _OUT, (78, 96), (78, 96), _OUT, 6, 4),
    "i_love_you": Gesture("up", _OUT, (76, 94), (76, 94), _OUT, 8),
    "gun": Gesture("up", _OUT, _OUT, (78, 94), (78, 88), 1),
    "grasp_large": Gesture("opposed", (22, 34), (26, 38), (28, 38), (28, 36), 8, 8),
    "grasp_small": Gesture("wrapped", (58, 66), (64, 72), (68, 74), (70, 70), 1, 8),
    "grasp_ball": Gesture("opposed", (30, 42), (32, 46), (32, 44), (32, 42), 12, 12),
    "hook": Gesture("beside", (10, 88), (12, 92), (12, 92), (12, 86), 1),
    "claw": Gesture("opposed", (-6, 62), (-6, 66), (-4, 66), (-4, 62), 11),
    "typing": Gesture("beside", (26, 34), (28, 38), (28, 38), (26, 36), 5),
    "pressing": Gesture("beside", (40, 16), (28, 44), (34, 50), (36, 50), 3),
    "pen": Gesture("on_index", (46, 52, 18), (54, 62), (58, 72), (58, 70), 1, 8),
    "key": Gesture("on_index", (48, 66), (58, 74), (62, 76), (64, 72), 0, 5),
    "cupped": Gesture("beside", (26, 20), (30, 22), (34, 24), (36, 24), 1, 14),
    "bill": Gesture("opposed", (62, 10), (64, 10), (64, 12), (62, 12), 1, 6),
    "tabletop": Gesture("flat", (80, 6), (82, 6), (82, 8), (80, 8), 0, 4),
    "snap": Gesture("opposed", (22, 28), (50, 42), (60, 78), (62, 76), 3),
    "wave_down": Gesture("beside", (30, 12), (34, 14), (36, 16), (36, 18), 4),
    "holding_phone": Gesture("opposed", (34, 30), (42, 40), (46, 46), (50, 46), 3, 10),
    "pulling": Gesture("across", (48, 88), (52, 92), (54, 92), (54, 88), 1, 4),
    "counting_little": Gesture("on_index", (20, 30), (22, 34), (40, 60), (46, 66), 5),
}
EVERYDAY = tuple(list(GESTURES)[: list(GESTURES).index("open")])
# Gestures that training never sees; `NEUTRAL` may be blended with them.
HELD_OUT = (
    "resting", "lazy_point", "four", "call_me", "pinch_open", "horns", "grasp_small",
    "scissors", "salute", "key", "snap", "typing",
)  # fmt: skip
NEUTRAL = "relaxed"
# How the fingers share a fan: index towards the thumb, little away from it.
_FAN = np.array([1.3, 0.1, -0.9, -2.0])


@dataclasses.dataclass(frozen=True)
class Reach:
    """Where a wrist is: from the shoulder, in arm lengths, chest axes, x outwards.

    jitter: standard deviation of the target; swivel: elbow from hanging (0) to raised
    sideways (90); pronation and wrist flexion: mean and standard deviation.
    """

    weight: float
    target: tuple[float, float, float]
    jitter: float
    swivel: tuple[float, float]
    pronation: tuple[float, float]
    flexion: tuple[float, float] = (-5, 18)


REACHES = {
    "at_side": Reach(1.6, (0.14, -0.95, 0.06), 0.06, (10, 25), (25, 30)),
    "at_side_bent": Reach(1.2, (0.16, -0.80, 0.28), 0.08, (15, 25), (10, 35)),
    "on_hip": Reach(0.8, (0.20, -0.66, 0.08), 0.06, (65, 15), (20, 40), (10, 25)),
    "low_front": Reach(1.2, (-0.12, -0.62, 0.42), 0.10, (20, 25), (25, 40)),
    "talking": Reach(2.2, (0.05, -0.42, 0.52), 0.13, (15, 25), (0, 45)),
    "talking_high": Reach(1.6, (0.08, -0.12, 0.52), 0.13, (15, 25), (10, 45)),
    "chest": Reach(1.2, (-0.28, -0.26, 0.42), 0.10, (30, 25), (20, 40)),
    "belly": Reach(0.8, (-0.28, -0.52, 0.34), 0.07, (30, 20), (30, 35)),
    "raised": Reach(1.2, (0.28, 0.18, 0.34), 0.12, (25, 25), (45, 35)),
    "face": Reach(1.0, (-0.22, 0.22, 0.36), 0.09, (30, 25), (10, 45)),
    "ear": Reach(0.6, (0.02, 0.28, 0.18), 0.07, (40, 20), (-10, 35)),
    "overhead": Reach(0.6, (0.12, 0.80, 0.20), 0.14, (35, 20), (30, 45)),
    "forward": Reach(1.2, (-0.02, -0.05, 0.92), 0.12, (25, 25), (30, 45)),
    "sideways": Reach(0.8, (0.82, -0.05, 0.25), 0.14, (20, 25), (30, 45)),
    "across": Reach(0.7, (-0.55, -0.12, 0.45), 0.10, (35, 20), (25, 40)),
    "behind": Reach(0.3, (0.22, -0.80, -0.28), 0.08, (20, 15), (30, 35)),
    "anywhere": Reach(1.2, (0.15, -0.15, 0.45), 0.35, (30, 30), (0, 60), (0, 28)),
}
_SITTING = {
    "on_thigh": Reach(3.0, (-0.02, -0.62, 0.50), 0.07, (25, 20), (70, 20)),
    "table": Reach(1.5, (-0.10, -0.42, 0.66), 0.10, (30, 20), (60, 30)),
}
_UPPER_SHARE = 0.527  # upper arm's share of the arm's length
_DOWN = np.array([0.12, -1.0, -0.55])
# Metres that the hands' joints keep apart, and when one hand reaches for the other.
_APART_M, _TOGETHER_M = 0.035, 0.024


def gestures(split: str) -> list[str]:
    """Names of a split's gestures; `NEUTRAL` is in both."""
    if split not in body_lib.SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {body_lib.SPLITS}")
    held_out = split == "evaluation"
    return [name for name in GESTURES if (name in HELD_OUT) == held_out or name == NEUTRAL]


def _clip(value: float | Float[np.ndarray, " N"], limit: str) -> np.ndarray:
    return np.clip(value, *LIMITS[limit])


def hand_angles(gesture: Gesture) -> tuple[Float[np.ndarray, "5 4"], float, float]:
    """Fingers, thumb's twist and cup of a gesture, as `body.Arm` holds them."""
    radial, palmar, twist, mcp, ip = THUMBS[gesture.thumb]
    fingers = np.zeros((5, 4))
    fingers[0] = radial, palmar, mcp, ip
    for i, name in enumerate(hand.FINGERS[1:]):
        mcp, pip, *dip = getattr(gesture, name)
        fan = gesture.spread * _FAN[i] + gesture.deviations[i]
        fingers[i + 1] = fan, mcp, pip, dip[0] if dip else DIP_PER_PIP * pip
    return fingers, float(twist), float(gesture.cup)


def _finger_noise(rng: np.random.Generator) -> Float[np.ndarray, "4 3"]:
    """Noise of deviation, MCP and PIP: a common part, one smooth over neighbours, one own."""
    smooth = rng.normal(0, 1, 6)
    smooth = 0.5 * (smooth[:-2] + smooth[1:-1] + smooth[2:])
    deviation = _FAN * rng.normal(0, 2) + rng.normal(0, 3.5) + 2.5 * smooth
    common = rng.normal(0, [0, 8, 11])
    flexion = common + np.outer(smooth, [0, 7, 8]) + rng.normal(0, 5, (4, 3))
    return np.column_stack([deviation + rng.normal(0, 3, 4), flexion[:, 1:]])


def sample_hand(
    rng: np.random.Generator, split: str
) -> tuple[Float[np.ndarray, "5 4"], float, float]:
    """As `hand_angles`: a blend of two gestures with correlated noise."""
    names = gestures(split)
    everyday = [name for name in names if name in EVERYDAY]
    pool = everyday if rng.random() < 0.5 else names
    first = hand_angles(GESTURES[rng.choice(pool)])
    second = hand_angles(GESTURES[rng.choice(names if rng.random() < 0.4 else everyday)])
    share: Any = rng.beta(0.5, 1.2)  # scales numbers and arrays alike
    fingers, twist, cup = ((1 - share) * a + share * b for a, b in zip(first, second, strict=True))
    fingers[1:, :3] += _finger_noise(rng)
    # From freely bent (2/3) to pressed straight against a palm or an object.
    fingers[1:, 3] = fingers[1:, 2] * rng.triangular(0.1, 0.3, 0.8) + rng.normal(0, 3, 4)
    fingers[0] += rng.normal(0, [9, 8, 8, 9])
    twist += rng.normal(0, 6)
    return limit_hand(fingers, twist, cup + abs(rng.normal(0, 3)))


def limit_hand(
    fingers: Float[np.ndarray, "5 4"], twist: float, cup: float
) -> tuple[Float[np.ndarray, "5 4"], float, float]:
    """Brings angles within `LIMITS`; a bent finger hardly abducts: its ligaments are taut."""
    fingers = fingers.copy()
    bend = np.radians(np.clip(fingers[1:, 1], 0, 90))
    fingers[1:, 0] *= 0.3 + 0.7 * np.cos(bend)
    # Neighbours may not cross at the base: each deviates at least as much as the next one.
    for i in (2, 3, 4):
        fingers[i, 0] = min(fingers[i, 0], fingers[i - 1, 0] + _crossing(fingers[i - 1 : i + 1]))
    columns = ("deviation", "mcp", "pip", "dip")
    for column, limit in enumerate(columns):
        fingers[1:, column] = _clip(fingers[1:, column], limit)
    for column, limit in enumerate(("thumb_radial", "thumb_palmar", "thumb_mcp", "thumb_ip")):
        fingers[0, column] = _clip(fingers[0, column], limit)
    return fingers, float(_clip(twist, "thumb_twist")), float(_clip(cup, "cup"))


def _crossing(pair: Float[np.ndarray, "2 4"]) -> float:
    """Degrees by which two neighbours may cross: more if their bases are bent differently."""
    return 0.6 * abs(pair[0, 1] - pair[1, 1])


def _solve_arm(
    target: Float[np.ndarray, "3"], swivel: float
) -> tuple[Float[np.ndarray, "3 3"], float]:
    """Upper-arm frame and elbow flexion that bring the wrist to `target` (arm lengths)."""
    reach = np.linalg.norm(target)
    direction = target / reach
    upper, fore = _UPPER_SHARE, 1 - _UPPER_SHARE
    reach = np.clip(reach, 0.3, 0.985)
    cosine = (upper**2 + fore**2 - reach**2) / (2 * upper * fore)
    elbow = 180 - np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    at_shoulder = np.arccos(np.clip((upper**2 + reach**2 - fore**2) / (2 * upper * reach), -1, 1))
    down = _DOWN - direction * (_DOWN @ direction)
    down /= np.linalg.norm(down)
    out = np.cross(direction, down)
    out *= np.sign(out @ np.array([1.0, 0.2, -0.4])) or 1.0
    side = np.cos(np.radians(swivel)) * down + np.sin(np.radians(swivel)) * out
    along = np.cos(at_shoulder) * direction + np.sin(at_shoulder) * side
    return body_lib.frame(along, target - along * upper), elbow


def sample_arm(
    rng: np.random.Generator, split: str, reaches: Mapping[str, Reach] | None = None
) -> body_lib.Arm:
    """Random `Arm`: a reach with jitter, forearm and wrist angles, and a hand."""
    reaches = REACHES if reaches is None else reaches
    weights = np.array([r.weight for r in reaches.values()])
    reach = list(reaches.values())[rng.choice(len(reaches), p=weights / weights.sum())]
    target = np.array(reach.target) + rng.normal(0, reach.jitter, 3)
    upper, elbow = _solve_arm(target, np.clip(rng.normal(*reach.swivel), -10, 95))
    fingers, twist, cup = sample_hand(rng, split)
    # Tenodesis: an extended wrist goes with bent fingers, a flexed one with straight fingers.
    tenodesis = -0.15 * (fingers[1:, 1].mean() - 35)
    wrist = np.array(
        [
            _clip(rng.normal(*reach.flexion) + tenodesis, "wrist_flexion"),
            _clip(rng.normal(-4, 9), "wrist_deviation"),
        ]
    )
    pronation = _clip(rng.normal(*reach.pronation), "pronation")
    return body_lib.Arm(
        upper, float(_clip(elbow, "elbow")), float(pronation), wrist, fingers, twist, cup
    )


def _sample_trunk(
    rng: np.random.Generator,
) -> tuple[
    Float[np.ndarray, "3"],
    Float[np.ndarray, "3"],
    Float[np.ndarray, "2 3"],
    Float[np.ndarray, "2"],
    bool,
]:
    """Spine, neck, hips, knees, and whether the person sits."""
    spine = np.clip(rng.normal([6, 0, 0], [10, 5, 10]), [-15, -15, -30], [45, 15, 30])
    neck = np.clip(rng.normal([4, 0, 0], [12, 6, 18]), [-30, -20, -50], [40, 20, 50])
    sitting = rng.random() < 0.2
    hips, knees = np.zeros((2, 3)), np.zeros(2)
    for side in range(2):
        if sitting:
            hips[side] = rng.normal([82, 8, 8], [8, 6, 6])
            knees[side] = rng.normal(80, 12)
        else:
            step = abs(rng.normal(0, 14))
            hips[side] = step * rng.uniform(0.4, 1), rng.normal(-4, 3), rng.normal(4, 5)
            knees[side] = step
    return spine, neck, hips, knees, sitting


class _Obstacles:
    """A person's head, trunk and thighs as stacks of ellipses, at rest."""

    SLICES = 14
    GROUPS = (
        ("spine02", ("torso", "pelvis")),
        ("head", ("head", "neck")),
        ("upperleg01.L", ("thigh_left",)),
        ("upperleg01.R", ("thigh_right",)),
    )

    def __init__(self, person: body_lib.Person) -> None:
        body = person.body
        self.bones = [body.bone[bone] for bone, _ in self.GROUPS]
        stacks = []
        for _, parts in self.GROUPS:
            mine = np.isin(body.part, [body_lib.PARTS.index(part) for part in parts])
            stacks.append(self._stack(person.rest_vertices[mine]))
        edges, low, high = (np.array(values) for values in zip(*stacks, strict=True))
        self.bottom, self.top = edges[:, :1], edges[:, -1:]
        self.centre, self.half = (low + high) / 2, (high - low) / 2

    def _stack(self, points: Float[np.ndarray, "N 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Heights of the slices' edges `[S + 1]`, lowest and highest x and z in each `[S, 2]`."""
        edges = np.linspace(points[:, 1].min(), points[:, 1].max(), self.SLICES + 1)
        low, high = [], []
        for bottom, top in itertools.pairwise(edges):
            slab = points[(points[:, 1] >= bottom) & (points[:, 1] <= top)][:, [0, 2]]
            slab = slab if len(slab) else points[:, [0, 2]].mean(0, keepdims=True)
            low.append(np.percentile(slab, 3, axis=0))
            high.append(np.percentile(slab, 97, axis=0))
        return edges, np.array(low), np.array(high)

    def hit(
        self,
        points: Float[np.ndarray, "N 3"],
        transforms: Float[np.ndarray, "B 4 4"],
        margin: float,
    ) -> bool:
        """Whether any of the points lies inside, `margin` metres included."""
        t = transforms[self.bones]
        local = (points - t[:, None, :3, 3]) @ t[:, :3, :3]
        height = local[..., 1]
        within = (height > self.bottom - margin) & (height < self.top + margin)
        share = (height - self.bottom) / (self.top - self.bottom)
        slices = np.clip(share * self.SLICES, 0, self.SLICES - 1).astype(int)
        group = np.arange(len(self.bones))[:, None]
        offset = local[..., [0, 2]] - self.centre[group, slices]
        inside = ((offset / (self.half[group, slices] + margin)) ** 2).sum(-1) < 1
        return bool((inside & within).any())


def _arm_points(
    rig: body_lib.Rig, side: int, joints: Float[np.ndarray, "21 3"]
) -> Float[np.ndarray, "N 3"]:
    """A hand's joints, and points along the outer two thirds of the forearm."""
    person = rig.person
    bone = person.body.bone[f"lowerarm01{'.L' if side == hand.LEFT else '.R'}"]
    transform = rig.transforms([bone])[0]
    elbow = transform[:3, :3] @ person.heads[bone] + transform[:3, 3]
    wrist = joints[hand.WRIST]
    shares = np.array([[0.45], [0.7]])
    return np.concatenate([joints, wrist + (1 - shares) * (elbow - wrist)])


def _hands_apart(
    left: Float[np.ndarray, "21 3"], right: Float[np.ndarray, "21 3"], least: float
) -> bool:
    """Whether no joint of one hand is nearer than `least` metres to one of the other's."""
    gap = np.linalg.norm(left[:, None] - right[None], axis=-1)
    return bool(gap.min() > least)


def fingers_apart(joints: Float[np.ndarray, "21 3"], least: float = 0.2) -> bool:
    """Whether one hand's fingers keep their middle lines apart.

    `least` is in scale bones: two fingers that touch are about 0.4 apart.
    """
    unit = np.linalg.norm(np.subtract(*joints[list(hand.SCALE_BONE)]))
    points = (_LINE_SHARES @ joints).astype(np.float32)
    square = np.einsum("pc,pc->p", points, points)
    gaps = square[:, None] + square - 2 * points @ points.T
    return bool(gaps[_OTHER_FINGERS].min() >= (least * unit) ** 2)


def _finger_lines() -> tuple[Float[np.ndarray, "P 21"], Shaped[np.ndarray, " P"]]:
    """Points along all fingers as shares of the joints, and the fingers' names.

    The thumb's metacarpal is in the palm, so its line begins at the MCP.
    """
    rows, fingers = [], []
    for near, far in hand.BONES:
        if near == hand.WRIST or near == hand.INDEX["thumb_cmc"]:
            continue
        for share in (0.25, 0.5, 0.75, 1.0):
            rows.append(np.zeros(hand.NUM_JOINTS))
            rows[-1][[near, far]] = 1 - share, share
            fingers.append(hand.finger_of(far))
    return np.array(rows), np.array(fingers)


_LINE_SHARES, _LINE_FINGERS = _finger_lines()
_OTHER_FINGERS = _LINE_FINGERS[:, None] != _LINE_FINGERS


def sample_pose(
    rng: np.random.Generator,
    split: str,
    person: body_lib.Person | None = None,
    attempts: int = 25,
    together: float = 0.0,
) -> body_lib.Pose:
    """Random `Pose` whose arms keep out of the head, the trunk and the thighs.

    person: who will take the pose (its build decides what its hands can reach); by default
        the body's first identity.
    attempts: how often arms in collision are drawn again; what is still in the way then hangs
        at the side.
    together: probability that one hand reaches for the other.
    """
    person = _default_person() if person is None else person
    spine, neck, hips, knees, sitting = _sample_trunk(rng)
    reaches = {**REACHES, **_SITTING} if sitting else REACHES
    if sitting:
        reaches = {k: v for k, v in reaches.items() if k not in ("at_side", "on_hip", "behind")}
    rig = body_lib.Rig(person, body_lib.Pose((), spine, neck, hips, knees))
    trunk = rig.transforms()  # arms do not move it
    arms: dict[int, body_lib.Arm] = {}
    joints: dict[int, np.ndarray] = {}
    bad = [hand.LEFT, hand.RIGHT]
    follower = int(rng.integers(2)) if together and rng.random() < together else None
    for _ in range(attempts):
        for side in sorted(bad, key=lambda side: side == follower):
            if side == follower:
                near = {"together": _reach_for(rig, trunk, side, joints[1 - side])}
            else:
                near = reaches
            arms[side] = sample_arm(rng, split, near)
            rig.move_arm(side, arms[side])
            joints[side] = rig.hand(side)
        bad = [side for side in bad if not _is_free(rig, side, joints[side], trunk)]
        least = _APART_M if follower is None else _TOGETHER_M
        if not bad and not _hands_apart(joints[hand.LEFT], joints[hand.RIGHT], least):
            bad = [int(rng.integers(2))] if follower is None else [follower]
        if not bad:
            break
    for side in bad:
        arms[side] = _aside(arms[side])
    return body_lib.Pose((arms[hand.LEFT], arms[hand.RIGHT]), spine, neck, hips, knees)


def _reach_for(
    rig: body_lib.Rig,
    trunk: Float[np.ndarray, "B 4 4"],
    side: int,
    other: Float[np.ndarray, "21 3"],
) -> Reach:
    """The `Reach` of a wrist whose hand comes near the other side's joints, `other`."""
    person, limbs = rig.person, rig.person.limbs[side]
    shoulder = limbs.bone["upperarm01"]
    at = body_lib.moved(trunk[shoulder], person.heads[shoulder])
    bones = ("upperarm01", "lowerarm01"), ("lowerarm01", "wrist")
    length = sum(np.linalg.norm(limbs.heads[a] - limbs.heads[b]) for a, b in bones)
    chest = trunk[person.body.bone["spine01"], :3, :3]
    target = limbs.mirror @ chest.T @ (other.mean(0) - at) / length
    # The wrist stays short of the other hand, towards the follower's own side.
    target = target + np.array([0.14, -0.08, 0.0])
    x, y, z = target.tolist()
    return Reach(1.0, (x, y, z), 0.07, (25, 25), (10, 50))


def _is_free(
    rig: body_lib.Rig,
    side: int,
    joints: Float[np.ndarray, "21 3"],
    trunk: Float[np.ndarray, "B 4 4"],
) -> bool:
    """Whether an arm keeps out of the body, and its fingers out of one another."""
    obstacles = person_obstacles(rig.person)
    return fingers_apart(joints) and not obstacles.hit(_arm_points(rig, side, joints), trunk, 0.008)


def _aside(arm: body_lib.Arm) -> body_lib.Arm:
    """The same hand on an arm that hangs well away from the body."""
    upper, elbow = _solve_arm(np.array([0.5, -0.75, 0.15]), 20.0)
    return dataclasses.replace(arm, upper=upper, elbow=elbow)


@functools.lru_cache(maxsize=1)
def _default_person() -> body_lib.Person:
    return body_lib.default_body().person(0)


@functools.lru_cache(maxsize=64)
def person_obstacles(person: body_lib.Person) -> _Obstacles:
    """The person's `_Obstacles`, made once."""
    return _Obstacles(person)
