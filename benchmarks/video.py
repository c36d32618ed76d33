"""How steady poses of a video are, and how late, on a rendered hand whose every frame is known.

    python benchmarks/video.py

A person of the evaluation split shows gestures of that split for about ten seconds, with rests
between, before a camera that stands still. Three ways through the same frames: each by itself,
the hand followed (`photos.tracking`), and followed and smoothed (`photos.smoothing`). Per way:

    found      frames with a pose
    numbers    how many numbers the hand had, where it is followed; 1 is the same hand throughout
    searches   frames that the palm detector ran on
    EPE        mm, root-relative, at the true mean scale bone
    rest       mm that a joint moves from frame to frame while the hand is still, root mean square
    accel      mm a frame², error of the acceleration (Kanazawa et al., CVPR 2019)
    lag        ms by which the truth has to be delayed to fit the poses best

`--min_cutoff_hz` and `--beta`, any number of times each, try other filters.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from absl import flags
from jaxtyping import Bool, Float, UInt8
from tqdm import tqdm

from dcmls_tf import api, app, hand
from dcmls_tf.evaluation import metrics
from dcmls_tf.photos import hands, photo, smoothing
from dcmls_tf.photos.detection import Detection, Detector
from dcmls_tf.photos.hands import HandPose, RegionFinder
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.photos.smoothing import Smoother
from dcmls_tf.photos.tracking import Tracker
from dcmls_tf.rendering import backgrounds, body, clothing, frame, mix, poses, scene
from dcmls_tf.rendering.camera import Camera, intrinsics, look_at

FPS, SIDE, SIZE_PX = 30, hand.RIGHT, 480
SPLIT = "evaluation"
GESTURES = (
    "relaxed", "four", "resting", "call_me", "lazy_point", "horns", "grasp_small", "scissors",
    "pinch_open", "relaxed",
)  # fmt: skip
MOVING_FRAMES, RESTING_FRAMES = 20, 12
# While a gesture changes, degrees that elbow, forearm and wrist move to and fro.
SWINGS = {"elbow": 12.0, "pronation": 30.0}
DISTANCE_M = 0.55
NOISE = 4.0  # of 255, another in each frame
DELAYS = np.arange(-1, 5, 0.05)  # frames

Joints = Float[np.ndarray, "T 21 3"]
FLAGS = flags.FLAGS


class Motion(NamedTuple):
    """Frames, and what they show: joints in mm, palm first, relative to it; which stand still."""

    photos: list[Photo]
    joints_mm: Joints
    is_still: Bool[np.ndarray, " T"]


class Answers(NamedTuple):
    """The poses in each frame, and how many of the frames were searched for palms."""

    poses: list[list[HandPose]]
    searches: int


class Row(NamedTuple):
    """What the table has of one way; see the head of this file."""

    found: float
    numbers: int
    searches: int
    epe_mm: float
    rest_mm: float
    accel_mm: float
    lag_ms: float


class CountingDetector(Detector):
    """A detector that counts how often it looked for palms."""

    searches = 0

    def __call__(self, pixels: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        self.searches += 1
        return super().__call__(pixels)


def define_flags() -> None:
    """The options of the benchmark."""
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file (the shipped).")
    flags.DEFINE_integer("seed", 1, "Who, where and in which light.", lower_bound=0)
    flags.DEFINE_multi_float("min_cutoff_hz", [smoothing.MIN_CUTOFF_HZ], "Of the filter.")
    flags.DEFINE_multi_float("beta", [smoothing.BETA], "Of the filter.")


def main(_: list[str]) -> None:
    """Flags → a table."""
    predictor = api.load(FLAGS.model).predictor
    motion = render(FLAGS.seed)
    by_itself = answer(motion, predictor, alone)
    in_sequence = answer(motion, predictor, followed)
    rows = {"each frame by itself": row(motion, by_itself), "followed": row(motion, in_sequence)}
    for cutoff, beta in itertools.product(FLAGS.min_cutoff_hz, FLAGS.beta):
        name = f"followed, smoothed ({cutoff:g} Hz, {beta:g})"
        rows[name] = row(motion, smooth(in_sequence, Smoother(cutoff, beta)))
    print(f"{len(motion.photos)} frames at {FPS} a second, {SIZE_PX} px")
    print(table(rows))


def alone(detector: Detector) -> RegionFinder:
    """Finds hands anew in each frame."""
    return hands.finder(detector=detector)


def followed(detector: Detector) -> RegionFinder:
    """Follows hands from frame to frame."""
    return Tracker(detector)


def render(seed: int) -> Motion:
    """A hand that changes its gesture and rests, by turns."""
    rng = np.random.default_rng(seed)
    person = body.default_body().person(body.default_body().identities(SPLIT)[seed])
    outfit, base = clothing.sample_outfit(rng), _pose(rng, person)
    paths = backgrounds.of_split(backgrounds.photographs(), SPLIT)
    figures = [scene.Figure(person, outfit, pose) for pose in _motion(base)]
    camera = _camera(np.mean([figure.joints[SIDE] for figure in figures], axis=(0, 1)))
    photos, joints_mm = [], []
    for number, figure in enumerate(tqdm(figures, unit=" frames")):
        photos.append(_photo(figure, camera, seed, number, paths))
        xyz_mm = 1000 * camera.to_camera(figure.joints[SIDE])
        xyz_mm[hand.WRIST] = xyz_mm[list(hand.PALM_JOINTS["rhd"])].mean(0)
        joints_mm.append(xyz_mm - xyz_mm[hand.WRIST])
    cycle = np.arange(len(figures)) % (MOVING_FRAMES + RESTING_FRAMES)
    return Motion(photos, np.array(joints_mm), cycle > MOVING_FRAMES)


def _pose(rng: np.random.Generator, person: body.Person) -> body.Pose:
    """A person whose hand of `SIDE` is before the chest, raised."""
    reach = {name: poses.REACHES[name] for name in ("talking_high", "raised")}
    pose = poses.sample_pose(rng, SPLIT, person)
    arms = list(pose.arms)
    arms[SIDE] = poses.sample_arm(rng, SPLIT, reach)
    arms[1 - SIDE] = body.Arm.hanging()
    return dataclasses.replace(pose, arms=tuple(arms), spine=np.zeros(3), neck=np.zeros(3))


def _motion(base: body.Pose) -> Iterator[body.Pose]:
    """Poses of the frames: from gesture to gesture, with a rest after each."""
    angles = [poses.hand_angles(poses.GESTURES[name]) for name in GESTURES]
    for before, after in itertools.pairwise(angles):
        for step in range(MOVING_FRAMES + RESTING_FRAMES):
            time = min(step / MOVING_FRAMES, 1.0)
            yield _between(base, before, after, time)


def _between(base: body.Pose, before: tuple, after: tuple, time: float) -> body.Pose:
    share = time**2 * (3 - 2 * time)  # starts and ends at rest
    fingers, twist, cup = ((1 - share) * a + share * b for a, b in zip(before, after, strict=True))
    arm = base.arms[SIDE]
    swing = np.sin(2 * np.pi * share)
    moved = {name: getattr(arm, name) + most * swing for name, most in SWINGS.items()}
    arms = list(base.arms)
    arms[SIDE] = dataclasses.replace(arm, fingers=fingers, thumb_twist=twist, cup=cup, **moved)
    return dataclasses.replace(base, arms=tuple(arms))


def _camera(target: Float[np.ndarray, "3"]) -> Camera:
    """A camera before the person that has the hand in its middle."""
    K = intrinsics(300.0)
    middle = K[:2, 2]
    direction = body.rotation(1, 15) @ [0.0, 0.0, 1.0]
    near = look_at(target, direction, DISTANCE_M, 0.0, middle, K)
    return near.cropped((0, 0), near.size, SIZE_PX)


def _photo(
    figure: scene.Figure, camera: Camera, seed: int, number: int, paths: Sequence[str]
) -> Photo:
    uv, _ = camera.project(figure.joints)
    annotation = scene.annotate(camera, figure.joints, uv, np.ones((2, hand.NUM_JOINTS), bool))
    shown = scene.Scene(figure, camera, (SIDE,), annotation, near=True)
    # Light, colours and background are drawn before anything that depends on the pose.
    clean = frame.paint(shown, np.random.default_rng(seed), paths, camera, mix.RHD).colour
    noise = np.random.default_rng([seed, number]).normal(0, NOISE, clean.shape)
    pixels = np.clip(clean + noise, 0, 255).astype(np.uint8)
    size = (SIZE_PX, SIZE_PX)
    return Photo("rendered", pixels, size, *photo.camera(size), number, number / FPS)


def answer(
    motion: Motion, predictor: PosePredictor, finder: Callable[[Detector], RegionFinder]
) -> Answers:
    """The poses of one way through the frames."""
    detector = CountingDetector()
    find = finder(detector)
    poses_by_frame = [predictor(picture, find(picture)) for picture in motion.photos]
    return Answers(poses_by_frame, detector.searches)


def smooth(answers: Answers, smoother: Smoother) -> Answers:
    """The same, smoothed."""
    poses_by_frame = enumerate(answers.poses)
    return answers._replace(poses=[smoother(p, number / FPS) for number, p in poses_by_frame])


def row(motion: Motion, answers: Answers) -> Row:
    """The figures of the largest hand in each frame; the person's other one hangs."""
    found = [max(p, key=_size, default=None) for p in answers.poses]
    there = np.array([pose is not None for pose in found])
    poses_mm = np.array([pose.joints_mm for pose in found if pose is not None])
    truth, still = motion.joints_mm[there], motion.is_still[there]
    poses_mm = poses_mm - poses_mm[:, :1]
    scales = metrics.scale_bone(truth).mean() / metrics.scale_bone(poses_mm).mean()
    poses_mm = poses_mm * scales
    times = np.flatnonzero(there)
    neighbours = np.diff(times) == 1
    at_rest = neighbours & still[1:] & still[:-1]
    steps = np.diff(poses_mm, axis=0)[at_rest]
    threes = neighbours[1:] & neighbours[:-1]
    bends = np.diff(poses_mm - truth, n=2, axis=0)[threes]
    errors = [_epe(poses_mm, _delayed(motion.joints_mm, times - delay)) for delay in DELAYS]
    return Row(
        there.mean(),
        len({pose.region.track for pose in found if pose is not None}),
        answers.searches,
        _epe(poses_mm, truth),
        float(np.sqrt((steps**2).sum(-1).mean())),
        float(np.linalg.norm(bends, axis=-1).mean()),
        float(1000 * DELAYS[np.argmin(errors)] / FPS),
    )


def _size(pose: HandPose) -> float:
    return float((pose.region.box[2:] - pose.region.box[:2]).max())


def _epe(poses_mm: Joints, truth: Joints) -> float:
    return float(np.linalg.norm(poses_mm - truth, axis=-1).mean())


def _delayed(truth: Joints, times: Float[np.ndarray, " N"]) -> Joints:
    """The truth at times in frames, between which it moves straight."""
    at = np.clip(times, 0, len(truth) - 1)
    before = np.minimum(at.astype(int), len(truth) - 2)
    share = (at - before)[:, None, None]
    return (1 - share) * truth[before] + share * truth[before + 1]


def table(rows: dict[str, Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| | found | numbers | searches | EPE, mm | rest, mm | accel, mm/frame² | lag, ms |",
        f"|---|{'---:|' * len(Row._fields)}",
    ]
    for name, r in rows.items():
        cells = f"{r.found:.0%}", str(r.numbers), str(r.searches)
        numbers = r.epe_mm, r.rest_mm, r.accel_mm
        rounded = [f"{number:.2f}" for number in numbers]
        lines.append(f"| {' | '.join([name, *cells, *rounded, f'{r.lag_ms:.0f}'])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    define_flags()
    app.run(main)
