"""One scene: who, in which clothes and pose, seen by which camera, and its annotation.

A scene is drawn from `(seed, split, index)` alone. What the labelled hand shows decides
whether a draw is kept, so its pixels are cast here, on the few faces in front of the hands;
a full picture is `frame.render`.
"""

import copy
import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float

from dcmls_tf import hand
from dcmls_tf.rendering import clothing, raycast
from dcmls_tf.rendering.appearance import texture_of
from dcmls_tf.rendering.body import SPLITS, Person, Posed, default_body
from dcmls_tf.rendering.camera import SIZE, Camera, sample_camera
from dcmls_tf.rendering.poses import sample_pose

MIN_VISIBLE = 9  # of the labelled hand's 21 joints
MIN_BOX_PX = 36
MIN_MASK_PX = 150
_CAMERAS_A_POSE = 4
_CLEARANCE = 0.16  # metres between the camera and the body
_NEAR = 0.05
_FACE_PX = 48  # no face is larger in an image
_SKIN_DEPTH = 0.025  # metres that skin reaches beyond the joints


@dataclasses.dataclass(frozen=True)
class Annotation:
    """RHD's annotation: left hand in rows 0-20, right in 21-41, in RHD's joint order.

    xyz: metres, camera frame; uv_vis: px, and 1 where visible.
    """

    xyz: Float[np.ndarray, "42 3"]
    uv_vis: Float[np.ndarray, "42 3"]
    K: Float[np.ndarray, "3 3"]


@dataclasses.dataclass(frozen=True)
class Scene:
    """`side` is the labelled hand, the one with more pixels."""

    person: Person
    outfit: clothing.Outfit
    posed: Posed
    camera: Camera
    side: int
    annotation: Annotation


def generator(seed, split, index, stage=0):
    """The random generator of one stage of one frame."""
    return np.random.default_rng(np.random.SeedSequence([seed, SPLITS.index(split), index, stage]))


def sample_scene(seed, split, index):
    """The `Scene` of frame `index`; draws until the labelled hand is well seen."""
    rng = generator(seed, split, index)
    while True:
        scene = _attempt(rng, split)
        if scene is not None:
            return scene


@functools.lru_cache(maxsize=64)
def _person(identity: int) -> Person:
    return default_body().person(identity)


def _attempt(rng, split):
    """A scene, or `None` when no camera tried shows the hand well."""
    identities = default_body().identities(split)
    person = _person(identities[rng.integers(len(identities))])
    outfit = clothing.sample_outfit(rng)
    posed = _dressed(person, outfit).pose(sample_pose(rng, split, person))
    side = int(rng.integers(2))
    for _ in range(_CAMERAS_A_POSE):
        camera = sample_camera(rng, posed.joints[side].mean(0))
        annotation = _annotate_if_good(posed, camera, side)
        if annotation is not None:
            return Scene(person, outfit, posed, camera, side, annotation)
    return None


def _dressed(person, outfit):
    """The person with clothes and hair pushed out of the rest pose's surface."""
    texture = texture_of(person)
    thickness = outfit.thickness(texture.limbs, texture.height, person.rest_vertices, texture.scalp)
    dressed = copy.copy(person)
    dressed.rest_vertices = (
        person.rest_vertices + thickness[:, None].astype(np.float32) * texture.normals
    )
    return dressed


def _annotate_if_good(posed, camera, side):
    """`Annotation`, or `None` if the hand is too small, hidden, or not the larger one."""
    uv, z = camera.project(posed.joints)
    if z[side].min() < 0.1 or np.ptp(uv[side], axis=0).max() < MIN_BOX_PX:
        return None
    if _gap(posed.vertices, camera.position) < _CLEARANCE:
        return None
    if _in_image(uv[side]).sum() < MIN_VISIBLE:
        return None
    classes = cast_hands(posed.vertices, camera, uv, z)
    sides = [hand.is_of_side(classes, s) for s in (hand.LEFT, hand.RIGHT)]
    if sides[side].sum() < max(MIN_MASK_PX, sides[1 - side].sum() + 1):
        return None
    visible = np.stack([_near_own_pixels(uv[s], z[s], sides[s]) for s in (0, 1)])
    if visible[side].sum() < MIN_VISIBLE:
        return None
    return annotate(camera, posed.joints, uv, visible)


def _gap(vertices, position):
    """Metres from a position to the nearest vertex."""
    away = vertices - position.astype(np.float32)
    return np.sqrt(np.einsum("vc,vc->v", away, away).min())


def annotate(
    camera: Camera,
    joints: Float[np.ndarray, "2 21 3"],
    uv: Float[np.ndarray, "2 21 2"],
    visible: Bool[np.ndarray, "2 21"],
) -> Annotation:
    """`Annotation` from canonical joints in the world, metres, and where they are seen, px."""
    native = hand.CANONICAL_TO_RHD
    uv_vis = np.concatenate([uv, visible[..., None]], -1)[:, native].reshape(-1, 3)
    xyz = camera.to_camera(joints)[:, native].reshape(-1, 3)
    return Annotation(*(a.astype(np.float32) for a in (xyz, uv_vis, camera.K)))


def cast_hands(vertices, camera, uv, z):
    """RHD mask `[SIZE, SIZE]` uint8, filled in around both hands only."""
    boxes = [box for box in (_box(camera, uv[s], z[s]) for s in (0, 1)) if box is not None]
    body = default_body()
    mask = np.zeros((SIZE, SIZE), np.uint8)
    faces = _faces_over(boxes, vertices, camera, body.faces)
    mesh = raycast.Mesh(vertices, body.faces[faces])
    for left, top, right, bottom in boxes:
        pixels = np.mgrid[top : bottom + 1, left : right + 1]
        middles = pixels[::-1].reshape(2, -1).T + 0.5
        hits = mesh.first_hits(camera.position, camera.rays(middles))
        found = np.where(hits.face >= 0, body.face_class[faces[hits.face]], 0)
        mask[top : bottom + 1, left : right + 1] = found.reshape(pixels.shape[1:])
    return mask


def _box(camera, uv, z):
    """Columns and rows `(left, top, right, bottom)` around a hand; `None` outside the image."""
    if z.min() <= 0.05:
        return None
    pad = 6 + _SKIN_DEPTH * camera.K[0, 0] / z.min()
    low = np.floor(np.clip(uv.min(0) - pad, 0, SIZE - 1)).astype(int)
    high = np.floor(np.clip(uv.max(0) + pad, 0, SIZE - 1)).astype(int)
    return (*low, *high) if (high > low).all() else None


def _faces_over(boxes, vertices, camera, faces):
    """Indices of faces turned to the camera that may cover part of a box."""
    uv, z = camera.project(vertices)
    near = np.zeros(len(vertices), bool)
    for left, top, right, bottom in boxes:
        low, high = (left - _FACE_PX, top - _FACE_PX), (right + _FACE_PX, bottom + _FACE_PX)
        near |= inside_box(uv, low, high)
    chosen = faces_with(near & (z > _NEAR), faces)
    chosen = chosen[_facing(vertices[faces[chosen]], camera.position)]
    corners = [uv[faces[chosen, k]] for k in range(3)]
    low, high = functools.reduce(np.minimum, corners), functools.reduce(np.maximum, corners)
    over = np.zeros(len(chosen), bool)
    for left, top, right, bottom in boxes:
        over |= ((high >= (left, top)) & (low <= (right + 1, bottom + 1))).all(1)
    return chosen[over]


def _facing(corners, position):
    """`[N]` bool: whether triangles `corners [N, 3, 3]` turn their outside to a position."""
    a, b, c = (corners[:, k] - position.astype(np.float32) for k in range(3))
    return np.einsum("nc,nc->n", a, np.cross(b, c)) < 0


def inside_box(uv, low, high):
    """`[N]` bool: which of `uv [N, 2]` lie between the corners `low` and `high`."""
    u, v = uv[:, 0], uv[:, 1]
    return (u >= low[0]) & (u <= high[0]) & (v >= low[1]) & (v <= high[1])


def faces_with(chosen, faces):
    """Indices of faces with a corner among the `chosen [V]` vertices."""
    return np.flatnonzero(chosen[faces[:, 0]] | chosen[faces[:, 1]] | chosen[faces[:, 2]])


def _in_image(uv):
    return ((uv >= 0) & (uv < SIZE)).all(-1)


def _near_own_pixels(uv, z, own, reach=2):
    """`[21]`: joints in the image with a pixel of their own hand within `reach` px.

    On RHD's frames this rule agrees with the published flags for all but 3 of 2,520 joints: a
    joint behind its own hand counts as visible, one behind anything else does not.
    """
    visible = np.zeros(len(uv), bool)
    for j in np.flatnonzero(_in_image(uv) & (z > 0)):
        column, row = uv[j].astype(int)
        rows, columns = (slice(max(at - reach, 0), at + reach + 1) for at in (row, column))
        visible[j] = own[rows, columns].any()
    return visible
