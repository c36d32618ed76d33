"""Whole people with articulated hands, posed by anatomical angles.

The mesh, its skin weights and its identities come from one asset that
`scripts/bake_body.py` makes. A `Pose` says where each limb is in degrees that mean the
same for every identity; a `Person` turns it into vertices and the hands' 21 joints.

Frame: metres, y up, the person faces +z, x points to the person's left. Everything about
an arm or a leg is written for the left side; the right side is its mirror image in x = 0.
"""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.spatial.transform import Rotation

from dcmls_tf import hand
from dcmls_tf.rendering import regions
from dcmls_tf.rendering.regions import PARTS as PARTS
from dcmls_tf.rendering.regions import vertex_normals as vertex_normals

ASSET = pathlib.Path(__file__).parent / "assets" / "body.npz"
SPLITS = ("training", "evaluation")
HELD_OUT_EVERY = 6

_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
_NECK = ("neck01", "neck02", "neck03", "head")
# The share of the forearm's rotation that its two bones take: the ulna stays, the radius turns.
_FOREARM_TWIST = (0.3, 0.75)
_STILL = np.eye(3)
_UPPER_ARM_TWIST = 0.4
# Degrees by which a finger's plane of flexion (index to little) turns towards the thumb against
# its hinge at rest, so that bent fingers converge (towards the scaphoid) instead of fanning out.
_CONVERGENCE = np.array((2.0, 8.0, 9.0, 3.0))


def rotation(axis: int, degrees: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about coordinate axis 0, 1 or 2."""
    return Rotation.from_euler("xyz"[axis], degrees, degrees=True).as_matrix()


def rotation_from_vector(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation about a vector by its length in radians."""
    return Rotation.from_rotvec(vector).as_matrix()


def rotation_between(
    a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that takes unit vector `a` to unit vector `b`."""
    axis = _cross(a, b)
    sine, cosine = math.hypot(*axis), float(np.dot(a, b))
    if sine < 1e-9:
        return np.eye(3)
    return rotation_from_vector(axis / sine * math.atan2(sine, cosine))


def _cross(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Cross product of two vectors; NumPy's takes many times as long for so few."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx))


def euler_yzx(m: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """Degrees `(y, z, x)` with `m = Ry @ Rz @ Rx`."""
    return Rotation.from_matrix(m).as_euler("YZX", degrees=True)


def _from_yzx(
    y: Shaped[Any, "*N"], z: Shaped[Any, "*N"], x: Shaped[Any, "*N"]
) -> Float[np.ndarray, "*N 3 3"]:
    """`Ry @ Rz @ Rx` of degrees, numbers or arrays."""
    angles = np.stack((y, z, x), -1)
    matrices = Rotation.from_euler("YZX", angles.reshape(-1, 3), degrees=True).as_matrix()
    return matrices.reshape(*angles.shape[:-1], 3, 3)


_CONVERGE = np.array([rotation(1, turn) for turn in _CONVERGENCE])


def _unit(v: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return v / math.hypot(*v)


def frame(y: Float[np.ndarray, "3"], towards: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation whose second axis is `y` and whose third leans `towards`."""
    y = _unit(y)
    z = _unit(towards - y * (towards @ y))
    return np.array((_cross(y, z), y, z)).T


@dataclasses.dataclass
class Arm:
    """One arm and hand, in degrees; written for the left side, x away from the body.

    upper: `[3, 3]` upper arm in the chest's axes: second column shoulder to elbow, third the
      direction in which the forearm bends.
    elbow: flexion, 0 straight.
    pronation: -90 palm up, 0 thumb up, 90 palm down (with the elbow bent).
    wrist: `[2]` flexion (towards the palm) and radial deviation (towards the thumb).
    fingers: `[5, 4]`. Index to little: deviation of the finger towards the thumb, then
      flexion of MCP, PIP and DIP. Thumb: radial and palmar abduction of its metacarpal,
      then flexion of MCP and IP.
    thumb_twist: pronation of the thumb beyond what its abduction brings.
    cup: flexion of the little finger's metacarpal, half as much for the ring finger's.
    """

    upper: Float[np.ndarray, "3 3"]
    elbow: float = 15.0
    pronation: float = 0.0
    wrist: Float[np.ndarray, "2"] = dataclasses.field(default_factory=lambda: np.zeros(2))
    fingers: Float[np.ndarray, "5 4"] = dataclasses.field(
        default_factory=lambda: np.array([[35.0, 20, 10, 10]] + [[0, 20, 25, 15]] * 4, float)
    )
    thumb_twist: float = 0.0
    cup: float = 0.0

    @classmethod
    def hanging(cls) -> "Arm":
        """An arm that hangs at the side."""
        return cls(frame(np.array([0.15, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])))


@dataclasses.dataclass
class Pose:
    """A whole body's pose, in degrees; the same numbers suit every identity.

    arms: left and right `Arm`.
    spine, neck: `[3]` forward bend, bend to the left, turn to the left.
    hips: `[2, 3]` flexion, abduction, outward rotation of each thigh; knees: `[2]` flexion.
    """

    arms: tuple[Arm, ...]
    spine: Float[np.ndarray, "3"] = dataclasses.field(default_factory=lambda: np.zeros(3))
    neck: Float[np.ndarray, "3"] = dataclasses.field(default_factory=lambda: np.zeros(3))
    hips: Float[np.ndarray, "2 3"] = dataclasses.field(default_factory=lambda: np.zeros((2, 3)))
    knees: Float[np.ndarray, "2"] = dataclasses.field(default_factory=lambda: np.zeros(2))

    @classmethod
    def rest(cls) -> "Pose":
        """Standing upright, arms hanging."""
        return cls((Arm.hanging(), Arm.hanging()))

    def arm(self, side: int | str) -> Arm:
        """The `Arm` of `hand.LEFT`, `hand.RIGHT` or a name in `hand.SIDES`."""
        return self.arms[hand.SIDES.index(side) if isinstance(side, str) else side]

    def mirrored(self) -> "Pose":
        """The same pose with left and right exchanged."""
        flip = np.array([1.0, -1.0, -1.0])
        return Pose(
            self.arms[::-1], self.spine * flip, self.neck * flip, self.hips[::-1], self.knees[::-1]
        )


@dataclasses.dataclass(frozen=True)
class Posed:
    """A posed person in metres; joints of the left hand, then the right, in canonical order."""

    vertices: Float[np.ndarray, "V 3"]
    joints: Float[np.ndarray, "2 21 3"]


class Body:
    """The mesh that all identities share.

    faces: `[F, 3]` int32, counter-clockwise seen from outside.
    part: `[V]` uint8, indices into `PARTS`; along: `[V]` 0..1 along the part's main bone
      (shoulder to elbow, elbow to wrist, hip to knee, ...).
    face_class: `[F]` uint8, RHD's mask class.
    nail, eye, lip, scalp: `[V]` bool.
    """

    def __init__(self, asset: Mapping[str, np.ndarray]) -> None:
        self.asset = asset
        self.faces = asset["faces"].astype(np.int32)
        self.bones = [str(name) for name in asset["bone_names"]]
        self.bone = {name: i for i, name in enumerate(self.bones)}
        self.parents = asset["bone_parents"].astype(int)
        self.descent = _descent(self.parents)
        self.joint_bones = np.array(
            [[self.bone[name + regions.SUFFIX[s]] for name, _ in _JOINT_BONES] for s in (0, 1)]
        )
        self.mean_vertices = asset["mean_vertices"].astype(np.float32)
        self.weights = asset["weights"].astype(np.float32)
        self.weights /= self.weights.sum(1, keepdims=True)
        self.num_identities = len(asset["vertex_offsets"])
        self.part = regions.parts(self)
        self.along = regions.along(self)
        self.face_class = regions.face_classes(self)
        self.eye = asset["eyes"].astype(bool)
        self.lip = asset["lips"].astype(bool)
        self.nail = regions.nails(self, Person(self, 0))
        self.scalp = regions.scalp(self)

    @classmethod
    def load(cls, path: str | pathlib.Path | None = None) -> "Body":
        """The body in an asset file; in the package's own by default."""
        with np.load(path or ASSET) as archive:
            return cls(dict(archive))

    def identities(self, split: str) -> list[int]:
        """Identity numbers of a split; every sixth person is only in evaluation."""
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; it must be one of {SPLITS}")
        held_out = [i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 for i in range(self.num_identities)]
        return [i for i, held in enumerate(held_out) if held == (split == "evaluation")]

    def person(self, identity: int) -> "Person":
        """The `Person` of an identity's number."""
        return Person(self, identity)


class Person:
    """One identity. rest_vertices: `[V, 3]` float32, metres; scale: scale bone, metres."""

    def __init__(self, body: Body, identity: int) -> None:
        asset = body.asset
        self.body = body
        self.identity = identity
        offsets = asset["vertex_offsets"][identity] * asset["offset_step"]
        self.rest_vertices = (body.mean_vertices + offsets).astype(np.float32)
        self.heads = asset["heads"][identity].astype(np.float64)
        self.tails = asset["tails"][identity].astype(np.float64)
        self.hinges = asset["hinges"][identity].astype(np.float64)
        self.steps = self.heads - self.heads[body.parents]
        self.steps[body.parents < 0] = self.heads[body.parents < 0]
        self.limbs = tuple(_Limbs(self, side) for side in (hand.LEFT, hand.RIGHT))
        self.rest_joints = np.stack([self._rest_joints(side) for side in (0, 1)])
        near, far = hand.SCALE_BONE
        self.scale = float(np.linalg.norm(self.rest_joints[0, near] - self.rest_joints[0, far]))
        self.height = float(np.ptp(self.rest_vertices[:, 1]))
        self.phenotype = dict(
            zip(
                asset["phenotype_names"].tolist(),
                asset["phenotypes"][identity].tolist(),
                strict=True,
            )
        )

    def _rest_joints(self, side: int) -> Float[np.ndarray, "21 3"]:
        points = np.empty((hand.NUM_JOINTS, 3))
        for j, (bone, tail) in enumerate(_JOINT_BONES):
            i = self.body.bone[bone + regions.SUFFIX[side]]
            points[j] = self.tails[i] if tail else self.heads[i]
        return points

    def bone_transforms(self, pose: Pose) -> Float[np.ndarray, "B 4 4"]:
        """From rest to posed, for every bone."""
        return Rig(self, pose).transforms()

    def joints(
        self, pose: Pose, transforms: Float[np.ndarray, "B 4 4"] | None = None
    ) -> Float[np.ndarray, "2 21 3"]:
        """Both hands' joints, metres."""
        transforms = self.bone_transforms(pose) if transforms is None else transforms
        return moved(transforms[self.body.joint_bones], self.rest_joints)

    def pose(self, pose: Pose) -> Posed:
        """`Posed` vertices and joints."""
        transforms = self.bone_transforms(pose)
        vertices = skin(self.body.weights, transforms, self.rest_vertices)
        return Posed(vertices, self.joints(pose, transforms))


def skin(
    weights: Float[np.ndarray, "V B"],
    transforms: Float[np.ndarray, "B 4 4"],
    rest: Float[np.ndarray, "V 3"],
) -> Float[np.ndarray, "V 3"]:
    """Linear blend skinning, in float32."""
    blend = weights @ transforms[:, :3].reshape(-1, 12).astype(np.float32)
    blend = blend.reshape(-1, 3, 4)
    return np.einsum("vab,vb->va", blend[:, :, :3], rest) + blend[:, :, 3]


def _descent(parents: Int[np.ndarray, " B"]) -> Float[np.ndarray, "B B"]:
    """Row i is 1 for bone i and every bone that it hangs from."""
    descent = np.eye(len(parents))
    for i, parent in enumerate(parents):
        if parent >= 0:
            descent[i] += descent[parent]
    return descent


def _joint_bones() -> list[tuple[str, bool]]:
    """For each canonical joint, its bone and whether it is that bone's tail."""
    bones = [("wrist", False)]
    for finger in range(1, 6):
        bones += [(f"finger{finger}-{k}", False) for k in (1, 2, 3)]
        bones.append((f"finger{finger}-3", True))
    return bones


_JOINT_BONES = _joint_bones()
# Metacarpal bones that carry index to little; the thumb's own is `finger1-1`.
_METACARPALS = ("metacarpal1", "metacarpal2", "metacarpal3", "metacarpal4")


class _Limbs:
    """One side's anatomical frames at rest, in left-side coordinates."""

    def __init__(self, person: Person, side: int) -> None:
        self.side = side
        self.bone = {
            name[: -len(regions.SUFFIX[side])]: i
            for name, i in person.body.bone.items()
            if name.endswith(regions.SUFFIX[side])
        }
        self.mirror = mirror = np.eye(3) if side == hand.LEFT else regions.MIRROR
        self.heads = {name: mirror @ person.heads[i] for name, i in self.bone.items()}
        self.tails = {name: mirror @ person.tails[i] for name, i in self.bone.items()}
        # A rotation axis is a pseudo-vector: its mirror image also changes sign.
        sign = 1.0 if side == hand.LEFT else -1.0
        self.hinges = {name: sign * mirror @ person.hinges[i] for name, i in self.bone.items()}
        self._arm_frames()
        self._finger_frames()

    def in_world(
        self, local: Mapping[str, Float[np.ndarray, "3 3"]]
    ) -> dict[int, Float[np.ndarray, "3 3"]]:
        """By bones' numbers and in the world: rotations by name, in left-side coordinates."""
        turned = self.mirror @ np.array(list(local.values())) @ self.mirror
        return dict(zip((self.bone[name] for name in local), turned, strict=True))

    def _arm_frames(self) -> None:
        shoulder, elbow = self.heads["upperarm01"], self.heads["lowerarm01"]
        wrist = self.heads["wrist"]
        self.upper = frame(elbow - shoulder, wrist - elbow)
        fore = frame(wrist - elbow, elbow - shoulder)
        # The forearm bends about the upper arm's first axis.
        self.fore = np.stack(
            [self.upper[:, 0], fore[:, 1], np.cross(self.upper[:, 0], fore[:, 1])], 1
        )
        self.upper_direction = self.upper[:, 1]
        index, little = self.heads["finger2-1"], self.heads["finger5-1"]
        middle = self.heads["finger3-1"]
        ulnar = little - index
        # Left hand: distal x palmar = ulnar, so palmar = ulnar x distal.
        self.palm = frame(middle - wrist, np.cross(ulnar, middle - wrist))
        self.palm_on_fore = euler_yzx(self.fore.T @ self.palm)

    def _finger_frames(self) -> None:
        self.finger = {}
        for f in range(1, 6):
            for k in (1, 2, 3):
                name = f"finger{f}-{k}"
                end = self.tails[name] if k == 3 else self.heads[f"finger{f}-{k + 1}"]
                along = _unit(end - self.heads[name])
                self.finger[name] = frame(along, np.cross(self.hinges[name], along))
        self.on_parent = {}
        for f in range(1, 6):
            for k in (1, 2, 3):
                parent = self.palm if k == 1 else self.finger[f"finger{f}-{k - 1}"]
                self.on_parent[f, k] = euler_yzx(parent.T @ self.finger[f"finger{f}-{k}"])
        names = [[f"finger{f}-{k}" for k in (1, 2, 3)] for f in range(2, 6)]
        self.finger_frames = np.array([[self.finger[name] for name in row] for row in names])
        self.finger_turns = np.array(
            [[self.on_parent[f, k] for k in (1, 2, 3)] for f in range(2, 6)]
        )
        self.thumb_direction = self.palm.T @ self.finger["finger1-1"][:, 1]


class Rig:
    """A person's bones in a pose whose arms can be moved one by one."""

    def __init__(self, person: Person, pose: Pose) -> None:
        self.person, body = person, person.body
        turned: dict[int, np.ndarray] = {}
        _bend_chain(turned, [body.bone[name] for name in _SPINE], pose.spine, _STILL)
        self._chest = turned[body.bone["spine01"]]
        _bend_chain(turned, [body.bone[name] for name in _NECK], pose.neck, self._chest)
        for side, limbs in enumerate(person.limbs):
            legs: dict[str, np.ndarray] = {}
            _turn_leg(legs, pose.hips[side], pose.knees[side])
            turned.update(limbs.in_world(legs))
        # World rotations; what is not turned follows its parent.
        self._linear = np.empty((len(person.heads), 3, 3))
        for i, parent in enumerate(body.parents):
            self._linear[i] = turned.get(i, _STILL if parent < 0 else self._linear[parent])
        for side, arm in enumerate(pose.arms):
            self.move_arm(side, arm)

    def move_arm(self, side: int, arm: Arm) -> None:
        """Puts one side's `Arm` in place."""
        limbs = self.person.limbs[side]
        local: dict[str, np.ndarray] = {}
        _turn_arm(local, limbs, arm, limbs.mirror @ self._chest @ limbs.mirror)
        turned = limbs.in_world(local)
        self._linear[list(turned)] = list(turned.values())

    def transforms(
        self, bones: slice | Sequence[int] | Int[np.ndarray, " N"] = slice(None)
    ) -> Float[np.ndarray, "N 4 4"]:
        """From rest to posed, of some bones; by default of all."""
        person, body = self.person, self.person.body
        linear = self._linear[bones]
        # A bone's head is where the steps that lead to it end, each turned by the bone before.
        before = self._linear[body.parents]
        before[body.parents < 0] = _STILL
        steps = np.einsum("bij,bj->bi", before, person.steps)
        heads = np.einsum("bij,bj->bi", linear, person.heads[bones])
        transforms = np.zeros((len(linear), 4, 4))
        transforms[:, :3, :3] = linear
        transforms[:, :3, 3] = body.descent[bones] @ steps - heads
        transforms[:, 3, 3] = 1
        return transforms

    def hand(self, side: int) -> Float[np.ndarray, "21 3"]:
        """Joints of one hand, metres."""
        return moved(
            self.transforms(self.person.body.joint_bones[side]), self.person.rest_joints[side]
        )


def moved(
    transforms: Float[np.ndarray, "*N 4 4"], points: Float[np.ndarray, "*N 3"]
) -> Float[np.ndarray, "*N 3"]:
    """Points, each moved by its own transform."""
    return np.einsum("...ab,...b->...a", transforms[..., :3, :3], points) + transforms[..., :3, 3]


def _bend_chain(
    turned: dict[int, np.ndarray],
    bones: Sequence[int],
    angles: Float[np.ndarray, "3"],
    base: Float[np.ndarray, "3 3"],
) -> None:
    bend, side, turn = np.asarray(angles) / len(bones)
    step = rotation(1, turn) @ rotation(2, -side) @ rotation(0, bend)
    for i in bones:
        base = base @ step
        turned[i] = base


def _turn_arm(
    local: dict[str, np.ndarray], limbs: _Limbs, arm: Arm, chest: Float[np.ndarray, "3 3"]
) -> None:
    """Clavicle to wrist. The shoulder girdle takes a third of the elevation (Inman 1944)."""
    direction = arm.upper[:, 1]
    elevation = math.degrees(math.acos(min(max(-direction[1], -1), 1)))
    lift = min(max((elevation - 45) / 3, -8), 32)
    forward = min(max(18 * direction[2], -12), 18)
    girdle = chest @ rotation(2, lift) @ rotation(1, -forward)
    local["clavicle"] = local["shoulder01"] = girdle
    full = chest @ arm.upper @ limbs.upper.T
    swing = rotation_between(girdle @ limbs.upper_direction, chest @ direction) @ girdle
    twist = _signed_twist(full @ swing.T, chest @ direction)
    local["upperarm01"] = (
        rotation_from_vector(_UPPER_ARM_TWIST * twist * (chest @ direction)) @ swing
    )
    local["upperarm02"] = full
    fore = chest @ arm.upper @ rotation(0, arm.elbow)
    turn, deviation, flexion = 90 + arm.pronation, arm.wrist[1], arm.wrist[0]
    extra = (turn - limbs.palm_on_fore[0] + 180) % 360 - 180
    for name, share in zip(("lowerarm01", "lowerarm02"), _FOREARM_TWIST, strict=True):
        local[name] = fore @ rotation(1, share * extra) @ limbs.fore.T
    palm = fore @ _from_yzx(turn, deviation, flexion)
    local["wrist"] = palm @ limbs.palm.T
    _turn_fingers(local, limbs, arm, palm)
    _turn_thumb(local, limbs, arm, palm)


def _signed_twist(m: Float[np.ndarray, "3 3"], axis: Float[np.ndarray, "3"]) -> float:
    """Radians by which rotation `m`, about `axis`, turns."""
    sine = 0.5 * np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]) @ axis
    return math.atan2(sine, 0.5 * (m[0, 0] + m[1, 1] + m[2, 2] - 1))


def _turn_fingers(
    local: dict[str, np.ndarray], limbs: _Limbs, arm: Arm, palm: Float[np.ndarray, "3 3"]
) -> None:
    cup = np.array((0.0, 0.0, 0.5, 1.0)) * arm.cup
    base = palm @ _from_yzx(0 * cup, 0 * cup, cup)
    local.update(zip(_METACARPALS, base @ limbs.palm.T, strict=True))
    y, z, _ = np.moveaxis(limbs.finger_turns, -1, 0).copy()
    z[:, 0] = arm.fingers[1:, 0]
    y[:, 0] -= _CONVERGENCE
    bends = _from_yzx(y, z, arm.fingers[1:, 1:])
    bends[:, 0] = bends[:, 0] @ _CONVERGE
    for k in range(3):
        base = base @ bends[:, k]
        for f, linear in enumerate(base @ limbs.finger_frames[:, k].swapaxes(1, 2), start=2):
            local[f"finger{f}-{k + 1}"] = linear


def _turn_thumb(
    local: dict[str, np.ndarray], limbs: _Limbs, arm: Arm, palm: Float[np.ndarray, "3 3"]
) -> None:
    radial, palmar, *flexions = arm.fingers[0]
    r, p = np.radians([radial, palmar])
    direction = np.array([-np.sin(r) * np.cos(p), np.cos(r) * np.cos(p), np.sin(p)])
    swing = rotation_between(limbs.thumb_direction, direction)
    twist = rotation_from_vector(np.radians(arm.thumb_twist) * direction)
    base = palm @ twist @ swing @ limbs.palm.T @ limbs.finger["finger1-1"]
    local["finger1-1"] = base @ limbs.finger["finger1-1"].T
    for k, flexion in zip((2, 3), flexions, strict=True):
        y, z, _ = limbs.on_parent[1, k]
        base = base @ _from_yzx(y, z, flexion)
        name = f"finger1-{k}"
        local[name] = base @ limbs.finger[name].T


def _turn_leg(local: dict[str, np.ndarray], hip: Float[np.ndarray, "3"], knee: float) -> None:
    flexion, abduction, outward = hip
    thigh = rotation(2, abduction) @ rotation(0, -flexion) @ rotation(1, outward)
    local["upperleg01"] = local["upperleg02"] = thigh
    local["lowerleg01"] = local["lowerleg02"] = thigh @ rotation(0, knee)


@functools.lru_cache(maxsize=1)
def default_body() -> Body:
    """The package's body, loaded once a process."""
    return Body.load()
