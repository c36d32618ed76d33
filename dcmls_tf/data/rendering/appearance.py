"""What a person's surface looks like: skin, nails, face, hair and fabrics, all procedural.

Colours are functions of the body's rest pose, so they stick to the skin as it moves.
"""

import dataclasses
import functools

import numpy as np

from dcmls_tf import hand
from dcmls_tf.data.rendering import noise
from dcmls_tf.data.rendering.clothing import SLEEVE, Cover, limb_coordinates, relative_height
from dcmls_tf.data.rendering.lighting import linear_from_srgb
from dcmls_tf.data.rendering.regions import HAND_CLASS, PARTS, vertex_normals

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

    albedo: `[N, 3]` linear; bump: `[N, 3]` added to the normal; gloss, shininess: `[N]`;
    is_skin, is_hand: `[N]` bool; occlusion: `[N]` share of the sky that folds leave.
    """

    albedo: np.ndarray
    bump: np.ndarray
    gloss: np.ndarray
    shininess: np.ndarray
    is_skin: np.ndarray
    is_hand: np.ndarray
    occlusion: np.ndarray


@dataclasses.dataclass(frozen=True)
class Fabric:
    """colours: `[2, 3]` linear; pattern: a name in `PATTERNS`; period: metres; gloss."""

    colours: np.ndarray
    pattern: str
    period: float
    fold: float
    gloss: float


@dataclasses.dataclass(frozen=True)
class Look:
    """One person's colours. skin, hair, iris: linear RGB `[3]`; blotch: strength of texture."""

    skin: np.ndarray
    palm: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    polish: np.ndarray
    blotch: float
    redness: float
    gloss: float
    top: Fabric
    trousers: Fabric


def skin_tone(tone):
    """Linear RGB `[3]` of skin; 0 the lightest, 1 the darkest."""
    at = np.clip(tone, 0, 1) * (len(_TONES) - 1)
    srgb = [np.interp(at, np.arange(len(_TONES)), _TONES[:, c]) for c in range(3)]
    return linear_from_srgb(np.array(srgb))


def sample_look(rng, person):
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


def _colour(rng):
    """A clothing colour, linear RGB: often dark or grey, sometimes vivid."""
    hue, grey = rng.random(), rng.random() < 0.45
    saturation = rng.uniform(0, 0.18) if grey else rng.uniform(0.15, 0.7)
    value = rng.uniform(0.15, 0.85) if rng.random() < 0.6 else rng.uniform(0.08, 0.35)
    wheel = np.clip(np.abs((6 * hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return linear_from_srgb(value * (1 - saturation + saturation * wheel))


def _sample_fabric(rng, patterns=None):
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


def _float32(*values):
    return np.array(values, np.float32)


def _wave(coordinate, period):
    return ((coordinate / period) % 1.0 < 0.5).astype(np.float32)


def _zip(p, limbs, period):
    """A strip down the front, and contrasting cuffs."""
    strip = (np.abs(p[:, 0]) < 0.25 * period) & (p[:, 2] > 0) & (limbs[:, SLEEVE] < 0.02)
    return (strip | (np.abs(limbs[:, SLEEVE] - 1.8) < 0.04)).astype(np.float32)


def _panels(p, limbs, period):
    """Sleeves and sides of another colour."""
    side = (limbs[:, SLEEVE] > 0.02) | (np.abs(p[:, 0]) > 0.11 + period)
    return side.astype(np.float32)


# Share of the second colour `[N]` at rest points `p [N, 3]`.
PATTERNS = {
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
    """What appearance needs to know of a person's mesh, made once a person.

    channels: `[V, 18]`, columns by `COLUMN`; normals: `[V, 3]` at rest; joints: `[2, 21, 3]`
    at rest; eyes: `[2, 2]` x and y of the irises at rest.
    """

    def __init__(self, person):
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

    def _palmar(self, person):
        """`[V]`: cosine between a hand vertex's normal and where its bone's palm side faces."""
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

    def _tips(self, person):
        """`[V]`: 1 at fingertips, falling off over a centimetre."""
        tip = np.zeros(len(self.normals))
        for side in (hand.LEFT, hand.RIGHT):
            mine = person.body.part == PARTS.index(f"hand_{hand.SIDES[side]}")
            points = person.rest_vertices[mine][:, None] - self.joints[side][list(hand.TIPS)]
            tip[mine] = np.exp(-((np.linalg.norm(points, axis=-1).min(1) / 0.011) ** 2))
        return tip


@functools.lru_cache(maxsize=64)
def texture_of(person):
    """The person's `Texture`."""
    return Texture(person)


def surface(look, outfit, texture, values, classes):
    """`Surface` of N points.

    values: `[N, 18]`, the texture's channels there; classes: `[N]` RHD mask classes.
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
    return Surface(
        albedo, bump, gloss, shininess, bare & ~hair & ~eye, classes >= HAND_CLASS[hand.LEFT],
        occlusion,
    )  # fmt: skip


def sample_thing_fabric(rng):
    """How a thing in a hand looks: as a `Fabric` without folds, often glossy."""
    gloss = rng.uniform(0.05, 0.5)
    fabric = _sample_fabric(rng, _THING_PATTERNS)
    return dataclasses.replace(fabric, fold=0.0, gloss=gloss, period=rng.uniform(0.004, 0.04))


def thing_channels(thing):
    """The channels `[N, 18]` of a `held.Thing`'s vertices: only places count."""
    channels = np.zeros((len(thing.local), len(_CHANNELS)), np.float32)
    channels[:, :3] = thing.local
    return channels


def paint_thing(surface, fabric, values, mine):
    """Puts a thing's look into the rows `mine [N]` of a `Surface`; values: `[N, 18]`."""
    rest, limbs = values[mine, :3], values[mine, 3:6]
    folds = values[mine, COLUMN["fold_x"] :]
    surface.albedo[mine], surface.bump[mine] = _cloth(fabric, rest, limbs, folds)
    surface.bump[mine] *= 0.3
    surface.gloss[mine], surface.shininess[mine] = fabric.gloss, 50.0
    surface.occlusion[mine] = 1.0
    surface.is_skin[mine] = False


def _beyond_cuff(outfit, limbs):
    """How far beyond the sleeve's end, in parts of a limb; large away from the arm."""
    return np.where(limbs[:, SLEEVE] > 0.02, limbs[:, SLEEVE] - outfit.sleeve_end, 9.0)


def _spread(values, faces, times=4):
    """Vertex values `[V]` averaged with their neighbours' a few times."""
    for _ in range(times):
        total = np.bincount(faces.ravel(), np.repeat(values[faces].mean(1), 3), len(values))
        values = total / np.maximum(np.bincount(faces.ravel(), minlength=len(values)), 1)
    return values


def _folds(rest):
    """How cloth's normals waver, `[V, 3]`."""
    return noise.lookup(rest, 0.06)[:, :3] + 0.5 * noise.lookup(rest, 0.03)[:, :3]


def _skin(look, texture, values, classes):
    column = {name: values[:, i] for name, i in COLUMN.items()}
    rest = values[:, :3]
    pores = noise.lookup(rest, 0.004)
    palm = np.clip(1.5 * column["palmar"], 0, 1)[:, None]
    albedo = look.skin * (1 - palm) + look.palm * palm
    mottle = look.blotch * (0.05 * column["blotch"] + 0.018 * pores[:, 0])[:, None]
    red = look.blotch * 0.025 * column["flush"][:, None] * _float32(1, -1, -1)
    albedo = albedo * np.clip(1 + mottle + red, 0.5, 1.5)
    redness = 0.5 * column["tip"]
    in_hand = np.flatnonzero(classes >= HAND_CLASS[hand.LEFT])
    knuckle, crease = _creases(texture, rest[in_hand], column["palmar"][in_hand], classes[in_hand])
    redness[in_hand] += 0.6 * knuckle
    albedo = albedo * (1 - look.redness * redness[:, None] * _float32(0.06, 0.22, 0.24))
    albedo[in_hand] *= 1 - 0.4 * crease[:, None]
    lip = column["lip"][:, None]
    albedo = albedo * (1 - lip * _float32(0.15, 0.45, 0.40))
    nail = np.clip(2 * column["nail"] - 0.5, 0, 1)[:, None]
    albedo = albedo * (1 - nail) + look.polish * nail
    return albedo, 0.018 * np.float32(look.blotch) * pores[:, :3]


def _creases(texture, rest, palmar, classes):
    """Redness of knuckles and darkness of the lines that fingers fold along, each `[N]`."""
    right = classes >= HAND_CLASS[hand.RIGHT]
    segment = np.where(right, classes - HAND_CLASS[hand.RIGHT], classes - HAND_CLASS[hand.LEFT])
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


def _cloth(fabric, rest, limbs, folds):
    share = PATTERNS[fabric.pattern](rest, limbs, fabric.period)[:, None]
    weave = noise.lookup(rest, 0.006)
    albedo = fabric.colours[0] * (1 - share) + fabric.colours[1] * share
    bump = fabric.fold * folds + 0.02 * weave[:, :3]
    return albedo * np.clip(1 + 0.03 * weave[:, 3:], 0.6, 1.4), bump


def _hair(look, rest):
    strands = noise.lookup(rest * (1.0, 0.25, 1.0), 0.006)
    return look.hair * np.clip(1 + 0.35 * strands[:, :1], 0.2, 2), 0.3 * strands[:, 1:4]


def _eye(look, texture, rest):
    gap = np.linalg.norm(rest[:, None, :2] - texture.eyes, axis=-1).min(1)[:, None]
    white = np.array([0.72, 0.68, 0.66])
    return np.where(gap < 0.0025, 0.01, np.where(gap < 0.006, look.iris, white))
