"""One scene: who, in which clothes and pose, seen by which camera, and its annotation.

A scene is drawn from `(seed, split, index)` alone. Two consecutive scenes may share a posed
person, whose two hands they show, each from a camera of its own: posing takes most of the time
where nothing is painted. What the labelled hand shows decides whether a
draw is kept; a coarse copy of the body tells it, so no picture is needed.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float, Int

from dcmls_tf import hand
from dcmls_tf.rendering import body as body_lib
from dcmls_tf.rendering import clothing, held, occlusion
from dcmls_tf.rendering.appearance import texture_of
from dcmls_tf.rendering.body import SPLITS, Person, Pose, Posed, default_body
from dcmls_tf.rendering.camera import Camera, sample_camera, sample_near_camera
from dcmls_tf.rendering.mix import RHD, Mix
from dcmls_tf.rendering.poses import sample_pose

MIN_VISIBLE = 9  # of the labelled hand's 21 joints
MIN_BOX_PX = 36
MIN_MASK_PX = 150
FRAMES_A_FIGURE = 2  # one for each hand
_LARGER = 1.1  # the labelled hand against the other, whose sizes are estimates
_CAMERAS_A_FIGURE = 4
_CLEARANCE = 0.16  # metres between the camera and the body
_NEAR_CLEARANCE = 0.07
_FIGURES = 3  # a stage of its own in `generator`


@dataclasses.dataclass(frozen=True)
class Annotation:
    """RHD's annotation: left hand in rows 0-20, right in 21-41, in RHD's joint order.

    xyz: metres, camera frame; uv_vis: px, and 1 where visible.
    """

    xyz: Float[np.ndarray, "42 3"]
    uv_vis: Float[np.ndarray, "42 3"]
    K: Float[np.ndarray, "3 3"]


class Figure:
    """A person, dressed and posed.

    joints: metres; of the left hand, then the right, in canonical order.
    thing: what a hand holds.
    """

    def __init__(self, person: Person, outfit: clothing.Outfit, pose: Pose) -> None:
        self.person, self.outfit = person, outfit
        self.thing: held.Thing | None = None
        self._transforms = person.bone_transforms(pose)
        self.joints: Float[np.ndarray, "2 21 3"] = person.joints(pose, self._transforms)

    @functools.cached_property
    def occluder(self) -> occlusion.Occluder:
        """What hides the hands, and the hands themselves."""
        copy = occlusion.coarse(self.person.body)
        return occlusion.Occluder(copy, self._posed(copy.vertices), self.thing)

    @functools.cached_property
    def eyes(self) -> Float[np.ndarray, "3"]:
        """The point between the eyes, metres."""
        rest = self.person.rest_vertices[self.person.body.eye].mean(0)
        return body_lib.moved(self._transforms[self.person.body.bone["head"]], rest)

    @functools.cached_property
    def posed(self) -> Posed:
        """All of its surface."""
        return Posed(self._posed(slice(None)), self.joints)

    def _posed(self, rows: slice | Int[np.ndarray, " N"]) -> Float[np.ndarray, "N 3"]:
        """Some vertices, posed, and pushed out by clothes and hair."""
        texture, rest = texture_of(self.person), self.person.rest_vertices
        thickness = self.outfit.thickness(
            texture.limbs[rows], texture.height[rows], rest[rows], texture.scalp[rows]
        )
        dressed = rest[rows] + thickness[:, None].astype(np.float32) * texture.normals[rows]
        return body_lib.skin(self.person.body.weights[rows], self._transforms, dressed)


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a frame shows.

    sides: the hands seen well: first the labelled one, which has more pixels.
    near: whether the camera is a photo's or webcam's, not one like RHD's.
    """

    figure: Figure
    camera: Camera
    sides: tuple[int, ...]
    annotation: Annotation
    near: bool

    @property
    def side(self) -> int:
        """The labelled hand."""
        return self.sides[0]

    @property
    def person(self) -> Person:
        """Who it is."""
        return self.figure.person

    @property
    def outfit(self) -> clothing.Outfit:
        """What the person wears."""
        return self.figure.outfit

    @property
    def posed(self) -> Posed:
        """The person's surface."""
        return self.figure.posed


def generator(seed: int, split: str, index: int, *stage: int) -> np.random.Generator:
    """The random generator of one stage of one frame; the first stage is 0."""
    return np.random.default_rng([seed, SPLITS.index(split), index, *(stage or (0,))])


def sample_scene(seed: int, split: str, index: int, mix: Mix = RHD, shared: bool = True) -> Scene:
    """The `Scene` of frame `index`; draws until the labelled hand is well seen.

    shared: whether frames 2k and 2k + 1 share a posed person.
    """
    rng = generator(seed, split, index)
    side = index % 2
    number = index // FRAMES_A_FIGURE if shared else index
    attempt = 0
    while True:
        figure = _figure(seed, split, number, attempt, mix)
        scene = _seen_well(figure, rng, side, mix)
        if scene is not None:
            return scene
        attempt += 1


@functools.lru_cache(maxsize=4)
def _figure(seed: int, split: str, number: int, attempt: int, mix: Mix) -> Figure:
    """The `Figure` that consecutive frames show first, or after that many failed."""
    rng = generator(seed, split, number, _FIGURES, attempt)
    identities = default_body().identities(split)
    person = _person(identities[rng.integers(len(identities))])
    outfit = clothing.sample_outfit(rng)
    figure = Figure(person, outfit, sample_pose(rng, split, person, together=mix.together))
    if mix.object and rng.random() < mix.object:
        figure.thing = held.sample_thing(rng, figure.joints, int(rng.integers(2)))
    return figure


@functools.lru_cache(maxsize=64)
def _person(identity: int) -> Person:
    return default_body().person(identity)


def _seen_well(figure: Figure, rng: np.random.Generator, side: int, mix: Mix) -> Scene | None:
    """A scene, or `None` when no camera tried shows the hand well."""
    near = rng.random() < mix.near
    for _ in range(_CAMERAS_A_FIGURE):
        if near:
            camera = sample_near_camera(rng, figure.joints[side], figure.eyes, mix.egocentric)
        else:
            camera = sample_camera(rng, figure.joints[side].mean(0))
        scene = scene_if_good(figure, camera, side, near)
        if scene is not None:
            return scene
    return None


def scene_if_good(figure: Figure, camera: Camera, side: int, near: bool) -> Scene | None:
    """`Scene`, or `None` if the hand is too small, hidden, or not the larger one."""
    uv, z = camera.project(figure.joints)
    if not _large_enough(camera, uv[side], z[side]):
        return None
    occluder = figure.occluder
    if occluder.gap(camera.position) < (_NEAR_CLEARANCE if near else _CLEARANCE):
        return None
    visible = occluder.visible(camera, uv, z)
    if visible[side].sum() < MIN_VISIBLE:
        return None
    sizes = occluder.sizes(camera, uv, z)
    if sizes[side] < max(MIN_MASK_PX, _LARGER * sizes[1 - side]):
        return None
    other = 1 - side
    both = _large_enough(camera, uv[other], z[other]) and visible[other].sum() >= MIN_VISIBLE
    sides = (side, other) if both and sizes[other] >= MIN_MASK_PX else (side,)
    return Scene(figure, camera, sides, annotate(camera, figure.joints, uv, visible), near)


def _large_enough(
    camera: Camera, uv: Float[np.ndarray, "21 2"], z: Float[np.ndarray, "21"]
) -> bool:
    """Whether enough of a hand is in the image, at a size that shows its joints."""
    if z.min() < 0.1 or np.ptp(uv, axis=0).max() < MIN_BOX_PX:
        return False
    return occlusion.in_image(uv, camera.size).sum() >= MIN_VISIBLE


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
