"""What a person's surface looks like: skin, nails, face, hair and fabrics, all procedural.

Colours are functions of the body's rest pose, so they stick to the skin as it moves.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Bool, Float, Int

from dcmls_tf import hand
from dcmls_tf.rendering import noise
from dcmls_tf.rendering.body import Person
from dcmls_tf.rendering.clothing import (
    SLEEVE,
    Cover,
    Outfit,
    limb_coordinates,
    relative_height,
)
from dcmls_tf.rendering.held import Thing
from dcmls_tf.rendering.lighting import linear_from_srgb
from dcmls_tf.rendering.regions import PARTS, vertex_normals

# sRGB of skin from the lightest to the darkest, and of lips and nails relative to it.
_TONES = np.array(
    [
        (238, 200, 178), (226, 180, 150), (203, 150, 117),
        (168, 114, 82), (122, 79, 57), (80, 52, 40),
    ]
) / 255.0  # fmt: skip
_HAIR = np.array([(22, 18, 16), (52, 34, 24), (98, 66, 40), (170, 130, 80), (150, 145, 140)]) / 255
_IRISES = np.array([(60, 38, 24), (88, 62, 36), (70, 98, 110), (84, 96, 66)]) / 255
_CHANNELS = ("x", "y", "z", "sleeve", "collar", "leg", "height", "palmar", "nail", "tip", "lip",
             "scalp", "eye", "blotch", "flush", "fold_x", "fold_y", "fold_z")  # fmt: skip
COLUMN = {name: i for i, name in enumerate(_CHANNELS)}


@dataclasses.dataclass(frozen=True)
class Surface:
    """N surface points as light meets them.

    albedo: linear RGB; bump: added to the normal; gloss: strength of the reflection, shininess:
    its exponent; occlusion: share of the sky that folds leave.
    """

    albedo: Float[np.ndarray, "N 3"]
    bump: Float[np.ndarray, "N 3"]
    gloss: Float[np.ndarray, " N"]
    shininess: Float[np.ndarray, " N"]
    is_skin: Bool[np.ndarray, " N"]
    occlusion: Float[np.ndarray, " N"]


@dataclasses.dataclass(frozen=True)
class Fabric:
    """A cloth.

    colours: two in linear RGB; pattern: a name in `PATTERNS`; period: of the pattern, metres;
    fold: strength of the folds in the normal.
    """

    colours: Float[np.ndarray, "2 3"]
    pattern: str
    period: float
    fold: float
    gloss: float


@dataclasses.dataclass(frozen=True)
class Look:
    """One person's colours in linear RGB.

    polish: of the nails; blotch: strength of the skin's texture; redness: of knuckles and tips;
    gloss: of the skin.
    """

    skin: Float[np.ndarray, "3"]
    palm: Float[np.ndarray, "3"]
    hair: Float[np.ndarray, "3"]
    iris: Float[np.ndarray, "3"]
    polish: Float[np.ndarray, "3"]
    blotch: float
    redness: float
    gloss: float
    top: Fabric
    trousers: Fabric


def skin_tone(tone: float) -> Float[np.ndarray, "3"]:
    """Linear RGB of skin; 0 the lightest, 1 the darkest."""
    at = np.clip(tone, 0, 1) * (len(_TONES) - 1)
    srgb = [np.interp(at, np.arange(len(_TONES)), _TONES[:, c]) for c in range(3)]
    return linear_from_srgb(np.array(srgb))


def sample_look(rng: np.random.Generator, person: Person) -> Look:
    """Random `Look`, the skin's tone after the person's origins."""
    origin = person.phenotype
    tone = 0.15 * origin["caucasian"] + 0.35 * origin["asian"] + 0.85 * origin["african"]
    tone = np.clip(tone + rng.normal(0, 0.12), 0, 1)
    skin = skin_tone(tone) * rng.normal(1, 0.04, 3)
    # Palms hold little melanin.
    palm = skin_tone(min(tone, 0.12 + 0.5 * tone)) * (1.04, 0.94, 0.90)
    nail = 0.65 * palm + 0.35 * linear_from_srgb(np.array([0.90, 0.74, 0.70]))
    polished = rng.random() < 0.1
    return Look(
        skin=skin.astype(np.float32),
        palm=palm.astype(np.float32),
        hair=linear_from_srgb(_HAIR[rng.integers(len(_HAIR))]) * rng.uniform(0.7, 1.3),
        iris=linear_from_srgb(_IRISES[rng.integers(len(_IRISES))]),
        polish=(_colour(rng) if polished else nail).astype(np.float32),
        blotch=rng.uniform(0.5, 1.3),
        redness=rng.uniform(0.5, 1.5),
        gloss=rng.uniform(0.03, 0.16),
        top=_sample_fabric(rng),
        trousers=_sample_fabric(rng, TROUSER_PATTERNS),
    )


def _colour(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A clothing colour, linear RGB: often dark or grey, sometimes vivid."""
    hue, grey = rng.random(), rng.random() < 0.45
    saturation = rng.uniform(0, 0.18) if grey else rng.uniform(0.15, 0.7)
    value = rng.uniform(0.15, 0.85) if rng.random() < 0.6 else rng.uniform(0.08, 0.35)
    wheel = np.clip(np.abs((6 * hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return linear_from_srgb(value * (1 - saturation + saturation * wheel))


def _sample_fabric(rng: np.random.Generator, patterns: Iterable[str] | None = None) -> Fabric:
    first = _colour(rng)
    second = _colour(rng) if rng.random() < 0.6 else first * rng.uniform(0.35, 1.6)
    weights = PATTERN_WEIGHTS if patterns is None else {p: PATTERN_WEIGHTS[p] for p in patterns}
    shares = np.array(list(weights.values()))
    return Fabric(
        colours=np.clip(np.stack([first, second]), 0.004, 0.9).astype(np.float32),
        pattern=list(weights)[rng.choice(len(weights), p=shares / shares.sum())],
        period=rng.uniform(0.012, 0.07),
        fold=rng.uniform(0.05, 0.22),
        gloss=rng.uniform(0.15, 0.4) if rng.random() < 0.12 else rng.uniform(0, 0.05),
    )


def _float32(*values: float) -> Float[np.ndarray, " N"]:
    return np.array(values, np.float32)


def _wave(coordinate: Float[np.ndarray, " N"], period: float) -> Float[np.ndarray, " N"]:
    return ((coordinate / period) % 1.0 < 0.5).astype(np.float32)


def _zip(
    p: Float[np.ndarray, "N 3"], limbs: Float[np.ndarray, "N 3"], period: float
) -> Float[np.ndarray, " N"]:
    """A strip down the front, and contrasting cuffs."""
    strip = (np.abs(p[:, 0]) < 0.25 * period) & (p[:, 2] > 0) & (limbs[:, SLEEVE] < 0.02)
    return (strip | (np.abs(limbs[:, SLEEVE] - 1.8) < 0.04)).astype(np.float32)


def _panels(
    p: Float[np.ndarray, "N 3"], limbs: Float[np.ndarray, "N 3"], period: float
) -> Float[np.ndarray, " N"]:
    """Sleeves and sides of another colour."""
    side = (limbs[:, SLEEVE] > 0.02) | (np.abs(p[:, 0]) > 0.11 + period)
    return side.astype(np.float32)


# (rest points `[N, 3]`, their limb coordinates `[N, 3]`, period in metres) → share of the
# second colour `[N]`.
PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "plain": lambda p, limbs, period: np.zeros(len(p), np.float32),
    "stripes": lambda p, limbs, period: _wave(p[:, 1], period),
    "pinstripes": lambda p, limbs, period: (p[:, 0] / (0.6 * period) % 1.0 < 0.15) * 0.8,
    "checks": lambda p, limbs, period: (
        0.5 * (_wave(p[:, 0] + 0.3 * p[:, 2], period) + _wave(p[:, 1], period))
    ),
    "melange": lambda p, limbs, period: np.clip(0.4 + 0.2 * noise.lookup(p, 0.006)[:, 1], 0, 1),
    "zip": _zip,
    "panels": _panels,
}
PATTERN_WEIGHTS = {
    "plain": 0.35,
    "stripes": 0.12,
    "pinstripes": 0.08,
    "checks": 0.10,
    "melange": 0.15,
    "zip": 0.08,
    "panels": 0.12,
}
_THING_PATTERNS = ("plain", "stripes", "pinstripes", "checks", "melange")
TROUSER_PATTERNS = ("plain", "pinstripes", "checks", "melange")


class Texture:
    """A person's vertices at rest as `surface` reads them, made once a person.

    channels: columns by `COLUMN`; limbs: as `limb_coordinates`; height: as `relative_height`;
    eyes: x and y of the irises.
    """

    normals: Float[np.ndarray, "V 3"]
    joints: Float[np.ndarray, "2 21 3"]
    limbs: Float[np.ndarray, "V 3"]
    height: Float[np.ndarray, " V"]
    scalp: Bool[np.ndarray, " V"]
    eyes: Float[np.ndarray, "2 2"]
    channels: Float[np.ndarray, "V 18"]

    def __init__(self, person: Person) -> None:
        body = person.body
        rest = person.rest_vertices
        self.normals = vertex_normals(rest, body.faces).astype(np.float32)
        self.joints = person.rest_joints.astype(np.float32)
        self.limbs = limb_coordinates(body)
        self.height = relative_height(rest).astype(np.float32)
        self.scalp = body.scalp
        self.eyes = np.stack([rest[body.eye & (s * rest[:, 0] > 0), :2].mean(0) for s in (1, -1)])
        self.channels = np.column_stack(
            [rest, self.limbs, self.height, self._palmar(person), body.nail, self._tips(person),
             body.lip, body.scalp, body.eye, noise.lookup(rest, 0.02)[:, :2], _folds(rest)]
        ).astype(np.float32)  # fmt: skip

    def _palmar(self, person: Person) -> Float[np.ndarray, " V"]:
        """Cosine between a hand vertex's normal and where its bone's palm side faces."""
        palmar = np.zeros(len(self.normals))
        owner = np.argmax(person.body.weights, 1)
        for limbs in person.limbs:
            mirror = np.array([1.0 if limbs.side == hand.LEFT else -1.0, 1.0, 1.0])
            for name, bone in limbs.bone.items():
                if name.startswith(("finger", "metacarpal", "wrist")):
                    facing = limbs.finger.get(name, limbs.palm)
                    mine = owner == bone
                    palmar[mine] = (self.normals[mine] * mirror) @ facing[:, 2]
        return _spread(palmar, person.body.faces)

    def _tips(self, person: Person) -> Float[np.ndarray, " V"]:
        """1 at fingertips, falling off over a centimetre."""
        tip = np.zeros(len(self.normals))
        for side in (hand.LEFT, hand.RIGHT):
            mine = person.body.part == PARTS.index(f"hand_{hand.SIDES[side]}")
            points = person.rest_vertices[mine][:, None] - self.joints[side][list(hand.TIPS)]
            tip[mine] = np.exp(-((np.linalg.norm(points, axis=-1).min(1) / 0.011) ** 2))
        return tip


@functools.lru_cache(maxsize=64)
def texture_of(person: Person) -> Texture:
    """The person's `Texture`."""
    return Texture(person)


def surface(
    look: Look,
    outfit: Outfit,
    texture: Texture,
    values: Float[np.ndarray, "N 18"],
    classes: Int[np.ndarray, " N"],
) -> Surface:
    """The `Surface` of N points.

    values: the texture's channels there; classes: RHD's mask classes.
    """
    column = {name: values[:, i] for name, i in COLUMN.items()}
    rest, limbs = values[:, :3], values[:, 3:6]
    cover = outfit.cover(limbs, column["height"])
    bare = cover == Cover.SKIN
    hair = bare & (column["scalp"] > 0.5)
    eye = bare & (column["eye"] > 0.5)
    albedo, bump = np.zeros_like(rest), np.zeros_like(rest)
    albedo[bare], bump[bare] = _skin(look, texture, values[bare], classes[bare])
    gloss = np.full(len(rest), look.gloss, np.float32)
    shininess = np.full(len(rest), 18.0, np.float32)
    nail = column["nail"] > 0.5
    gloss[nail], shininess[nail] = 0.35, 40.0
    for which, fabric in ((Cover.TOP, look.top), (Cover.TROUSERS, look.trousers)):
        mine = cover == which
        albedo[mine], bump[mine] = _cloth(
            fabric, rest[mine], limbs[mine], values[mine, COLUMN["fold_x"] :]
        )
        gloss[mine] = fabric.gloss
    albedo[hair], bump[hair] = _hair(look, rest[hair])
    albedo[eye], gloss[eye], shininess[eye] = _eye(look, texture, rest[eye]), 0.6, 80.0
    albedo[cover == Cover.SHOES] = 0.03
    occlusion = np.ones(len(rest), np.float32)
    beyond = np.maximum(_beyond_cuff(outfit, limbs[bare]), 0)
    occlusion[bare] -= np.float32(0.55) * np.exp(-beyond / np.float32(0.05))
    return Surface(albedo, bump, gloss, shininess, bare & ~hair & ~eye, occlusion)


def sample_thing_fabric(rng: np.random.Generator) -> Fabric:
    """How a thing in a hand looks: as a `Fabric` without folds, often glossy."""
    gloss = rng.uniform(0.05, 0.5)
    fabric = _sample_fabric(rng, _THING_PATTERNS)
    return dataclasses.replace(fabric, fold=0.0, gloss=gloss, period=rng.uniform(0.004, 0.04))


def thing_channels(thing: Thing) -> Float[np.ndarray, "N 18"]:
    """The channels of a thing's vertices: only places count."""
    channels = np.zeros((len(thing.local), len(_CHANNELS)), np.float32)
    channels[:, :3] = thing.local
    return channels


def paint_thing(
    surface: Surface,
    fabric: Fabric,
    values: Float[np.ndarray, "N 18"],
    mine: Bool[np.ndarray, " N"],
) -> None:
    """Puts a thing's look into the rows `mine` of a `Surface`; values: the points' channels."""
    rest, limbs = values[mine, :3], values[mine, 3:6]
    folds = values[mine, COLUMN["fold_x"] :]
    surface.albedo[mine], surface.bump[mine] = _cloth(fabric, rest, limbs, folds)
    surface.bump[mine] *= 0.3
    surface.gloss[mine], surface.shininess[mine] = fabric.gloss, 50.0
    surface.occlusion[mine] = 1.0
    surface.is_skin[mine] = False


def _beyond_cuff(outfit: Outfit, limbs: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """How far beyond the sleeve's end, in parts of a limb; large away from the arm."""
    return np.where(limbs[:, SLEEVE] > 0.02, limbs[:, SLEEVE] - outfit.sleeve_end, 9.0)


def _spread(
    values: Float[np.ndarray, " V"], faces: Int[np.ndarray, "F 3"], times: int = 4
) -> Float[np.ndarray, " V"]:
    """Vertex values averaged with their neighbours' a few times."""
    for _ in range(times):
        total = np.bincount(faces.ravel(), np.repeat(values[faces].mean(1), 3), len(values))
        values = total / np.maximum(np.bincount(faces.ravel(), minlength=len(values)), 1)
    return values


def _folds(rest: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """What folds add to cloth's normals."""
    return noise.lookup(rest, 0.06)[:, :3] + 0.5 * noise.lookup(rest, 0.03)[:, :3]


def _skin(
    look: Look, texture: Texture, values: Float[np.ndarray, "N 18"], classes: Int[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    column = {name: values[:, i] for name, i in COLUMN.items()}
    rest = values[:, :3]
    pores = noise.lookup(rest, 0.004)
    palm = np.clip(1.5 * column["palmar"], 0, 1)[:, None]
    albedo = look.skin * (1 - palm) + look.palm * palm
    mottle = look.blotch * (0.05 * column["blotch"] + 0.018 * pores[:, 0])[:, None]
    red = look.blotch * 0.025 * column["flush"][:, None] * _float32(1, -1, -1)
    albedo = albedo * np.clip(1 + mottle + red, 0.5, 1.5)
    redness = 0.5 * column["tip"]
    in_hand = np.flatnonzero(classes > hand.PERSON_CLASS)
    knuckle, crease = _creases(texture, rest[in_hand], column["palmar"][in_hand], classes[in_hand])
    redness[in_hand] += 0.6 * knuckle
    albedo = albedo * (1 - look.redness * redness[:, None] * _float32(0.06, 0.22, 0.24))
    albedo[in_hand] *= 1 - 0.4 * crease[:, None]
    lip = column["lip"][:, None]
    albedo = albedo * (1 - lip * _float32(0.15, 0.45, 0.40))
    nail = np.clip(2 * column["nail"] - 0.5, 0, 1)[:, None]
    albedo = albedo * (1 - nail) + look.polish * nail
    return albedo, 0.018 * np.float32(look.blotch) * pores[:, :3]


def _creases(
    texture: Texture,
    rest: Float[np.ndarray, "N 3"],
    palmar: Float[np.ndarray, " N"],
    classes: Int[np.ndarray, " N"],
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Redness of knuckles, and darkness of the lines that fingers fold along."""
    right = hand.is_of_side(classes, hand.RIGHT)
    left_first, right_first = (hand.HAND_CLASSES[s].start for s in (hand.LEFT, hand.RIGHT))
    segment = classes - np.where(right, right_first, left_first)
    finger = np.minimum(segment // 3, 4)
    on_finger = segment < 15
    chain = texture.joints[right.astype(int)[:, None], 1 + 4 * finger[:, None] + np.arange(4)]
    back = np.clip(-palmar, 0, 1)
    knuckle, crease = np.zeros((2, len(rest)), np.float32)
    for k in (0, 1, 2):
        axis = chain[:, min(k + 1, 3)] - chain[:, max(k - 1, 0)]
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        offset = rest - chain[:, k]
        along = np.sum(offset * axis, 1)
        near = np.linalg.norm(offset, axis=1) < 0.018
        knuckle += near * back * np.exp(-((along / 0.006) ** 2))
        if k:
            lines = sum(np.exp(-(((along - at) / 0.0009) ** 2)) for at in (-0.0025, 0.0, 0.0025))
            fold = np.exp(-((along / 0.0011) ** 2))
            crease += near * on_finger * (0.5 * back * lines + np.clip(palmar, 0, 1) * fold)
    return np.clip(knuckle, 0, 1), np.clip(crease, 0, 1)


def _cloth(
    fabric: Fabric,
    rest: Float[np.ndarray, "N 3"],
    limbs: Float[np.ndarray, "N 3"],
    folds: Float[np.ndarray, "N 3"],
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    share = PATTERNS[fabric.pattern](rest, limbs, fabric.period)[:, None]
    weave = noise.lookup(rest, 0.006)
    albedo = fabric.colours[0] * (1 - share) + fabric.colours[1] * share
    bump = fabric.fold * folds + 0.02 * weave[:, :3]
    return albedo * np.clip(1 + 0.03 * weave[:, 3:], 0.6, 1.4), bump


def _hair(
    look: Look, rest: Float[np.ndarray, "N 3"]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    strands = noise.lookup(rest * (1.0, 0.25, 1.0), 0.006)
    return look.hair * np.clip(1 + 0.35 * strands[:, :1], 0.2, 2), 0.3 * strands[:, 1:4]


def _eye(look: Look, texture: Texture, rest: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    gap = np.linalg.norm(rest[:, None, :2] - texture.eyes, axis=-1).min(1)[:, None]
    white = np.array([0.72, 0.68, 0.66])
    return np.where(gap < 0.0025, 0.01, np.where(gap < 0.006, look.iris, white))
