"""MediaPipe Hands on a folder in RHD's layout, under this project's protocol.

MediaPipe is a known quantity that has seen neither RHD nor rendered data of this project.
Its errors on RHD say how hard the frames are; on rendered frames, how often it finds a hand
and how far its landmarks are from the labels says how much these look like hands.

It needs an environment of its own, as mediapipe does not share one with TensorFlow 2.21:

    python -m venv .venv-mediapipe && .venv-mediapipe/bin/pip install mediapipe==0.10.14 jaxtyping
    PYTHONPATH=. .venv-mediapipe/bin/python benchmarks/mediapipe_rhd.py --raw_dir=rendered

Each sample's hand (the one with more mask pixels) is cut out as a square of `--margin` times
its joints' box and enlarged to 320 px. `solutions.hands` runs in static mode with one hand.

Printed: the part of hands found; on those, the median distance between landmarks and labels
over the side of the hand's box; and the root-relative (palm) EPE of MediaPipe's "world"
landmarks over visible joints, per joint first, at two scales:

- scale bone given: a prediction is scaled until its own middle finger's first phalanx has
  the true length. MediaPipe's poses have no unit of ours, so unlike this project's models
  their bone is normalised.
- best scale: the factor that makes the squared error of the sample's visible joints least.
"""

import os
from collections.abc import Sequence
from typing import Any

import cv2
import mediapipe  # pyright: ignore[reportMissingImports]  # In an environment of its own.
import numpy as np
from absl import flags
from jaxtyping import Bool, Float

from dcmls_tf import app, hand
from dcmls_tf.data import annotations
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics

CROP = 320
FLAGS = flags.FLAGS

Sample = dict[str, Any]


def main(_: list[str]) -> None:
    """Flags → printed numbers."""
    folder = os.path.join(FLAGS.raw_dir, FLAGS.split)
    frames = annotations.load(os.path.join(folder, f"anno_{FLAGS.split}.pickle"))
    numbers = sorted(frames)[: FLAGS.limit or None]
    samples = [read_sample(folder, number, frames[number]) for number in numbers]
    with mediapipe.solutions.hands.Hands(
        static_image_mode=True, max_num_hands=1, min_detection_confidence=FLAGS.confidence
    ) as detector:
        detected = [s for s in (detect(detector, sample) for sample in samples) if s]
    print(f"{folder}: {len(samples)} hands, found {len(detected) / len(samples):.1%}")
    if detected:
        show(detected)


def read_sample(folder: str, number: int, annotation: dict[str, Any]) -> Sample:
    """The larger hand of a frame: crop, `crop_uv [21, 2]`, `xyz_mm [21, 3]`, `visible [21]`."""
    image = cv2.cvtColor(_read(folder, "color", number, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    mask = _read(folder, "mask", number, cv2.IMREAD_GRAYSCALE)
    left, right = (hand.is_of_side(mask, side).sum() for side in (hand.LEFT, hand.RIGHT))
    side = hand.LEFT if left > right else hand.RIGHT
    rows = side * hand.NUM_JOINTS + hand.RHD_TO_CANONICAL
    uv = annotation["uv_vis"][rows, :2].astype(float)
    lower, upper = uv.min(axis=0), uv.max(axis=0)
    box = (upper - lower).max()
    zoom = CROP / (FLAGS.margin * box)
    shift = CROP / 2 - zoom * (lower + upper) / 2
    # OpenCV counts from the first pixel's middle, annotations from its corner.
    to_crop = np.array([[zoom, 0, shift[0] + zoom / 2 - 0.5], [0, zoom, shift[1] + zoom / 2 - 0.5]])
    return {
        "crop": cv2.warpAffine(image, to_crop, (CROP, CROP), flags=cv2.INTER_LINEAR),
        "crop_uv": zoom * uv + shift,
        "box_px": zoom * box,
        "xyz_mm": 1000.0 * annotation["xyz"][rows],
        "visible": annotation["uv_vis"][rows, 2] > 0.5,
    }


def detect(detector: Any, sample: Sample) -> Sample | None:
    """The sample with MediaPipe's `landmarks_px [21, 2]` and `world [21, 3]`, or `None`.

    MediaPipe's joints have the canonical order; its axes are the camera's.
    """
    result = detector.process(sample["crop"])
    if not result.multi_hand_landmarks:
        return None
    landmarks = result.multi_hand_landmarks[0].landmark
    world = result.multi_hand_world_landmarks[0].landmark
    return {
        **sample,
        "landmarks_px": CROP * np.array([[p.x, p.y] for p in landmarks]),
        "world": np.array([[p.x, p.y, p.z] for p in world]),
    }


def show(samples: Sequence[Sample]) -> None:
    """Prints the errors of the hands that were found."""
    distance = [
        np.linalg.norm(s["landmarks_px"] - s["crop_uv"], axis=-1) / s["box_px"] for s in samples
    ]
    print(f"median landmark distance: {np.median(distance):.1%} of the hand's box")
    truth = np.array([palm_relative(s["xyz_mm"]) for s in samples])
    world = np.array([palm_relative(s["world"]) for s in samples])
    visible = np.array([palm_visible(s["visible"]) for s in samples])
    scales = {
        "scale bone given": metrics.scale_bone(truth) / metrics.scale_bone(world),
        "best scale": metrics.best_scale(world, truth, visible),
    }
    for name, scale in scales.items():
        error_mm = metrics.joint_errors_mm(scale[:, None, None] * world, truth)
        auc = metrics.auc(error_mm, visible, "20_50")
        print(f"{name}: EPE {metrics.epe_mm(error_mm, visible):.1f} mm, AUC 20-50 {auc:.3f}")


def palm_relative(joints: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "21 3"]:
    """Joints relative to the palm, which takes joint 0's place."""
    palm = joints[[hand.WRIST, hand.MIDDLE_MCP]].mean(axis=0)
    return np.concatenate([palm[None], joints[1:]]) - palm


def palm_visible(visible: Bool[np.ndarray, "21"]) -> Bool[np.ndarray, "21"]:
    """Visibility with the palm at joint 0: seen if wrist or middle MCP is."""
    return np.append(visible[[hand.WRIST, hand.MIDDLE_MCP]].any(), visible[1:])


def _read(folder: str, kind: str, number: int, mode: int) -> np.ndarray:
    path = os.path.join(folder, kind, f"{number:05d}.png")
    image = cv2.imread(path, mode)
    if image is None:
        raise UserError(f"--raw_dir: {path} is missing or no image")
    return image


if __name__ == "__main__":
    flags.DEFINE_string("raw_dir", "rendered", "Folder in RHD's layout.")
    flags.DEFINE_enum("split", "evaluation", ("training", "evaluation"), "Its split.")
    flags.DEFINE_integer("limit", 0, "First frames only; 0: all.", lower_bound=0)
    flags.DEFINE_float("margin", 1.8, "Side of the crop over the hand's box.", lower_bound=1)
    flags.DEFINE_float("confidence", 0.3, "Least detection confidence.", lower_bound=0)
    app.run(main)
