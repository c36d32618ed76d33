"""Whole people with articulated hands, posed by anatomical angles.

The mesh, its skin weights and its identities come from one asset that
`scripts/bake_body.py` makes. A `Pose` says where each limb is in degrees that mean the
same for every identity; a `Person` turns it into vertices and the hands' 21 joints.

Frame: metres, y up, the person faces +z, x points to the person's left. Everything about
an arm or a leg is written for the left side; the right side is its mirror image in x = 0.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
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
_UPPER_ARM_TWIST = 0.4
# Degrees by which a finger's plane of flexion turns towards the thumb against its hinge at
# rest, so that bent fingers converge (towards the scaphoid) instead of fanning out.
_CONVERGENCE = {2: 2.0, 3: 8.0, 4: 9.0, 5: 3.0}


def rotation(axis: int, degrees: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about coordinate axis 0, 1 or 2."""
    return Rotation.from_euler("xyz"[axis], degrees, degrees=True).as_matrix()


def rotation_from_vector(vector):
    """Rotation `[3, 3]` about `vector [3]` by its length in radians."""
    return Rotation.from_rotvec(vector).as_matrix()


def rotation_between(a, b):
    """The smallest rotation `[3, 3]` that takes unit vector `a` to unit vector `b`."""
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis), float(np.dot(a, b))
    if sine < 1e-9:
        return np.eye(3)
    return rotation_from_vector(axis / sine * np.arctan2(sine, cosine))


def euler_yzx(m: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """Degrees `(y, z, x)` with `m = Ry @ Rz @ Rx`."""
    return Rotation.from_matrix(m).as_euler("YZX", degrees=True)


def _from_yzx(y, z, x):
    return Rotation.from_euler("YZX", (y, z, x), degrees=True).as_matrix()


def _unit(v):
    return v / np.linalg.norm(v)


def frame(y, towards):
    """Rotation `[3, 3]` whose second axis is `y` and whose third leans `towards`."""
    y = _unit(y)
    z = _unit(towards - y * (towards @ y))
    return np.stack([np.cross(y, z), y, z], 1)


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

    def __init__(self, asset):
        self.asset = asset
        self.faces = asset["faces"].astype(np.int32)
        self.bones = [str(name) for name in asset["bone_names"]]
        self.bone = {name: i for i, name in enumerate(self.bones)}
        self.parents = asset["bone_parents"].astype(int)
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

    def __init__(self, body, identity):
        asset = body.asset
        self.body = body
        self.identity = identity
        offsets = asset["vertex_offsets"][identity] * asset["offset_step"]
        self.rest_vertices = (body.mean_vertices + offsets).astype(np.float32)
        self.heads = asset["heads"][identity].astype(np.float64)
        self.tails = asset["tails"][identity].astype(np.float64)
        self.hinges = asset["hinges"][identity].astype(np.float64)
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

    def bone_transforms(self, pose):
        """`[B, 4, 4]` from rest to posed, for every bone."""
        turned = _world_rotations(self, pose)
        transforms = np.tile(np.eye(4), (len(self.heads), 1, 1))
        for i, parent in enumerate(self.body.parents):
            linear = turned.get(i)
            if linear is None:
                linear = np.eye(3) if parent < 0 else transforms[parent, :3, :3]
            head = self.heads[i]
            at = (
                head
                if parent < 0
                else transforms[parent, :3, :3] @ head + transforms[parent, :3, 3]
            )
            transforms[i, :3, :3] = linear
            transforms[i, :3, 3] = at - linear @ head
        return transforms

    def joints(self, pose, transforms=None):
        """Both hands' joints, `[2, 21, 3]` metres."""
        transforms = self.bone_transforms(pose) if transforms is None else transforms
        joints = np.empty((2, hand.NUM_JOINTS, 3))
        for side in (hand.LEFT, hand.RIGHT):
            bones = [self.body.bone[name + regions.SUFFIX[side]] for name, _ in _JOINT_BONES]
            t = transforms[bones]
            joints[side] = (
                np.einsum("jab,jb->ja", t[:, :3, :3], self.rest_joints[side]) + t[:, :3, 3]
            )
        return joints

    def pose(self, pose):
        """`Posed` vertices (linear blend skinning) and joints."""
        transforms = self.bone_transforms(pose)
        blend = self.body.weights @ transforms[:, :3].reshape(-1, 12).astype(np.float32)
        blend = blend.reshape(-1, 3, 4)
        vertices = np.einsum("vab,vb->va", blend[:, :, :3], self.rest_vertices) + blend[:, :, 3]
        return Posed(vertices, self.joints(pose, transforms))


def _joint_bones():
    """For each canonical joint, its bone and whether it is that bone's tail."""
    bones = [("wrist", False)]
    for finger in range(1, 6):
        bones += [(f"finger{finger}-{k}", False) for k in (1, 2, 3)]
        bones.append((f"finger{finger}-3", True))
    return bones


_JOINT_BONES = _joint_bones()
# Metacarpal bone that carries each finger; the thumb's own is `finger1-1`.
_METACARPAL = {2: "metacarpal1", 3: "metacarpal2", 4: "metacarpal3", 5: "metacarpal4"}


class _Limbs:
    """One side's anatomical frames at rest, in left-side coordinates."""

    def __init__(self, person, side):
        self.side = side
        self.bone = {
            name[: -len(regions.SUFFIX[side])]: i
            for name, i in person.body.bone.items()
            if name.endswith(regions.SUFFIX[side])
        }
        mirror = np.eye(3) if side == hand.LEFT else regions.MIRROR
        self.heads = {name: mirror @ person.heads[i] for name, i in self.bone.items()}
        self.tails = {name: mirror @ person.tails[i] for name, i in self.bone.items()}
        # A rotation axis is a pseudo-vector: its mirror image also changes sign.
        sign = 1.0 if side == hand.LEFT else -1.0
        self.hinges = {name: sign * mirror @ person.hinges[i] for name, i in self.bone.items()}
        self._arm_frames()
        self._finger_frames()

    def _arm_frames(self):
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

    def _finger_frames(self):
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
        self.thumb_direction = self.palm.T @ self.finger["finger1-1"][:, 1]


def _world_rotations(person, pose):
    """`{bone: [3, 3]}`, world rotations of the bones that do not simply follow their parent."""
    bone = person.body.bone
    turned = {}
    _bend_chain(turned, [bone[name] for name in _SPINE], pose.spine, np.eye(3))
    chest = turned[bone["spine01"]]
    _bend_chain(turned, [bone[name] for name in _NECK], pose.neck, chest)
    for side, limbs in enumerate(person.limbs):
        mirror = np.eye(3) if side == hand.LEFT else regions.MIRROR
        local = {}
        _turn_arm(local, limbs, pose.arms[side], mirror @ chest @ mirror)
        _turn_leg(local, pose.hips[side], pose.knees[side])
        for name, linear in local.items():
            turned[limbs.bone[name]] = mirror @ linear @ mirror
    return turned


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


def _turn_arm(local, limbs, arm, chest):
    """Clavicle to wrist. The shoulder girdle takes a third of the elevation (Inman 1944)."""
    direction = arm.upper[:, 1]
    elevation = np.degrees(np.arccos(np.clip(-direction[1], -1, 1)))
    lift = np.clip((elevation - 45) / 3, -8, 32)
    forward = np.clip(18 * direction[2], -12, 18)
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


def _signed_twist(m, axis):
    """Radians by which rotation `m`, about `axis`, turns."""
    sine = 0.5 * np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]) @ axis
    return np.arctan2(sine, 0.5 * (np.trace(m) - 1))


def _turn_fingers(local, limbs, arm, palm):
    for f in range(2, 6):
        cup = {4: 0.5 * arm.cup, 5: arm.cup}.get(f, 0.0)
        base = palm @ rotation(0, cup)
        local[_METACARPAL[f]] = base @ limbs.palm.T
        deviation, *flexions = arm.fingers[f - 1]
        for k, flexion in enumerate(flexions, start=1):
            y, z, _ = limbs.on_parent[f, k]
            turn = _CONVERGENCE[f] if k == 1 else 0.0
            bend = _from_yzx(y - turn, deviation if k == 1 else z, flexion)
            base = base @ bend @ rotation(1, turn)
            name = f"finger{f}-{k}"
            local[name] = base @ limbs.finger[name].T


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
def default_body():
    """The package's body, loaded once a process."""
    return Body.load()
