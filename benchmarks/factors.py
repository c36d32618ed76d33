"""Photo to pose by what makes it hard: rendered pictures that differ in one thing, a row each.

    python benchmarks/factors.py --out=factors

People of the evaluation split, each hand seen whole by a phone's or webcam's camera, in pictures of
640 px a side. A factor changes these pictures in one thing (`FACTORS`); person, clothes, pose,
place and light stay, so that rows compare (backgrounds and noise are drawn anew where a picture's
size or what is drawn before them changes). Hands whose pose has no room for a thing are left out
where something is held, and the last two rows have scenes of their own. Pictures are answered as
`scripts/predict.py` answers them: the detector finds hands, the shipped models give their poses by
a camera that is guessed.

Per factor: the part of the labelled hands found (boxes overlap by more than 0.3), and of those the
part whose side is right, and the palm-relative EPE over visible joints with the scale bone given:
its mean with its standard error, its median, and the part over 30 mm. `--out` gets `.md`, the
table, and `.jpg`, a strip a factor of its first pictures with the poses drawn in: a red frame where
the hand is not found, an orange one over 30 mm.

Not measured, as the renderer cannot make it: children's hands (its youngest people are 16), tattoos
and other paint on skin, gloves of leather or rubber, water, mirrors, hands of several people.
"""

import copy
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from absl import flags
from jaxtyping import Bool, Float, UInt8
from tqdm import tqdm

from dcmls_tf import api, app, files
from dcmls_tf.data import rhd
from dcmls_tf.detected import of_hand, true_pose
from dcmls_tf.drawing import figures, skeletons
from dcmls_tf.evaluation import metrics
from dcmls_tf.photos import hands, photo
from dcmls_tf.photos.detection import Detector
from dcmls_tf.photos.hands import HandPose
from dcmls_tf.photos.photo import Photo
from dcmls_tf.rendering import backgrounds, crops, frame, held, lighting, scene, sensor
from dcmls_tf.rendering.camera import Camera
from dcmls_tf.rendering.clothing import Outfit
from dcmls_tf.rendering.mix import Mix

SPLIT, SIZE_PX = "evaluation", 640
# Sides of the joints' box in px, and joints seen, of the hands that factors are tried on.
SMALLEST_PX, LARGEST_PX, MIN_VISIBLE = 100, 260, 15
BAD_MM = 30.0
TILE_PX, TILES = 128, 8
OWN_STAGE = 7  # of `scene.generator`
FLAGS = flags.FLAGS


class View(NamedTuple):
    """What a picture is made of; `after` is done to its pixels."""

    scene: scene.Scene
    camera: Camera
    mix: Mix = Mix(photographed=1.0)
    after: Callable[[UInt8[np.ndarray, "H W 3"]], UInt8[np.ndarray, "H W 3"]] = lambda p: p


class Picture(NamedTuple):
    """Pixels, and the labelled hand: px, mm with the palm first and relative to it."""

    pixels: UInt8[np.ndarray, "H W 3"]
    uv: Float[np.ndarray, "21 2"]
    joints_mm: Float[np.ndarray, "21 3"]
    visible: Bool[np.ndarray, "21"]
    side: int


class Score(NamedTuple):
    """What is said of a hand that was found."""

    epe_mm: float
    is_side_right: bool


# `None` where a factor cannot be made of a view.
Factor = Callable[[View, np.random.Generator], View | None]


def plain(view: View, _: np.random.Generator) -> View:
    """As it is."""
    return view


def cut_to(margin: float, size_px: int) -> Factor:
    """Cut to a square around the hand, of `margin` times its box and `size_px` a side."""

    def cut(view: View, _: np.random.Generator) -> View:
        low, high = _box(view)
        side = margin * (high - low).max()
        return view._replace(camera=view.camera.cropped((low + high - side) / 2, side, size_px))

    return cut


def half_out(view: View, rng: np.random.Generator) -> View:
    """Moved until a border of the picture goes through the middle of the hand's box."""
    corner = np.zeros(2)
    axis = rng.integers(2)
    corner[axis] = np.mean(_box(view), 0)[axis] - SIZE_PX * rng.integers(2)
    return view._replace(camera=view.camera.cropped(corner, SIZE_PX, SIZE_PX))


def small(view: View, _: np.random.Generator) -> View:
    """The same in 240 px a side: every hand's box is 38 to 98 px."""
    return view._replace(camera=view.camera.cropped((0, 0), SIZE_PX, 240))


def moved_by(share: float) -> Factor:
    """Motion blur over a part of the hand's box."""

    def moved(view: View, rng: np.random.Generator) -> View:
        kernel = sensor.motion_kernel(rng, share * np.ptp(_box(view), 0).max())
        return view._replace(after=lambda pixels: _in_linear_light(pixels, kernel))

    return moved


def gloved(view: View, _: np.random.Generator) -> View:
    """In gloves: the sleeves' cloth goes on to the tips of the fingers, 2 to 5 mm thick."""
    return _with(view, outfit=dataclasses.replace(view.scene.outfit, sleeve_end=9.0))


def holding(view: View, rng: np.random.Generator) -> View | None:
    """A bottle, ball, box, pen or card in the hand, where its pose has room for it."""
    thing = held.sample_thing(rng, view.scene.figure.joints, view.scene.side)
    return thing and _with(view, thing=thing)


def mixed(**probabilities: float) -> Factor:
    """What `rendering.mix` has, in every picture."""
    return lambda view, _: view._replace(mix=dataclasses.replace(view.mix, **probabilities))


def compressed(view: View, _: np.random.Generator) -> View:
    """JPEG of quality 15."""
    return view._replace(after=lambda pixels: _decoded(crops.encode(pixels, 15)))


FACTORS: Mapping[str, tuple[Factor, Mix]] = {
    "none": (plain, Mix(near=1.0)),
    "hand of 320 px": (cut_to(3, 960), Mix(near=1.0)),
    "hand of 512 px, fills the picture": (cut_to(1.25, 640), Mix(near=1.0)),
    "hand of 38 to 98 px": (small, Mix(near=1.0)),
    "half out of the picture": (half_out, Mix(near=1.0)),
    "motion blur of 10% of the hand": (moved_by(0.1), Mix(near=1.0)),
    "motion blur of 25% of the hand": (moved_by(0.25), Mix(near=1.0)),
    "dim light, noise": (mixed(dim=1.0), Mix(near=1.0)),
    "JPEG of quality 15": (compressed, Mix(near=1.0)),
    "cloth gloves": (gloved, Mix(near=1.0)),
    "rings, watches, bracelets": (mixed(jewellery=1.0), Mix(near=1.0)),
    "something held": (holding, Mix(near=1.0)),
    "the other hand near": (plain, Mix(near=1.0, together=1.0)),
    "seen from the person's eyes": (plain, Mix(near=1.0, egocentric=1.0)),
}


def main(_: list[str]) -> None:
    """Flags → a table and a sheet."""
    answer = Answerer()
    lines, tiles = [header()], []
    for name in FLAGS.factor or FACTORS:
        shown = list(itertools.islice(pictures(name, FLAGS.seed), FLAGS.frames))
        poses = [answer(picture) for picture in shown]
        scores = [score(p, pose) for p, pose in zip(shown, poses, strict=True)]
        lines.append(row(name, scores))
        tqdm.write(lines[-1])
        tiles += [tile(*of_one) for of_one in zip(shown, poses, scores, strict=True)][:TILES]
    files.write(f"{FLAGS.out}.md", "\n".join(lines) + "\n")
    sheet = figures.contact_sheet(tiles, min(TILES, FLAGS.frames))
    files.write(f"{FLAGS.out}.jpg", crops.encode(sheet))


def pictures(name: str, seed: int) -> Iterator[Picture]:
    """Pictures of a factor, without end."""
    factor, of_scenes = FACTORS[name]
    paths = backgrounds.of_split(backgrounds.photographs(), SPLIT)
    for index, view in views(seed, of_scenes):
        rng = scene.generator(seed, SPLIT, index, OWN_STAGE)
        changed = factor(view, rng)
        if changed:
            yield render(changed, scene.generator(seed, SPLIT, index, 1), paths)


def views(seed: int, of_scenes: Mix) -> Iterator[tuple[int, View]]:
    """The scenes whose hand is seen well, with their numbers."""
    for index in tqdm(itertools.count(), unit=" scenes", leave=False):
        shown = scene.sample_scene(seed, SPLIT, index, of_scenes, shared=False)
        view = View(shown, shown.camera.cropped((0, 0), shown.camera.size, SIZE_PX))
        low, high = _box(view)
        inside = low.min() > 0 and high.max() < SIZE_PX
        is_seen = rhd.one_hand(vars(shown.annotation), shown.side)["visible"].sum() >= MIN_VISIBLE
        if inside and is_seen and SMALLEST_PX <= (high - low).max() <= LARGEST_PX:
            yield index, view


def _box(view: View) -> Float[np.ndarray, "2 2"]:
    uv, _ = view.camera.project(view.scene.figure.joints[view.scene.side])
    return np.array([uv.min(0), uv.max(0)])


def _with(view: View, outfit: Outfit | None = None, thing: held.Thing | None = None) -> View:
    """The person in other clothes, or with something in the hand."""
    figure = copy.copy(view.scene.figure)
    figure.outfit, figure.thing = outfit or figure.outfit, thing
    for cached in ("posed", "occluder"):
        vars(figure).pop(cached, None)
    return view._replace(scene=dataclasses.replace(view.scene, figure=figure))


def _in_linear_light(
    pixels: UInt8[np.ndarray, "H W 3"], kernel: Float[np.ndarray, "S S"]
) -> UInt8[np.ndarray, "H W 3"]:
    linear = lighting.linear_from_srgb(pixels / 255)
    blurred = cv2.filter2D(np.asarray(linear, np.float32), -1, kernel)
    return np.round(255 * lighting.srgb_from_linear(np.clip(blurred, 0, 1))).astype(np.uint8)


def _decoded(content: bytes) -> UInt8[np.ndarray, "H W 3"]:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB))


def render(view: View, rng: np.random.Generator, paths: Sequence[str]) -> Picture:
    """A view as a picture with its truth."""
    painted = frame.paint(view.scene, rng, paths, view.camera, view.mix)
    annotation = frame.annotate_by_mask(view.scene, view.camera, painted.mask)
    label: Any = rhd.one_hand(vars(annotation), view.scene.side)
    true_mm, visible = true_pose(label)
    pixels = view.after(painted.colour)
    return Picture(pixels, label["uv"], true_mm, visible, view.scene.side)


class Answerer:
    """The pose that `predict.py` gives of a picture's labelled hand, if it finds it."""

    def __init__(self) -> None:
        self._predict = api.load(FLAGS.model).predictor
        self._find = hands.finder(detector=Detector(max_hands=2))

    def __call__(self, picture: Picture) -> HandPose | None:
        height, width = picture.pixels.shape[:2]
        taken = Photo("rendered", picture.pixels, (width, height), *photo.camera((width, height)))
        poses = self._predict(taken, self._find(taken))
        return of_hand(poses, picture.uv, lambda pose: pose.region.box)


def score(picture: Picture, pose: HandPose | None) -> Score | None:
    """The errors of a pose over visible joints."""
    if pose is None or not picture.visible.any():
        return None
    truth, joints = picture.joints_mm, pose.joints_mm - pose.joints_mm[0]
    (bone,) = metrics.scale_bone(truth[None]) / metrics.scale_bone(joints[None])
    errors = np.linalg.norm(bone * joints - truth, axis=-1)[picture.visible]
    return Score(float(errors.mean()), pose.region.side == picture.side)


def header() -> str:
    """The table's first two lines."""
    names = ("Factor", "Hands", "Found", "Side right", "EPE, mm", "Median", "Over 30 mm")
    return f"| {' | '.join(names)} |\n|---|{'---:|' * (len(names) - 1)}"


def row(name: str, scores: Sequence[Score | None]) -> str:
    """A factor's line of the table."""
    found = [one for one in scores if one]
    cells = [name, str(len(scores)), f"{len(found) / len(scores):.0%}"]
    if found:
        epe_mm, is_right = (np.array(column) for column in zip(*found, strict=True))
        error = epe_mm.std() / np.sqrt(len(epe_mm))
        cells += [f"{is_right.mean():.0%}", f"{epe_mm.mean():.1f} ± {error:.1f}"]
        cells += [f"{np.median(epe_mm):.1f}", f"{(epe_mm > BAD_MM).mean():.0%}"]
    return f"| {' | '.join(cells + [''] * (7 - len(cells)))} |"


def tile(
    picture: Picture, pose: HandPose | None, scored: Score | None
) -> UInt8[np.ndarray, "128 128 3"]:
    """The hand's part of the picture with its pose, framed by how good that is."""
    low, high = picture.uv.min(0), picture.uv.max(0)
    zoom = TILE_PX / (1.6 * (high - low).max())
    to_tile = np.array([[zoom, 0], [0, zoom]])
    shift = TILE_PX / 2 - zoom * (low + high) / 2
    shown = cv2.warpAffine(
        picture.pixels, np.column_stack([to_tile, shift]), (TILE_PX, TILE_PX), flags=cv2.INTER_AREA
    )
    if pose:
        shown = skeletons.draw_skeleton(shown, zoom * pose.uv + shift)
    colour = (220, 30, 30) if scored is None else (240, 150, 0)
    if scored is None or scored.epe_mm > BAD_MM:
        shown = cv2.rectangle(
            np.ascontiguousarray(shown), (1, 1), (TILE_PX - 2, TILE_PX - 2), colour, 4
        )
    return np.asarray(shown)


if __name__ == "__main__":
    flags.DEFINE_multi_enum("factor", [], list(FACTORS), "One or more of the factors (all).")
    flags.DEFINE_integer("frames", 48, "Pictures of each.", lower_bound=1)
    flags.DEFINE_integer("seed", 16, "Who, where and in which light.", lower_bound=0)
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file (the shipped).")
    flags.DEFINE_string("out", "factors", "What the two files' names start with.")
    app.run(main)
