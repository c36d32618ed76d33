"""Clothes as the body's own skin pushed outward: which points are covered, and how far.

Where a garment ends is decided by three coordinates that grow along the limbs, so that a
sleeve's or a trouser leg's end is a straight line however coarse the mesh is.
"""

import dataclasses
import enum
import functools

import numpy as np
from jaxtyping import Bool, Float, Int

from dcmls_tf.rendering import noise
from dcmls_tf.rendering.body import Body
from dcmls_tf.rendering.regions import PARTS

SLEEVE, COLLAR, LEG = 0, 1, 2
_TRUNK = -1.0


class Cover(enum.IntEnum):
    """What covers a point of the body."""

    SKIN = 0
    TOP = 1
    TROUSERS = 2
    SHOES = 3


@functools.lru_cache(maxsize=1)
def limb_coordinates(body: Body) -> Float[np.ndarray, "V 3"]:
    """How far along the sleeve, the collar and the trouser leg; 0 where a limb begins.

    A limb's first part spans 0..1, its second 1..2, and so on; hands begin at sleeve 2.
    """
    coordinates = np.empty((len(body.part), 3), np.float32)
    coordinates[:] = (0.0, _TRUNK, 0.0)
    parts = ("upper_arm", "forearm", "hand"), ("neck", "head"), ("thigh", "shin", "foot")
    for column, names in enumerate(parts):
        for start, name in enumerate(names):
            mine = np.isin(body.part, [i for i, p in enumerate(PARTS) if p.startswith(name)])
            coordinates[mine, column] = start + body.along[mine]
    return coordinates


@dataclasses.dataclass(frozen=True)
class Outfit:
    """Where clothes end, and how thick they are.

    sleeve_end, collar_end, leg_end: limb coordinates; hem: height of the top's lower edge as a
    share of the way from the crotch to the waist; thicknesses and hair in metres.
    """

    sleeve_end: float
    collar_end: float
    leg_end: float
    hem: float
    top_thickness: float
    flare: float
    trouser_thickness: float
    hair: float

    def cover(
        self, limbs: Float[np.ndarray, "N 3"], height: Float[np.ndarray, " N"]
    ) -> Int[np.ndarray, " N"]:
        """The `Cover` of points.

        limbs: as `limb_coordinates`; height: as `relative_height`.
        """
        sleeve, collar, leg = limbs.T
        arm = sleeve > 0.02
        top = (sleeve < self.sleeve_end) & (collar < self.collar_end)
        top &= arm | (height > self.hem)
        trousers = ~top & ~arm & (collar <= -0.5) & (leg < self.leg_end) & (height < 1.1)
        cover = np.where(top, Cover.TOP, np.where(trousers, Cover.TROUSERS, Cover.SKIN))
        return np.where(leg > 1.97, Cover.SHOES, cover)

    def thickness(
        self,
        limbs: Float[np.ndarray, "V 3"],
        height: Float[np.ndarray, " V"],
        rest: Float[np.ndarray, "V 3"],
        scalp: Bool[np.ndarray, " V"],
    ) -> Float[np.ndarray, " V"]:
        """Metres by which vertices at `rest` are pushed out along their normals."""
        cover = self.cover(limbs, height)
        folds = 1 + 0.5 * noise.lookup(rest, 0.12)[:, 0]
        end = np.clip(limbs[:, SLEEVE] / self.sleeve_end, 0, 1)
        top = (self.top_thickness + self.flare * end**2) * folds
        # Long sleeves narrow to the wrist; the last vertices before it stay clear of the hand.
        top = top * np.clip((1.99 - limbs[:, SLEEVE]) / 0.12, 0.45, 1)
        by_cover = (0.0 * top, top, self.trouser_thickness * folds, 0.008 + 0.0 * top)
        thickness = np.choose(cover, by_cover)
        hair = self.hair * np.clip(1 + 0.5 * noise.lookup(rest, 0.05)[:, 1], 0.2, 2)
        return np.where(scalp & (cover == Cover.SKIN), hair, thickness)


def relative_height(rest: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Height of rest points as a share of the way from the crotch to the waist.

    The rest pose stands with its feet at the lowest point, so the person's height scales it.
    """
    low, high = rest[:, 1].min(), rest[:, 1].max()
    share = (rest[:, 1] - low) / (high - low)
    return (share - 0.47) / (0.62 - 0.47)


def sample_outfit(rng: np.random.Generator) -> Outfit:
    """Random `Outfit`: half of the sleeves reach the wrist."""
    kind = rng.random()
    if kind < 0.45:
        sleeve_end, flare = rng.uniform(1.82, 1.96), rng.uniform(0.0, 0.006)
    elif kind < 0.6:
        sleeve_end, flare = rng.uniform(1.1, 1.7), rng.uniform(0.0, 0.01)
    elif kind < 0.9:
        sleeve_end, flare = rng.uniform(0.35, 0.85), rng.uniform(0.002, 0.016)
    else:
        sleeve_end, flare = 0.05, 0.0
    short = rng.random() < 0.3
    return Outfit(
        sleeve_end=sleeve_end,
        collar_end=rng.uniform(-0.2, 0.7),
        leg_end=rng.uniform(0.35, 1.0) if short else rng.uniform(1.6, 1.95),
        hem=rng.uniform(0.05, 0.9),
        top_thickness=rng.uniform(0.004, 0.011),
        flare=flare,
        trouser_thickness=rng.uniform(0.003, 0.008),
        hair=rng.uniform(0.004, 0.022),
    )
