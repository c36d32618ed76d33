"""A hand's joints as an animated skeleton: bones of constant length, and their rotations.

21 places say where each bone points, not how it is turned about itself, so a bone is turned the
shortest way from its parent. The wrist's rotation is the one that brings the rest pose's four MCP
joints nearest to the hand's. Between wrist and finger a `_base` joint at the wrist turns the bone
to the MCP (the thumb: to its CMC), since palms bend. Directions are exact; a bone's length is its
median over the frames.

Rest pose, and axes of the hand: y from the wrist along the middle finger, z out of the back of the
hand, x = y × z, which is towards the little finger of a right hand. Fingers are straight and spread
by `SPREAD`.

World: metres, +Y up, right-handed, as glTF, Blender's importers and Unity's take it: the camera's
x, −y, −z. A camera at the origin that looks along −Z sees what the photo's camera saw.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from dcmls_tf import hand

# Degrees about z from the middle finger, of a right hand.
SPREAD = {"thumb": 45.0, "index": 12.0, "middle": 0.0, "ring": -10.0, "little": -20.0}
_MCPS = [hand.INDEX[f"{finger}_mcp"] for finger in hand.FINGERS[1:]]
TO_WORLD = np.array([0.001, -0.001, -0.001])


@dataclasses.dataclass(frozen=True)
class Node:
    """A joint that rotates: its name, its parent among `NODES`, and what its bone leads to.

    joint: the canonical joint at its place, so 0 for the wrist and the fingers' bases; end: the
    joint at its bone's end, -1 for the wrist, which has none of its own.
    """

    name: str
    parent: int
    joint: int
    end: int


def _nodes() -> tuple[Node, ...]:
    nodes = [Node(hand.JOINTS[hand.WRIST], -1, hand.WRIST, -1)]
    for number, finger in enumerate(hand.FINGERS):
        first = 4 * number + 1
        nodes.append(Node(f"{finger}_base", 0, hand.WRIST, first))
        for joint in range(first, first + 3):
            nodes.append(Node(hand.JOINTS[joint], len(nodes) - 1, joint, joint + 1))
    return tuple(nodes)


NODES = _nodes()


@dataclasses.dataclass(frozen=True, eq=False)
class Animation:
    """T poses of one hand in the world's frame, m.

    offsets: of each canonical joint from the one before it (the wrist's: 0), at rest.
    places: of the wrist. rotations: of each of `NODES`, relative to its parent.
    """

    side: int
    offsets: Float[np.ndarray, "21 3"]
    places: Float[np.ndarray, "T 3"]
    rotations: Float[np.ndarray, "T 21 3 3"]

    def joints(self) -> Float[np.ndarray, "T 21 3"]:
        """Where the skeleton's joints are."""
        turned: list[Float[np.ndarray, "T 3 3"]] = []
        found = np.repeat(self.places[:, None], hand.NUM_JOINTS, axis=1)
        for number, node in enumerate(NODES):
            local = self.rotations[:, number]
            turned.append(local if node.parent < 0 else turned[node.parent] @ local)
            if node.end >= 0:
                found[:, node.end] = found[:, node.joint] + turned[-1] @ self.offsets[node.end]
        return found

    def angles(self) -> dict[str, Float[np.ndarray, "T 2"]]:
        """Flexion and abduction of each finger's joints in degrees, by the joint's name.

        Flexion is positive towards the palm, abduction towards the thumb. `_base` is relative to
        the rest pose's palm, every other joint to the bone before it.
        """
        found = {}
        for number, node in enumerate(NODES[1:], 1):
            frame = _about_z(_spread(str(hand.finger_of(node.end)), self.side))
            local = frame.T @ self.rotations[:, number] @ frame
            abduction, flexion, _ = np.degrees(euler_zxy(local)).T
            mirrored = 1 if self.side == hand.RIGHT else -1
            found[node.name] = np.stack([-flexion, mirrored * abduction], -1)
        return found


def animate(xyz_mm: Float[np.ndarray, "T 21 3"], side: int) -> Animation:
    """Poses in the camera's frame as an `Animation`."""
    joints = xyz_mm * TO_WORLD
    bones = joints[:, 1:] - joints[:, hand.PARENTS[1:]]
    lengths = np.linalg.norm(bones, axis=-1)
    directions = bones / np.maximum(lengths, 1e-9)[..., None]
    rest = rest_directions(side)
    offsets = np.zeros((hand.NUM_JOINTS, 3))
    offsets[1:] = np.median(lengths, axis=0)[:, None] * rest[1:]
    wrist = _nearest(rest[_MCPS], directions[:, np.array(_MCPS) - 1])
    rotations = np.empty((len(joints), len(NODES), 3, 3))
    turned = [wrist]
    rotations[:, 0] = wrist
    for number, node in enumerate(NODES[1:], 1):
        parent = turned[node.parent]
        wanted = np.einsum("tji,tj->ti", parent, directions[:, node.end - 1])
        rotations[:, number] = shortest(rest[node.end], wanted)
        turned.append(parent @ rotations[:, number])
    return Animation(side, offsets, joints[:, hand.WRIST], rotations)


def rest_directions(side: int) -> Float[np.ndarray, "21 3"]:
    """The direction of the bone to each joint at rest; the wrist's is 0."""
    found = np.zeros((hand.NUM_JOINTS, 3))
    for joint in range(1, hand.NUM_JOINTS):
        found[joint] = _about_z(_spread(str(hand.finger_of(joint)), side)) @ [0, 1, 0]
    return found


def shortest(start: Float[np.ndarray, "3"], end: Float[np.ndarray, "T 3"]) -> np.ndarray:
    """The rotations `[T, 3, 3]` about the axis across two unit vectors that turn one to another."""
    cross = np.cross(start, end)
    cos = end @ start
    # Opposite: half a turn about any axis across.
    about = np.cross(start, np.eye(3)[np.argmin(np.abs(start))])
    about /= np.linalg.norm(about)
    k = _cross_matrices(cross)
    opposite = cos < -1 + 1e-9
    factor = 1 / np.where(opposite, 1, 1 + cos)
    found = np.eye(3) + k + factor[:, None, None] * (k @ k)
    found[opposite] = 2 * np.outer(about, about) - np.eye(3)
    return found


def euler_zxy(rotations: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """Angles z, x, y in radians of rotations Rz Rx Ry, as BVH has them."""
    r = rotations
    x = np.arcsin(np.clip(r[..., 2, 1], -1, 1))
    z = np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    y = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    return np.stack([z, x, y], -1)


def quaternions(rotations: Float[np.ndarray, "T 3 3"]) -> Float[np.ndarray, "T 4"]:
    """x, y, z, w of rotations over time, each with the sign nearer to the one before it."""
    r = rotations
    trace = r[:, [0, 1, 2], [0, 1, 2]]
    signs = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]])
    squares = np.maximum(1 + trace @ signs.T, 0)  # 4x², 4y², 4z², 4w²
    largest = squares.argmax(1)
    differences = np.stack(
        [r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], -1
    )
    symmetric = r + r.transpose(0, 2, 1)
    rows = np.empty((len(r), 4, 4))  # 4 q qᵀ
    rows[:, :3, :3] = symmetric
    rows[:, [0, 1, 2], [0, 1, 2]] = squares[:, :3]
    rows[:, 3, :3] = rows[:, :3, 3] = differences
    rows[:, 3, 3] = squares[:, 3]
    found = rows[np.arange(len(r)), largest]
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    flips = np.sign((found[1:] * found[:-1]).sum(1))
    found[1:] *= np.cumprod(np.where(flips < 0, -1, 1))[:, None]
    return found


def _nearest(start: Float[np.ndarray, "N 3"], end: Float[np.ndarray, "T N 3"]) -> np.ndarray:
    """The rotations `[T, 3, 3]` that bring directions nearest to others (Kabsch)."""
    u, _, vt = np.linalg.svd(np.einsum("tni,nj->tij", end, start))
    signs = np.ones((len(end), 3))
    signs[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return (u * signs[:, None]) @ vt


def _spread(finger: str, side: int) -> float:
    return SPREAD[finger] if side == hand.RIGHT else -SPREAD[finger]


def _about_z(degrees: float) -> Float[np.ndarray, "3 3"]:
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def _cross_matrices(v: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3 3"]:
    zero = np.zeros(len(v))
    x, y, z = v.T
    return np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
