"""One frame: a scene rendered to colour, mask and depth.

Every pixel's centre is cast once; where that finds an edge, points inside the pixel are cast and
shaded in its place.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from dcmls_tf import hand
from dcmls_tf.rendering import appearance, jewellery, lighting, occlusion, raycast, sensor
from dcmls_tf.rendering.backgrounds import sample_background
from dcmls_tf.rendering.body import default_body
from dcmls_tf.rendering.camera import Camera
from dcmls_tf.rendering.mix import RHD, Mix
from dcmls_tf.rendering.regions import THING_CLASS
from dcmls_tf.rendering.scene import Annotation, Scene, annotate, generator, sample_scene
from dcmls_tf.rendering.scenery import sample_scenery

MAX_DEPTH_M = 5.0
_EDGE_DEPTH = 0.012  # metres between neighbouring pixels that make an edge
_EDGE_CONTRAST = 1.8  # ratio of neighbouring pixels' light that makes an edge
_BLOCK_CONTRAST = 1.2  # of neighbouring blocks, that has each pixel shaded
_SHADOW_SHARE = 0.12  # of the image; what is further outside casts no shadow into it
_COARSE_PX = 4
_SUBPIXELS = np.array([(-0.33, -0.17), (0.17, -0.33), (0.0, 0.33)], np.float32)


@dataclasses.dataclass(frozen=True)
class Frame:
    """A rendered frame.

    colour: RGB; mask: RHD's classes; depth_m: along the camera's axis, infinite in the
    background.
    """

    colour: UInt8[np.ndarray, "320 320 3"]
    mask: UInt8[np.ndarray, "320 320"]
    depth_m: Float[np.ndarray, "320 320"]
    annotation: Annotation


class Painting(NamedTuple):
    """What one camera sees of a scene; the fields are those of `Frame`."""

    colour: UInt8[np.ndarray, "S S 3"]
    mask: UInt8[np.ndarray, "S S"]
    depth_m: Float[np.ndarray, "S S"]


def encode_depth(depth_m: Float[np.ndarray, "*N"]) -> UInt8[np.ndarray, "*N 3"]:
    """RHD's depth image, RGB: 16 bits in R (high) and G, 65535 for 5 m."""
    value = np.round(np.clip(depth_m / MAX_DEPTH_M, 0, 1) * 65535).astype(np.uint16)
    return np.stack([value >> 8, value & 255, 0 * value], -1).astype(np.uint8)


def decode_depth(image: UInt8[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N"]:
    """Metres from RHD's depth image."""
    high, low = image[..., 0].astype(float), image[..., 1].astype(float)
    return (256 * high + low) / 65535 * MAX_DEPTH_M


def render_frame(seed: int, split: str, index: int, photographs: Sequence[str]) -> Frame:
    """The `Frame` that `(seed, split, index)` stands for, before `photographs` (paths)."""
    return render(sample_scene(seed, split, index), generator(seed, split, index, 1), photographs)


def render(scene: Scene, rng: np.random.Generator, photographs: Sequence[str]) -> Frame:
    """`Frame` of a scene; `rng` draws colours, light, background and sensor noise."""
    painting = paint(scene, rng, photographs, scene.camera)
    return Frame(*painting, annotate_by_mask(scene, scene.camera, painting.mask))


def paint(
    scene: Scene,
    rng: np.random.Generator,
    photographs: Sequence[str],
    camera: Camera,
    mix: Mix = RHD,
) -> Painting:
    """A scene as a camera at the place of the scene's own sees it; `rng` draws as in `render`."""
    renderer = _Renderer(scene, rng, camera)
    if mix.jewellery and rng.random() < mix.jewellery:
        renderer.bands = jewellery.sample_bands(rng)
    photographed = mix.photographed and rng.random() < mix.photographed
    size = camera.size
    window = renderer.window()
    pixels = np.mgrid[window][::-1].reshape(2, -1).T
    mask = np.zeros((size, size), np.uint8)
    shape = mask[window].shape
    hits = renderer.cast_near_person(pixels, shape)
    struck = hits.face >= 0
    mask[window] = np.where(struck, renderer.face_class[hits.face], 0).reshape(shape)
    depth = np.full((size, size), np.inf, np.float32)
    depth[window] = np.where(struck, hits.distance, np.inf).reshape(shape)

    background = sample_scenery if photographed else sample_background
    image = background(rng, photographs, size)
    radiance = image[window].copy().reshape(-1, 3)
    outline = _outline(struck, hits.distance, shape)
    whole = struck & ~outline
    uneven = _shade_by_blocks(renderer, radiance, hits, whole.reshape(shape), mask[window])
    inner = _contrasts(radiance, whole.reshape(shape) & (mask[window] > hand.PERSON_CLASS))
    edges = np.flatnonzero(outline | inner)
    behind = image[window].reshape(-1, 3)[edges]
    light = renderer.shade_finely(hits[uneven], pixels[edges], behind)
    radiance[uneven], radiance[edges] = light
    image[window] = radiance.reshape(*shape, 3)
    image *= np.float32(renderer.light.exposure)
    colour = sensor.photograph(rng, image, mix) if photographed else lighting.develop(rng, image)
    return Painting(colour, mask, depth)


def annotate_by_mask(scene: Scene, camera: Camera, mask: UInt8[np.ndarray, "H W"]) -> Annotation:
    """The `Annotation` of a picture by `camera`, with flags from its mask."""
    joints = scene.figure.joints
    uv, z = camera.project(joints)
    reach = occlusion.reach_px(camera.K[0, 0] / scene.camera.K[0, 0])
    visible = [
        occlusion.near_own_pixels(uv[side], z[side], hand.is_of_side(mask, side), reach)
        for side in (hand.LEFT, hand.RIGHT)
    ]
    return annotate(camera, joints, uv, np.array(visible))


class _Renderer:
    """A scene ready to be cast and shaded."""

    def __init__(self, scene: Scene, rng: np.random.Generator, camera: Camera) -> None:
        self.scene, self.rng, self.camera = scene, rng, camera
        self.light = lighting.sample_lighting(rng, camera)
        self.look = appearance.sample_look(rng, scene.person)
        self.texture = appearance.texture_of(scene.person)
        self.bands: Sequence[jewellery.Band] = ()
        self.thing = scene.figure.thing
        self.fabric = None if self.thing is None else appearance.sample_thing_fabric(rng)
        vertices, faces, classes, channels = self._whole()
        chosen, normals = self._what_matters(vertices, faces)
        used = np.zeros(len(vertices), bool)
        used[faces[chosen]] = True
        self.vertices, self.normals = vertices[used], normals[used]
        self.faces, self.face_class = (np.cumsum(used) - 1)[faces[chosen]], classes[chosen]
        self.mesh = raycast.Mesh(self.vertices, self.faces)
        self.attributes = np.column_stack(
            [self.vertices, self.normals, self._openness(), channels[used]]
        )

    def _whole(
        self,
    ) -> tuple[
        Float[np.ndarray, "V 3"],
        Int[np.ndarray, "F 3"],
        UInt8[np.ndarray, " F"],
        Float[np.ndarray, "V 18"],
    ]:
        """Vertices, faces, classes of faces and channels of the person and what a hand holds."""
        body = default_body()
        parts = self.scene.posed.vertices, body.faces, body.face_class, self.texture.channels
        if self.thing is None:
            return parts
        thing, count = self.thing, len(parts[0])
        classes = np.full(len(thing.faces), THING_CLASS, np.uint8)
        more = thing.vertices, thing.faces + count, classes, appearance.thing_channels(thing)
        vertices, faces, classes, channels = map(np.concatenate, zip(parts, more, strict=True))
        return vertices, faces, classes, channels

    def window(self) -> tuple[slice, slice]:
        """Slices of the rows and columns that the person may cover."""
        uv, z = self.camera.project(self.vertices[self.faces[:, 0]])
        size = self.camera.size
        if z.min() < 0.05:
            return np.s_[0:size, 0:size]
        low = np.clip(np.floor(uv.min(0)) - 48, 0, size).astype(int)
        high = np.clip(np.ceil(uv.max(0)) + 48, 0, size).astype(int)
        return np.s_[low[1] : high[1], low[0] : high[0]]

    def _what_matters(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, "V 3"]]:
        """Indices of the faces that bear on the image, and the vertices' normals.

        That is what is in it or near it, and is turned to the camera or to the lamp: what is
        turned to neither is always behind such a face for eye and lamp alike.
        """
        uv, z = self.camera.project(vertices)
        margin = _SHADOW_SHARE * self.camera.size
        inside = _inside(uv, -margin, self.camera.size + margin)
        nearby = inside & (z > 0) | (np.abs(z) < 0.1)
        rows = _faces_with(nearby, faces)
        corners = vertices[faces[rows]]
        outward = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        to_eye = self.camera.position.astype(np.float32) - corners[:, 0]
        seen = (np.einsum("fc,fc->f", outward, to_eye) > 0) | (outward @ self.light.direction > 0)
        normals = lighting.unit(_gathered(outward, faces[rows], len(vertices)))
        return rows[seen], normals

    def _openness(self) -> Float[np.ndarray, " V"]:
        """How much of the sky the hands' own vertices see; 1 elsewhere."""
        openness = np.ones(len(self.vertices), np.float32)
        hands = np.zeros(len(openness), bool)
        hands[self.faces[self.face_class > hand.PERSON_CLASS]] = True
        to_eye = self.camera.position.astype(np.float32) - self.vertices
        hands &= np.einsum("vc,vc->v", self.normals, to_eye) > 0
        openness[hands] = lighting.openness(self.mesh, self.vertices[hands], self.normals[hands])
        return openness

    def cast_near_person(
        self, pixels: Int[np.ndarray, "N 2"], shape: tuple[int, ...]
    ) -> raycast.Hits:
        """Hits of the middles of an image's pixels, cast only around where a coarse grid hits."""
        coarse = np.zeros(shape, np.uint8)
        sparse = np.s_[::_COARSE_PX, ::_COARSE_PX]
        grid = pixels.reshape(*shape, 2)[sparse]
        struck = self.cast(grid.reshape(-1, 2) + 0.5).face >= 0
        coarse[sparse] = struck.reshape(grid.shape[:2])
        reach = 2 * _COARSE_PX + 1
        near = np.flatnonzero(cv2.dilate(coarse, np.ones((reach, reach), np.uint8)))
        return self.cast(pixels[near] + 0.5).spread(near, len(pixels))

    def cast(self, uv: Float[np.ndarray, "N 2"]) -> raycast.Hits:
        """Hits of points in the image, px."""
        return self.mesh.first_hits(self.camera.position, self.camera.rays(uv))

    def shade(self, hits: raycast.Hits) -> Float[np.ndarray, "N 3"]:
        """Linear radiance of hits that all have a face."""
        values = raycast.interpolate(self.attributes, self.faces, hits)
        points, normals = values[:, :3], lighting.unit(values[:, 3:6])
        openness, channels = values[:, 6], values[:, 7:]
        surface = appearance.surface(
            self.look, self.scene.outfit, self.texture, channels, self.face_class[hits.face]
        )
        jewellery.put_on(
            surface, self.bands, self.texture, channels[:, :3], channels[:, 3:6],
            self.face_class[hits.face],
        )  # fmt: skip
        if self.fabric is not None:
            things = self.face_class[hits.face] == THING_CLASS
            appearance.paint_thing(surface, self.fabric, channels, things)
        to_eye = lighting.unit(self.camera.position.astype(np.float32) - points)
        bumped = lighting.unit(normals + surface.bump)
        return lighting.shade(
            self.rng, self.light, self.mesh, surface, points, bumped, to_eye, openness
        )

    def shade_finely(
        self,
        hits: raycast.Hits,
        pixels: Int[np.ndarray, "N 2"],
        behind: Float[np.ndarray, "N 3"],
    ) -> tuple[Float[np.ndarray, "M 3"], Float[np.ndarray, "N 3"]]:
        """Radiance of hits, and the means of points inside of pixels.

        behind: the background's radiance in those pixels.
        """
        inside = self.cast((pixels[:, None] + 0.5 + _SUBPIXELS).reshape(-1, 2))
        struck = inside.face >= 0
        light = self.shade(hits.joined(inside[struck]))
        points = np.repeat(behind, len(_SUBPIXELS), axis=0)
        points[struck] = light[len(hits.face) :]
        return light[: len(hits.face)], points.reshape(-1, len(_SUBPIXELS), 3).mean(1)


def _inside(uv: Float[np.ndarray, "N 2"], low: float, high: float) -> Bool[np.ndarray, " N"]:
    """Which points have both coordinates between `low` and `high` px."""
    u, v = uv[:, 0], uv[:, 1]
    return (u >= low) & (u <= high) & (v >= low) & (v <= high)


def _faces_with(
    chosen: Bool[np.ndarray, " V"], faces: Int[np.ndarray, "F 3"]
) -> Int[np.ndarray, " N"]:
    """Indices of faces with a corner among the chosen vertices."""
    return np.flatnonzero(chosen[faces[:, 0]] | chosen[faces[:, 1]] | chosen[faces[:, 2]])


def _cross(a: Float[np.ndarray, "N 3"], b: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """Cross products; column by column, which is faster than NumPy's."""
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)


def _gathered(
    values: Float[np.ndarray, "F 3"], faces: Int[np.ndarray, "F 3"], count: int
) -> Float[np.ndarray, "count 3"]:
    """Sums of values over each vertex's faces, float32."""
    at = faces.ravel()
    sums = [np.bincount(at, np.repeat(values[:, c], 3), count) for c in range(3)]
    return np.stack(sums, 1).astype(np.float32)


def _shade_by_blocks(
    renderer: _Renderer,
    radiance: Float[np.ndarray, "H*W 3"],
    hits: raycast.Hits,
    whole: Bool[np.ndarray, "H W"],
    mask: UInt8[np.ndarray, "H W"],
) -> Int[np.ndarray, " M"]:
    """Fills `radiance` where pixels are `whole`: hands pixel by pixel, the rest by fours.

    A block of 2 x 2 pixels away from hands gets the light of its first. Returns the pixels of
    blocks beside a lighter or darker one, which are still to be shaded one by one.
    """
    numbers = np.arange(mask.size).reshape(mask.shape)
    plain = whole & (mask <= hand.PERSON_CLASS)
    height, width = (n // 2 * 2 for n in mask.shape)
    corners = (plain[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1))
    blocks = functools.reduce(np.logical_and, corners)
    firsts = numbers[:height:2, :width:2][blocks]
    singles = np.flatnonzero(whole & ~_by_fours(blocks, mask.shape))
    light = renderer.shade(hits[np.concatenate([singles, firsts])])
    radiance[singles], of_blocks = light[: len(singles)], light[len(singles) :]
    for step in (0, 1, mask.shape[1], mask.shape[1] + 1):
        radiance[firsts + step] = of_blocks
    grid = np.zeros((blocks.size, 3), np.float32)
    grid[blocks.reshape(-1)] = of_blocks
    uneven = _contrasts(grid, blocks, _BLOCK_CONTRAST).reshape(blocks.shape)
    return np.flatnonzero(_by_fours(uneven, mask.shape))


def _by_fours(blocks: Bool[np.ndarray, "h w"], shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """The pixels of blocks of two by two."""
    pixels = np.zeros(shape, bool)
    pixels[: 2 * blocks.shape[0], : 2 * blocks.shape[1]] = blocks.repeat(2, 0).repeat(2, 1)
    return pixels


def _outline(
    struck: Bool[np.ndarray, " N"], distance: Float[np.ndarray, " N"], shape: tuple[int, ...]
) -> Bool[np.ndarray, " N"]:
    """Whether a pixel is next to one whose depth is another."""
    depth = np.where(struck, distance, np.float32(1e3)).reshape(shape)
    return _beside(shape, lambda a, b: np.abs(depth[a] - depth[b]) > _EDGE_DEPTH)


def _contrasts(
    radiance: Float[np.ndarray, "N 3"],
    where: Bool[np.ndarray, "H W"],
    ratio: float = _EDGE_CONTRAST,
) -> Bool[np.ndarray, " N"]:
    """Whether a pixel is in `where`, and next to one there that is lighter or darker by a ratio."""
    light = np.log(radiance[:, 1].reshape(where.shape) + np.float32(0.01))
    limit = np.log(ratio)
    return _beside(
        where.shape, lambda a, b: (np.abs(light[a] - light[b]) > limit) & where[a] & where[b]
    )


def _beside(
    shape: tuple[int, ...], differ: Callable[[Any, Any], np.ndarray]
) -> Bool[np.ndarray, " N"]:
    """Whether a pixel differs from one beside, above or below it."""
    found = np.zeros(shape, bool)
    for first, second in (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]):
        across = differ(first, second)
        found[first] |= across
        found[second] |= across
    return found.reshape(-1)
