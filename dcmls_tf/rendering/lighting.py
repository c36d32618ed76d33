"""Light: a key lamp with cast shadows, sky and ground, and how surfaces return it.

Everything is linear radiance until `develop`, the camera's exposure, blur, noise and sRGB.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8

from dcmls_tf.rendering import raycast
from dcmls_tf.rendering.body import rotation
from dcmls_tf.rendering.camera import Camera

if TYPE_CHECKING:  # `appearance` imports this module
    from dcmls_tf.rendering.appearance import Surface

# How far red, green and blue light creeps past the terminator inside skin.
_SKIN_WRAP = np.array([0.28, 0.14, 0.09], np.float32)
_SHADOW_LIFT = 0.0015  # metres from the surface at which shadow rays start
_AO_REACH = 0.05
_AO_RAYS = 8
_TABLE = 1 << 14


@dataclasses.dataclass(frozen=True)
class Lighting:
    """The light of a scene: a key lamp, and what comes from the sky and the ground.

    direction: to the key lamp, world; key, sky, ground: linear RGB; softness: radius of the
    lamp, radians; exposure: factor on the radiance.
    """

    direction: Float[np.ndarray, "3"]
    key: Float[np.ndarray, "3"]
    sky: Float[np.ndarray, "3"]
    ground: Float[np.ndarray, "3"]
    softness: float
    exposure: float


def sample_lighting(rng: np.random.Generator, camera: Camera) -> Lighting:
    """Random `Lighting`: from any upper direction, more often from the camera's side."""
    to_camera = -camera.rotation[2]
    heading = np.degrees(np.arctan2(to_camera[0], to_camera[2]))
    azimuth = rng.uniform(-180, 180) if rng.random() < 0.25 else heading + rng.normal(0, 60)
    elevation = np.degrees(np.arcsin(rng.uniform(0.1, 0.97)))
    direction = rotation(1, azimuth) @ rotation(0, -elevation) @ np.array([0.0, 0.0, 1.0])
    share = rng.uniform(0.3, 0.85)
    warmth = rng.normal(0, 0.08)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    sky = (1 - share) * np.array([1 - warmth, 1.0, 1 + warmth]) * rng.uniform(0.8, 1.4)
    ground = sky * rng.uniform(0.25, 0.8) * np.array([1.05, 1.0, 0.92])
    exposure = np.exp(rng.normal(-0.1, 0.35))
    if rng.random() < 0.25:
        exposure *= rng.uniform(0.12, 0.5)  # dusk, night, shade
    colours = (c.astype(np.float32) for c in (direction, 1.6 * share * tint, sky, ground))
    return Lighting(*colours, softness=rng.uniform(0.003, 0.012), exposure=exposure)


def shade(
    rng: np.random.Generator,
    light: Lighting,
    mesh: raycast.Mesh,
    surface: "Surface",
    points: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    to_eye: Float[np.ndarray, "N 3"],
    openness: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "N 3"]:
    """Linear radiance of surface points.

    points: world; normals, to_eye: unit vectors; openness: as of `openness`.
    """
    lamp = unit(light.direction + light.softness * rng.standard_normal(points.shape, np.float32))
    cosine = _dot(normals, light.direction)
    lit = _lit(mesh, points, normals, lamp, cosine)
    wrap = surface.is_skin[:, None] * _SKIN_WRAP
    diffuse = np.clip((cosine[:, None] + wrap) / (1 + wrap), 0, 1)
    # Inside the wrapped band there is no direct light to block, so shadows end softly.
    diffuse = diffuse * lit[:, None]
    up = 0.5 + 0.5 * normals[:, 1:2]
    openness = (openness * surface.occlusion)[:, None]
    # Light that the hand itself throws into its hollows.
    bounced = openness / (1 - 0.8 * surface.albedo * (1 - openness))
    ambient = (light.sky * up + light.ground * (1 - up)) * bounced
    ambient += 0.12 * light.key * surface.albedo * (1 - openness)
    half = unit(light.direction + to_eye)
    shine = np.clip(_dot(normals, half), 0, 1) ** surface.shininess
    grazing = 0.25 + 0.75 * (1 - np.clip(_dot(normals, to_eye), 0, 1)) ** 3
    specular = (surface.gloss * shine * grazing * lit * (cosine > 0))[:, None] * light.key
    return surface.albedo * (light.key * diffuse + ambient) + specular


def _lit(
    mesh: raycast.Mesh,
    points: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    lamp: Float[np.ndarray, "N 3"],
    cosine: Float[np.ndarray, " N"],
) -> Bool[np.ndarray, " N"]:
    """Whether the lamp is seen; surfaces turned far away are taken as lit."""
    facing = np.flatnonzero(cosine > 0.02)
    lit = np.ones(len(points), bool)
    start = points[facing] + _SHADOW_LIFT * normals[facing]
    lit[facing] = ~mesh.occluded(start, lamp[facing])
    return lit


def openness(
    mesh: raycast.Mesh, points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, " N"]:
    """Share of the nearby hemisphere that is free, at a few points such as vertices."""
    directions = normals[:, None] + np.float32(0.98) * _sphere(_AO_RAYS)
    starts = np.repeat(points + _SHADOW_LIFT * normals, _AO_RAYS, axis=0)
    blocked = mesh.occluded(starts, unit(directions).reshape(-1, 3), _AO_REACH)
    return 1 - np.float32(0.8) * blocked.reshape(-1, _AO_RAYS).mean(1, dtype=np.float32)


def develop(
    rng: np.random.Generator, radiance: Float[np.ndarray, "H W 3"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Linear image to sRGB, with lens blur, motion blur and sensor noise."""
    image = cv2.GaussianBlur(radiance.astype(np.float32), (0, 0), rng.uniform(0.35, 0.75))
    if rng.random() < 0.12:
        image = cv2.filter2D(image, -1, _motion_kernel(rng))
    noise = noise_window(rng, image.shape)
    shot, read = rng.uniform(0.0, 0.014), rng.uniform(0.0, 0.003)
    image = image + noise * np.sqrt(shot**2 * np.clip(image, 0, None) + read**2)
    return np.round(255 * srgb_from_linear(image)).astype(np.uint8)


@functools.lru_cache(maxsize=1)
def _noise_plate() -> Float[np.ndarray, "1024 1024 3"]:
    return np.random.default_rng(1948).standard_normal((1024, 1024, 3), np.float32)


def noise_window(rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "H W 3"]:
    """White noise for an image: a random window of one plate, since drawing it anew is slow."""
    plate = _noise_plate()
    top, left = rng.integers(plate.shape[0] - shape[0]), rng.integers(plate.shape[1] - shape[1])
    return plate[top : top + shape[0], left : left + shape[1]]


def _motion_kernel(rng: np.random.Generator) -> Float[np.ndarray, "7 7"]:
    length, angle = rng.uniform(1, 4), rng.uniform(0, np.pi)
    kernel = np.zeros((7, 7), np.float32)
    for t in np.linspace(-0.5, 0.5, 15):
        x, y = (3 + t * length * f(angle) for f in (math.cos, math.sin))
        kernel[round(y), round(x)] += 1
    return kernel / kernel.sum()


def srgb_from_linear(linear: Shaped[Any, "*N"]) -> Float[np.ndarray, "*N"]:
    """Linear 0..1 to sRGB 0..1 (IEC 61966-2-1), clipped."""
    return _tabulated(_encode_srgb, linear)


def linear_from_srgb(srgb: Shaped[Any, "*N"]) -> Float[np.ndarray, "*N"]:
    """sRGB 0..1 to linear 0..1 (IEC 61966-2-1)."""
    return _tabulated(_decode_srgb, srgb)


def _encode_srgb(linear: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _decode_srgb(srgb: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


@functools.lru_cache(maxsize=2)
def _table(curve: Callable[[np.ndarray], np.ndarray]) -> Float[np.ndarray, " N"]:
    return curve(np.arange(_TABLE) / (_TABLE - 1)).astype(np.float32)


def _tabulated(
    curve: Callable[[np.ndarray], np.ndarray], values: Shaped[Any, "*N"]
) -> Float[np.ndarray, "*N"]:
    """The curve by table: powers of every pixel would take longer than casting them."""
    last = np.float32(_TABLE - 1)
    index = np.clip(np.asarray(values, np.float32) * last + np.float32(0.5), 0, last)
    return _table(curve)[index.astype(np.int32)]


@functools.lru_cache(maxsize=1)
def _sphere(count: int) -> Float[np.ndarray, "N 3"]:
    """Directions spread evenly (a Fibonacci lattice)."""
    z = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn), z], 1)
    return points.astype(np.float32)


def _dot(
    a: Float[np.ndarray, "N 3"], b: Float[np.ndarray, "N 3"] | Float[np.ndarray, "3"]
) -> Float[np.ndarray, " N"]:
    return a @ b if b.ndim == 1 else np.einsum("nc,nc->n", a, b)


def unit(v: Float[np.ndarray, "*N C"]) -> Float[np.ndarray, "*N C"]:
    """Vectors scaled to length 1."""
    return v / np.sqrt(np.maximum(np.einsum("...c,...c->...", v, v), 1e-20))[..., None]
