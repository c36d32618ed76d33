"""One frame: a scene rendered to colour, mask and depth.

Every pixel's centre is cast once; where that finds an edge, points inside the pixel are cast and
shaded in its place.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from dcmls_tf import hand
from dcmls_tf.rendering import jewellery, lighting, occlusion, raycast, sensor
from dcmls_tf.rendering.backgrounds import sample_background
from dcmls_tf.rendering.camera import Camera
from dcmls_tf.rendering.mix import RHD, Mix
from dcmls_tf.rendering.renderer import Renderer
from dcmls_tf.rendering.scene import Annotation, Scene, annotate, generator, sample_scene
from dcmls_tf.rendering.scenery import sample_scenery

MAX_DEPTH_M = 5.0
_EDGE_DEPTH = 0.012  # metres between neighbouring pixels that make an edge
_EDGE_CONTRAST = 1.8  # ratio of neighbouring pixels' light that makes an edge
_BLOCK_CONTRAST = 1.2  # of neighbouring blocks, that has each pixel shaded


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
    scene = sample_scene(seed, split, index, shared=False)
    return render(scene, generator(seed, split, index, 1), photographs)


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
    renderer = Renderer(scene, rng, camera)
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


def _shade_by_blocks(
    renderer: Renderer,
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
    edges = np.zeros(shape, bool)
    for first, second in (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]):
        across = differ(first, second)
        edges[first] |= across
        edges[second] |= across
    return edges.reshape(-1)
