"""Hands as the detector sees them: shards of pictures → shards of its keypoints and true poses.

What a 2D to 3D model reads of a photo is what a detector made of it, which is off most where a
hand is hidden, turned away or small. A model learns those errors from the detector itself. Where
it finds nothing the labelled keypoints stay, so that a model keeps knowing what exact ones mean.
"""

import functools
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import cv2
import numpy as np
import tqdm
from jaxtyping import Bool, Float, UInt8

from dcmls_tf import files, hand
from dcmls_tf.data import shards
from dcmls_tf.data.examples import SPLITS, RawExample
from dcmls_tf.photos.detection import Detection, Detector, iou
from dcmls_tf.rendering import dataset
from dcmls_tf.rendering.workers import results

SAME_HAND_IOU = 0.3
T = TypeVar("T")
_PALM = list(hand.PALM_JOINTS["rhd"])


def detect_shards(raw_dir: str, out_dir: str, workers: int = 1, progress: bool = True) -> None:
    """Writes, for every shard of `raw_dir`, one of the same hands without pictures.

    Shards that are there are kept. Raises `UserError` when `raw_dir` has no finished shards with
    pictures, `out_dir` has others than its, or the detector's networks cannot be had.
    """
    tasks = unfinished(raw_dir, functools.partial(shards.shard_path, out_dir))
    dataset.claim(out_dir, {"format": "shards", "detected_in": os.path.abspath(raw_dir)})
    found = hands = 0
    bar = tqdm.tqdm(total=len(tasks), unit="shard", disable=not progress)
    with bar, results(DetectionJob(raw_dir, out_dir), tasks, workers) as counts:
        for of_shard, in_shard in counts:
            found, hands = found + of_shard, hands + in_shard
            bar.update(1)
            bar.set_postfix(found=f"{found / max(hands, 1):.0%}")
    shards.write_info(out_dir, images=False)


def unfinished(raw_dir: str, path_of: Callable[[str, int], str]) -> list[tuple[str, int]]:
    """Split and number of the shards of `raw_dir` whose result, at `path_of`, is not there yet.

    Raises `UserError` when `raw_dir` has no finished shards with pictures.
    """
    shards.ShardBuilder(raw_dir, images=True)
    return [
        (split, number)
        for split in SPLITS
        for number in range(len(shards.shard_paths(raw_dir, split)))
        if not os.path.exists(path_of(split, number))
    ]


class DetectionJob:
    """Makes one shard in a worker; returns how many hands the detector found, of how many."""

    def __init__(self, raw_dir: str, out_dir: str) -> None:
        self.raw_dir, self.out_dir = raw_dir, out_dir

    def __call__(self, task: tuple[str, int]) -> tuple[int, int]:
        split, number = task
        looked_at = list(_examples(shards.shard_path(self.raw_dir, split, number)))
        content = shards.file_of(shards.serialized(e, images=False) for e, _ in looked_at)
        files.write(shards.shard_path(self.out_dir, split, number), content)
        return sum(is_found for _, is_found in looked_at), len(looked_at)


def _examples(path: str) -> Iterator[tuple[RawExample, bool]]:
    """A shard's examples without pictures, and whether the detector found their hand."""
    for _, example, detection in looked_at(path):
        yield (with_detection(example, detection) if detection else example), bool(detection)


def looked_at(
    path: str,
) -> Iterator[tuple[UInt8[np.ndarray, "h w 3"], RawExample, Detection | None]]:
    """A shard's pictures and examples, and what the detector found of the hand, `None` for none."""
    for encoded, example in shards.read(path):
        pixels: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        yield pixels, example, of_hand(_detector()(pixels), example["uv"])


@functools.lru_cache(maxsize=1)
def _detector() -> Detector:
    return Detector(max_hands=2)


def of_hand(
    found: Iterable[T],
    uv: Float[np.ndarray, "21 2"],
    box_of: Callable[[T], Float[np.ndarray, "4"]] = operator.attrgetter("box"),
) -> T | None:
    """What was found on a hand whose joints are at `uv` px, such as a `Detection`, or `None`."""
    box = np.concatenate([uv.min(0), uv.max(0)])
    best = max(found, key=lambda one: iou(box_of(one), box), default=None)
    return best if best and iou(box_of(best), box) > SAME_HAND_IOU else None


def true_pose(
    example: Mapping[str, Any],
) -> tuple[Float[np.ndarray, "21 3"], Bool[np.ndarray, "21"]]:
    """An example's joints, mm relative to the palm's centre, which is joint 0, and the visible."""
    joints_mm = np.concatenate([example["palm_mm"][None], example["xyz_mm"][1:]])
    visible = np.append(example["palm_visible"], example["visible"][1:]).astype(bool)
    return joints_mm - joints_mm[0], visible


def with_detection(example: RawExample, detection: Detection) -> RawExample:
    """The example with the detector's keypoints and side; the palm's centre is midway, px."""
    uv = detection.uv.astype(np.float32)
    return {**example, "uv": uv, "palm_uv": uv[_PALM].mean(0), "side": detection.side}
