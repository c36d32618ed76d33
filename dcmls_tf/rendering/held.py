"""Simple things in a hand: bottles, balls, boxes, pens, sized to what the fingers leave free.

A thing is placed where the posed hand could hold it and made as thick as the gap between the
fingers allows, so that it touches the skin without cutting the bones.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from dcmls_tf import hand
from dcmls_tf.rendering.body import frame

SHAPES = ("cylinder", "capsule", "sphere", "box")
_AROUND = 28  # corners of a round section
_FLESH_M = {"palm": 0.013, "finger": 0.008}
_THINNEST_M, _THICKEST_M = 0.007, 0.05
_LEAST_TOUCHING = 10  # points of the hand that hold a thing
_PINCH_M = 0.035  # between the tips of thumb and index finger


@dataclasses.dataclass(frozen=True)
class Thing:
    """The surface of a thing in a hand.

    vertices: world, metres; local: the same in the thing's own axes, y along it; faces:
    counter-clockwise seen from outside.
    """

    vertices: Float[np.ndarray, "N 3"]
    local: Float[np.ndarray, "N 3"]
    faces: Int[np.ndarray, "F 3"]


def sample_thing(
    rng: np.random.Generator, joints: Float[np.ndarray, "2 21 3"], side: int
) -> Thing | None:
    """Random `Thing` in one hand, or `None` if its pose leaves no room.

    joints: both hands', metres; nothing may be inside of either.
    """
    pinched = float(np.linalg.norm(np.subtract(*joints[side, [hand.TIPS[0], hand.TIPS[1]]])))
    if pinched < _PINCH_M and rng.random() < 0.7:
        return _pinched(rng, joints[side], pinched)
    return _grasped(rng, joints, side)


def _pinched(rng: np.random.Generator, joints: Float[np.ndarray, "21 3"], gap: float) -> Thing:
    """A pen, a stick, a card or a marble between the tips of thumb and index finger."""
    thumb, index = joints[hand.TIPS[0]], joints[hand.TIPS[1]]
    across = index - thumb
    axis = np.cross(across, rng.normal(0, 1, 3))
    thickness = max(0.5 * gap - 0.006, 0.002)
    kind = rng.integers(3)
    if kind == 0:
        local, faces = _lathe("cylinder", min(thickness, 0.006), rng.uniform(0.04, 0.09))
    elif kind == 1:
        local, faces = _box(
            np.array([thickness, rng.uniform(0.02, 0.06), rng.uniform(0.015, 0.04)])
        )
    else:
        local, faces = _lathe("sphere", np.clip(thickness, 0.004, 0.02), 0.0)
    shift = rng.uniform(-0.4, 0.4) * np.ptp(local[:, 1])
    axes = frame(axis, np.cross(axis, across))
    return _placed(local + (0, shift, 0), faces, (thumb + index) / 2, axes)


def _grasped(
    rng: np.random.Generator, joints: Float[np.ndarray, "2 21 3"], side: int
) -> Thing | None:
    """What fits between palm and fingers, lying across the palm."""
    own = joints[side]
    wrist, middle = own[hand.WRIST], own[hand.MIDDLE_MCP]
    across = own[hand.INDEX["little_mcp"]] - own[hand.INDEX["index_mcp"]]
    palmar = np.cross(across, middle - wrist) * (1 if side == hand.LEFT else -1)
    palmar /= np.linalg.norm(palmar)
    along = (middle - wrist) / np.linalg.norm(middle - wrist)
    axis = across / np.linalg.norm(across) + rng.normal(0, 0.2, 3)
    axis /= np.linalg.norm(axis)
    shape = SHAPES[rng.integers(len(SHAPES))]
    length = rng.uniform(0.03, 0.12)  # to either side of the palm
    points, flesh = _flesh(joints)
    best: tuple[np.ndarray, float] | None = None
    best_score = 0
    for away in np.linspace(0.02, 0.07, 6):
        for ahead in (-0.02, 0.0, 0.02, 0.04):
            centre = middle + ahead * along + away * palmar
            radius = _room(points, flesh, centre, axis, 0.0 if shape == "sphere" else length)
            touching = _touching(points, flesh, centre, axis, radius)
            if radius > _THINNEST_M and touching > best_score:
                best, best_score = (centre, min(radius, _THICKEST_M)), touching
    if best is None or best_score < _LEAST_TOUCHING:
        return None
    centre, radius = best
    if shape == "box":
        half = np.array([radius * rng.uniform(0.3, 0.9), length, 0.0])
        half[2] = np.sqrt(radius**2 - half[0] ** 2)
        local, faces = _box(half)
    else:
        local, faces = _lathe(shape, radius, length)
    return _placed(local, faces, centre, frame(axis, palmar))


def _flesh(
    joints: Float[np.ndarray, "2 21 3"],
) -> tuple[Float[np.ndarray, "P 3"], Float[np.ndarray, " P"]]:
    """Points along all bones of both hands and how thick the flesh is there."""
    points: list[np.ndarray] = []
    flesh: list[float] = []
    for near, far in hand.BONES:
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            points.append(joints[:, near] + share * (joints[:, far] - joints[:, near]))
            flesh += [_FLESH_M["palm" if near == hand.WRIST else "finger"]] * 2
    return np.concatenate(points), np.array(flesh)


def _distances(
    points: Float[np.ndarray, "P 3"],
    centre: Float[np.ndarray, "3"],
    axis: Float[np.ndarray, "3"],
    length: float,
) -> Float[np.ndarray, " P"]:
    """From the thing's middle line, which ends `length` to either side of its centre."""
    offset = points - centre
    reach = np.clip(offset @ axis, -length, length)
    return np.linalg.norm(offset - reach[:, None] * axis, axis=1)


def _room(
    points: Float[np.ndarray, "P 3"],
    flesh: Float[np.ndarray, " P"],
    centre: Float[np.ndarray, "3"],
    axis: Float[np.ndarray, "3"],
    length: float,
) -> float:
    """The thickest radius that leaves all flesh outside."""
    return float((_distances(points, centre, axis, length) - flesh).min())


def _touching(
    points: Float[np.ndarray, "P 3"],
    flesh: Float[np.ndarray, " P"],
    centre: Float[np.ndarray, "3"],
    axis: Float[np.ndarray, "3"],
    radius: float,
) -> int:
    """How many points of the hand are within a centimetre of the thing."""
    gaps = _distances(points, centre, axis, 0.05) - flesh - radius
    return int(np.count_nonzero(gaps < 0.01))


def _lathe(
    shape: str, radius: float, length: float
) -> tuple[Float[np.ndarray, "N 3"], Int[np.ndarray, "F 3"]]:
    """Local vertices and faces of a round thing about the y axis, `length` half its own."""
    if shape == "cylinder":
        # Rings twice at the rims, so that light breaks there.
        profile = [(0, -length), (radius, -length), (radius, -length), (radius, length)]
        profile += [(radius, length), (0, length)]
        breaks = (1, 3)
    else:
        angles = np.linspace(-np.pi / 2, np.pi / 2, 14)
        middle = max(length - radius, 0.0) if shape == "capsule" else 0.0
        profile = [(radius * np.cos(a), radius * np.sin(a) + np.sign(a) * middle) for a in angles]
        breaks = ()
    radii, heights = np.array(profile, float).T
    turns = np.arange(_AROUND) * 2 * np.pi / _AROUND
    ring = np.stack([np.sin(turns), np.zeros(_AROUND), np.cos(turns)], 1)
    local = radii[:, None, None] * ring + heights[:, None, None] * np.array([0, 1.0, 0])
    faces = [_band(k) for k in range(len(profile) - 1) if k not in breaks]
    return local.reshape(-1, 3), np.concatenate(faces)


def _band(k: int) -> Int[np.ndarray, "F 3"]:
    """Faces between ring `k` and the next."""
    here = k * _AROUND + np.arange(_AROUND)
    beside = k * _AROUND + (np.arange(_AROUND) + 1) % _AROUND
    above = _AROUND
    return np.concatenate(
        [
            np.stack([here, beside, beside + above], 1),
            np.stack([here, beside + above, here + above], 1),
        ]
    )


def _box(
    half: Float[np.ndarray, "3"],
) -> tuple[Float[np.ndarray, "24 3"], Int[np.ndarray, "12 3"]]:
    """Local vertices and faces of a box with half sides `half`; corners once a face."""
    corners: list[np.ndarray] = []
    faces: list[tuple[int, int, int]] = []
    for axis in range(3):
        u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        for sign in (1, -1):
            normal, first = sign * np.eye(3)[axis], len(corners)
            corners += [
                normal + a * u + b * sign * v for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            faces += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    return np.array(corners) * half, np.array(faces)


def _placed(
    local: Float[np.ndarray, "N 3"],
    faces: Int[np.ndarray, "F 3"],
    centre: Float[np.ndarray, "3"],
    axes: Float[np.ndarray, "3 3"],
) -> Thing:
    vertices = (centre + local @ axes.T).astype(np.float32)
    return Thing(vertices, local.astype(np.float32), faces.astype(np.int32))
