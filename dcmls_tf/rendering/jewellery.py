"""Rings, watches and bracelets: bands of another surface around a finger or a wrist."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int

from dcmls_tf import hand
from dcmls_tf.rendering.appearance import Surface, Texture
from dcmls_tf.rendering.clothing import SLEEVE
from dcmls_tf.rendering.lighting import linear_from_srgb

# sRGB of gold, silver, rose gold, black steel.
_METALS = np.array([(212, 170, 80), (200, 202, 205), (205, 150, 125), (40, 40, 44)]) / 255.0
_FINGER_SHARES = (0.08, 0.2, 0.2, 0.4, 0.12)  # thumb to little finger


@dataclasses.dataclass(frozen=True)
class Band:
    """A ring, or with no finger something around the wrist.

    at, width: along the finger's first bone, metres, or in `clothing`'s sleeve coordinate;
    colour: linear RGB.
    """

    side: int
    finger: int | None
    at: float
    width: float
    colour: Float[np.ndarray, "3"]
    gloss: float


def sample_bands(rng: np.random.Generator) -> list[Band]:
    """One to four random `Band`s."""
    return [_ring(rng) if rng.random() < 0.7 else _bracelet(rng) for _ in range(rng.integers(1, 5))]


def _ring(rng: np.random.Generator) -> Band:
    return Band(
        side=int(rng.integers(2)),
        finger=int(rng.choice(5, p=_FINGER_SHARES)),
        at=rng.uniform(0.014, 0.022),
        width=rng.uniform(0.0015, 0.005),
        colour=_metal(rng),
        gloss=rng.uniform(0.5, 1.0),
    )


def _bracelet(rng: np.random.Generator) -> Band:
    """A watch's strap or a bangle."""
    strap = rng.random() < 0.6
    colour = linear_from_srgb(rng.uniform(0.03, 0.9, 3)) if strap else _metal(rng)
    width = rng.uniform(0.05, 0.13) if strap else rng.uniform(0.01, 0.05)
    gloss = 0.1 if strap else rng.uniform(0.4, 0.9)
    return Band(int(rng.integers(2)), None, rng.uniform(1.72, 1.9), width, colour, gloss)


def _metal(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    return linear_from_srgb(_METALS[rng.integers(len(_METALS))] * rng.uniform(0.85, 1.1))


def put_on(
    surface: Surface,
    bands: Iterable[Band],
    texture: Texture,
    rest: Float[np.ndarray, "N 3"],
    limbs: Float[np.ndarray, "N 3"],
    classes: Int[np.ndarray, " N"],
) -> None:
    """Paints bands over a `Surface`'s bare skin.

    rest, limbs: the points in the rest pose and in limb coordinates; classes: RHD's, of masks.
    """
    for band in bands:
        mine = surface.is_skin & _under(band, texture, rest, limbs, classes)
        surface.albedo[mine], surface.bump[mine] = band.colour, 0.0
        surface.gloss[mine], surface.shininess[mine] = band.gloss, 40.0
        surface.is_skin[mine] = False


def _under(
    band: Band,
    texture: Texture,
    rest: Float[np.ndarray, "N 3"],
    limbs: Float[np.ndarray, "N 3"],
    classes: Int[np.ndarray, " N"],
) -> Bool[np.ndarray, " N"]:
    """Which points a band covers."""
    if band.finger is None:
        of_side = (rest[:, 0] > 0) == (band.side == hand.LEFT)
        return of_side & (np.abs(limbs[:, SLEEVE] - band.at) < band.width / 2)
    base, following = texture.joints[band.side, [1 + 4 * band.finger, 2 + 4 * band.finger]]
    if band.finger == 0:  # the thumb's first bone is in the palm
        base, following = texture.joints[band.side, [2, 3]]
    axis = (following - base) / np.linalg.norm(following - base)
    first = hand.HAND_CLASSES[band.side].start + 3 * band.finger
    on_finger = (classes >= first) & (classes < first + 3)
    return on_finger & (np.abs((rest - base) @ axis - band.at) < band.width / 2)
