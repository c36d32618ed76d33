"""Which part of a person each vertex and face of the mesh belongs to.

Body parts for clothes, RHD's mask classes, nails and scalp, all found from skin weights
and rest positions.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from dcmls_tf import hand

if TYPE_CHECKING:  # `body` imports this module
    from dcmls_tf.rendering.body import Body, Person

MIRROR = np.diag([-1.0, 1.0, 1.0])
SUFFIX = {hand.LEFT: ".L", hand.RIGHT: ".R"}
# RHD has no class for what a hand holds; its masks are of people.
THING_CLASS = hand.BACKGROUND_CLASS

PARTS = ("head", "neck", "torso", "pelvis") + tuple(
    f"{part}_{side}"
    for side in hand.SIDES
    for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
)
# Bone-name prefixes of each part, for one side where the part has one.
_PART_BONES = {
    "head": ("head",),
    "neck": ("neck",),
    "torso": ("spine04", "spine03", "spine02", "spine01", "clavicle", "shoulder"),
    "pelvis": ("root", "pelvis", "spine05"),
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg",),
    "foot": ("foot",),
}
# From where to where a part's `along` runs: (bone head, bone head or "bone>" for its tail).
_PART_AXES = {
    "head": ("head", "head>"),
    "neck": ("neck01", "head"),
    "torso": ("spine05", "neck01"),
    "pelvis": ("upperleg01", "spine04"),
    "upper_arm": ("upperarm01", "lowerarm01"),
    "forearm": ("lowerarm01", "wrist"),
    "hand": ("wrist", "finger3-3>"),
    "thigh": ("upperleg01", "lowerleg01"),
    "shin": ("lowerleg01", "foot"),
    "foot": ("foot", "foot>"),
}


def _bones_of(body: "Body", prefixes: tuple[str, ...], side: int | None = None) -> list[int]:
    """Bone indices whose names start with one of `prefixes`, of one side if given."""
    return [
        i
        for i, name in enumerate(body.bones)
        if name.startswith(prefixes) and (side is None or name.endswith(SUFFIX[side]))
    ]


def _split_part(part: str) -> tuple[str, int | None]:
    """`(name, side)`; side is `None` for the head, neck, torso and pelvis."""
    name, _, side = part.rpartition("_")
    return (name, hand.SIDES.index(side)) if side in hand.SIDES else (part, None)


def parts(body: "Body") -> UInt8[np.ndarray, " V"]:
    """Each vertex's part, an index into `PARTS`, by skin weight."""
    totals = []
    for part in PARTS:
        name, side = _split_part(part)
        totals.append(body.weights[:, _bones_of(body, _PART_BONES[name], side)].sum(1))
    return np.argmax(totals, 0).astype(np.uint8)


def along(body: "Body") -> Float[np.ndarray, " V"]:
    """How far each vertex is along the main bone of its part, 0..1."""
    heads, tails = body.asset["heads"].mean(0), body.asset["tails"].mean(0)

    def point(spec: str, side: int | None) -> Float[np.ndarray, "3"]:
        name = spec.rstrip(">")
        at = tails if spec.endswith(">") else heads
        if name in body.bone:
            return at[body.bone[name]]
        sides = (hand.LEFT, hand.RIGHT) if side is None else (side,)
        return np.mean([at[body.bone[name + SUFFIX[s]]] for s in sides], 0)

    result = np.zeros(len(body.part), np.float32)
    for i, part in enumerate(PARTS):
        name, side = _split_part(part)
        start, end = (point(spec, side) for spec in _PART_AXES[name])
        mine = body.part == i
        axis = end - start
        result[mine] = np.clip((body.mean_vertices[mine] - start) @ axis / (axis @ axis), 0, 1)
    return result


def _vertex_classes(body: "Body") -> UInt8[np.ndarray, " V"]:
    classes, totals = [hand.PERSON_CLASS], []
    hands = []
    for side, hand_classes in hand.HAND_CLASSES.items():
        groups = [(f"finger{finger}-{k}",) for finger in range(1, 6) for k in (3, 2, 1)] + [
            ("wrist", "metacarpal")
        ]
        for offset, prefixes in enumerate(groups):
            bones = _bones_of(body, prefixes, side)
            hands += bones
            classes.append(hand_classes[offset])
            totals.append(body.weights[:, bones].sum(1))
    rest = [i for i in range(len(body.bones)) if i not in hands]
    totals.insert(0, body.weights[:, rest].sum(1))
    return np.array(classes, np.uint8)[np.argmax(totals, 0)]


def face_classes(body: "Body") -> UInt8[np.ndarray, " F"]:
    """RHD's mask class of each face: what two of its corners share, else the first corner's."""
    a, b, c = _vertex_classes(body)[body.faces].T
    return np.where(b == c, b, a)


def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Unit normals, weighted by the faces' areas."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], normals)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def nails(body: "Body", person: "Person") -> Bool[np.ndarray, " V"]:
    """Vertices on the back of the last half of each finger's last bone."""
    normals = vertex_normals(person.rest_vertices, body.faces)
    nail = np.zeros(len(body.part), bool)
    for limbs in person.limbs:
        mirror = np.eye(3) if limbs.side == hand.LEFT else MIRROR
        for f in range(1, 6):
            name = f"finger{f}-3"
            mine = body.weights[:, limbs.bone[name]] > 0.5
            local = limbs.finger[name].T @ mirror
            reach = np.linalg.norm(limbs.tails[name] - limbs.heads[name])
            at = (person.rest_vertices @ mirror - limbs.heads[name]) @ limbs.finger[name]
            back = (normals @ local.T)[:, 2] < -0.6
            nail |= mine & back & (at[:, 1] > 0.5 * reach)
    return nail


def scalp(body: "Body") -> Bool[np.ndarray, " V"]:
    """Head vertices above a plane from the hairline down to the nape, without the ears."""
    points = body.mean_vertices
    eyes = points[body.eye].mean(0)
    head = points[body.part == PARTS.index("head")]
    front, back = head[:, 2].max(), head[:, 2].min()
    from_front = (front - points[:, 2]) / (front - back)
    plane = eyes[1] + 0.065 - 0.14 * np.clip(from_front - 0.15, 0, 1)
    width = np.abs(head[head[:, 1] > eyes[1] + 0.06, 0]).max()
    ear = (np.abs(points[:, 0]) > 1.04 * width) & (points[:, 1] < eyes[1] + 0.045)
    return (points[:, 1] > plane) & ~ear
