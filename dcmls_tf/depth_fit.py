"""Fits the correction of poses by the detector's depths, `photos.depths`, on rendered hands.

What the detector and the keypoint model in the box say of each hand of some shards is written
beside the hand's true pose; a network learns the difference on the training split, and error bars
are measured on the evaluation split, whose people it has not seen.
"""

import functools
import glob
import io
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tqdm
from jaxtyping import Bool, Float

from dcmls_tf import detected, files, geometry, hand
from dcmls_tf.data import shards
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics
from dcmls_tf.photos import backends, depths
from dcmls_tf.photos.depths import DepthCorrection, Hands
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.photo import Photo, camera
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.rendering import dataset
from dcmls_tf.rendering.workers import results
from dcmls_tf.serving import calibration, checksums, shipped

WIDTH, DROPOUT, NOISE = 256, 0.2, 0.1
BATCH, STEP_SIZE = 128, 1e-3


class Seen(NamedTuple):
    """Hands that were found, and the truth of them.

    std_mm: spread of the model's samples; true_mm: relative to the palm's centre, joint 0.
    """

    hands: Hands
    std_mm: Float[np.ndarray, "N 21"]
    true_mm: Float[np.ndarray, "N 21 3"]
    visible: Bool[np.ndarray, "N 21"]


def look(raw_dir: str, out_dir: str, workers: int = 1, progress: bool = True) -> None:
    """Writes, for every shard of `raw_dir`, what is seen of its hands; shards there are kept.

    Raises `UserError` when `raw_dir` has no finished shards with pictures, `out_dir` has what was
    seen of others or by another keypoint model, or the detector's networks or the keypoint model
    cannot be had.
    """
    tasks = detected.unfinished(raw_dir, functools.partial(_path, out_dir))
    dataset.claim(out_dir, {"looked_at": os.path.abspath(raw_dir), "keypoint_model": _model()})
    bar = tqdm.tqdm(total=len(tasks), unit="shard", disable=not progress)
    with bar, results(LookJob(raw_dir, out_dir), tasks, workers) as done:
        for _ in done:
            bar.update(1)


class LookJob:
    """Looks at one shard in a worker."""

    def __init__(self, raw_dir: str, out_dir: str) -> None:
        self.raw_dir, self.out_dir = raw_dir, out_dir

    def __call__(self, task: tuple[str, int]) -> None:
        split, number = task
        rows = list(_rows(shards.shard_path(self.raw_dir, split, number)))
        names = rows[0] if rows else ()
        columns: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in names}
        content = io.BytesIO()
        np.savez_compressed(content, **columns)
        files.write(_path(self.out_dir, split, number), content.getvalue())


def _model() -> str:
    """Tells the keypoint model in the box from others."""
    return checksums.of_file(shipped.path(shipped.KEYPOINTS))[:16]


def _path(folder: str, split: str, number: int) -> str:
    return os.path.join(folder, f"{split}-{number:05d}.npz")


def _rows(path: str) -> Iterator[dict[str, np.ndarray]]:
    for pixels, example, detection in detected.looked_at(path):
        if detection:
            size = pixels.shape[1], pixels.shape[0]
            photo = Photo("", pixels, size, *camera(size))
            (pose,) = _predictor()(photo, [HandRegion.from_detection(detection, photo)])
            true_mm, visible = detected.true_pose(example)
            yield {
                "joints_mm": pose.joints_mm,
                "keypoints": detection.uv,
                "depths": np.asarray(detection.depths),
                "side": np.array(pose.region.side),
                "std_mm": np.asarray(pose.std_mm),
                "true_mm": true_mm,
                "visible": visible,
            }


@functools.lru_cache(maxsize=1)
def _predictor() -> PosePredictor:
    return PosePredictor(backends.load(shipped.path(shipped.KEYPOINTS)))


def read(folder: str, split: str) -> Seen:
    """What `look` wrote. Raises `UserError` where there is nothing."""
    parts = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), f"{split}-*.npz"))):
        with np.load(path) as columns:
            if columns.files:
                parts.append(dict(columns))
    if not parts:
        raise UserError(f"--out_dir={folder}: no hand of the {split} split was found")
    of_all = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    hands = Hands(*(of_all.pop(name) for name in Hands._fields))
    return Seen(hands, of_all["std_mm"], of_all["true_mm"], of_all["visible"])


def fit(training: Seen, others: Seen, epochs: int = 30, seed: int = 0) -> DepthCorrection:
    """The correction that brings `training` hands nearest to the truth; error bars by `others`."""
    keras.utils.set_random_seed(seed)
    x = training.hands.features().astype(np.float32)
    pose = x[:, : 3 * hand.NUM_JOINTS].reshape(-1, hand.NUM_JOINTS, 3)
    off = (_true_in_frame(training) - pose)[:, 1:].reshape(len(x), -1)
    mean, std = x.mean(0), x.std(0) + 1e-3
    model, dense = _network(x.shape[1], off.shape[1])
    steps = keras.optimizers.schedules.CosineDecay(STEP_SIZE, epochs * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(steps), loss=_mean_distance)
    model.fit((x - mean) / std, off.astype(np.float32), BATCH, epochs, verbose=0)
    (kernel, bias), *later = ((layer.kernel.numpy(), layer.bias.numpy()) for layer in dense)
    layers = [(kernel / std[:, None], bias - (mean / std) @ kernel), *later]
    correction = DepthCorrection(layers, np.ones(hand.NUM_JOINTS, np.float32))
    factors = calibration.std_factors(spread(correction, others))
    return DepthCorrection(layers, np.array(factors, np.float32))


def _network(inputs: int, outputs: int) -> tuple[keras.Model, list[keras.layers.Dense]]:
    """A network of standardised features that starts at no correction, and its layers."""
    dense = [keras.layers.Dense(WIDTH, "relu") for _ in range(2)]
    last = keras.layers.Dense(outputs, kernel_initializer="zeros")
    x = keras.Input([inputs])
    h = keras.layers.GaussianNoise(NOISE)(x)
    for layer in dense:
        h = keras.layers.Dropout(DROPOUT)(layer(h))
    return keras.Model(x, last(h)), [*dense, last]


def _mean_distance(true, predicted):
    gap = tf.reshape(true - predicted, [-1, hand.NUM_JOINTS - 1, 3])
    return tf.reduce_mean(tf.sqrt(tf.reduce_sum(gap * gap, -1) + 1e-12))


def _true_in_frame(seen: Seen) -> Float[np.ndarray, "N 21 3"]:
    """The truth in scale bones and the hand's frame."""
    return depths.turned(seen.true_mm / _bone(seen.true_mm), seen.hands.turn())


def _bone(joints_mm: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "N 1 1"]:
    return geometry.scale_bone_mm(joints_mm)[:, None, None]


def spread(correction: DepthCorrection, seen: Seen) -> calibration.Spread:
    """Errors of the corrected poses at the true scale bone, and the samples' spreads."""
    corrected = correction(seen.hands)
    error = corrected / _bone(corrected) - seen.true_mm / _bone(seen.true_mm)
    std = seen.std_mm / seen.hands.unit_mm[..., 0]
    return calibration.Spread(np.linalg.norm(error, axis=-1), std, seen.visible)


def errors_mm(joints_mm: Float[np.ndarray, "N 21 3"], seen: Seen) -> tuple[float, float]:
    """EPE over visible joints, a hand first: with the scale bone given, and at the best scale."""
    true, visible = seen.true_mm, seen.visible
    bone = _bone(true) / _bone(joints_mm)
    best = metrics.best_scale(joints_mm, true, visible)[:, None, None]
    return _epe(bone * joints_mm, seen), _epe(best * joints_mm, seen)


def _epe(joints_mm: Float[np.ndarray, "N 21 3"], seen: Seen) -> float:
    gap = np.linalg.norm(joints_mm - seen.true_mm, axis=-1)
    return float(np.mean([of_hand[v].mean() for of_hand, v in zip(gap, seen.visible, strict=True)]))
