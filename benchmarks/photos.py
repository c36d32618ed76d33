"""Photo to pose, as `scripts/predict.py` answers, against labels: nothing is given but pictures.

    python benchmarks/photos.py --raw_dir=RHD_60
    python benchmarks/photos.py --raw_dir=hands --limit=500

`--raw_dir` is in RHD's layout or one of `render.py --format=shards`, whose pictures are looked at
as they are. The detector finds hands, the shipped models (or `--model`) give their poses by a
camera that is guessed and the side that is detected, or both where that is unsure (`--nocompare`:
the detector's always). Scored is the hand whose box overlaps the
labelled one's most, by more than 0.3.

Printed: the part of hands found, and the palm-relative EPE over visible joints, per hand, with the
scale bone given (the pose is scaled until its own has the true length) and at the best scale
(least squares); the part of joints within one and two `std_mm` of the truth, of a pose at the true
scale bone, where the model has that.
"""

import dataclasses
import itertools
import os
from typing import Any

import numpy as np
from absl import flags

from dcmls_tf import api, app
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.detected import of_hand, true_pose
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics
from dcmls_tf.photos import hands
from dcmls_tf.photos.detection import Detector
from dcmls_tf.photos.hands import HandPose
from dcmls_tf.photos.photo import Photo, camera

FLAGS = flags.FLAGS


def main(_: list[str]) -> None:
    """Flags → printed numbers."""
    predictor = api.load(FLAGS.model).predictor
    if predictor.config.root != "palm":
        raise UserError(f"--model={FLAGS.model}: its root is no palm")
    find_hands = hands.finder(detector=Detector(max_hands=2))
    data = Config(raw_dir=os.path.abspath(FLAGS.raw_dir), data_dir=FLAGS.data_dir)
    examples = pipeline.canonical_examples(preparation.from_config(data), FLAGS.split)
    total, rows = 0, []
    for example in itertools.islice(examples, FLAGS.limit or None):
        labelled = {key: value.numpy() for key, value in example.items()}
        total += 1
        photo = _photo(labelled)
        regions = find_hands(photo)
        if not FLAGS.compare:
            regions = [dataclasses.replace(region, side_score=None) for region in regions]
        poses = predictor(photo, regions)
        pose = of_hand(poses, labelled["uv"], lambda pose: pose.region.box)
        if pose:
            rows.append(_score(pose, labelled))
    if not rows:
        raise UserError(f"--raw_dir={FLAGS.raw_dir}: no hand of {total} was found")
    _show(total, rows)


def _photo(labelled: dict[str, Any]) -> Photo:
    import tensorflow as tf

    pixels = tf.io.decode_image(labelled["image"], channels=3, expand_animations=False).numpy()
    size = pixels.shape[1], pixels.shape[0]
    return Photo(labelled["id"].decode(), pixels, size, *camera(size))


def _score(pose: HandPose, labelled: dict[str, Any]) -> dict[str, Any]:
    truth, visible = true_pose(labelled)
    joints = pose.joints_mm
    (bone,) = metrics.scale_bone(truth[None]) / metrics.scale_bone(joints[None])
    (best,) = metrics.best_scale(joints[None], truth[None], visible[None])
    errors = np.linalg.norm(bone * joints - truth, axis=-1)
    # Joint 0, the root, is right by definition.
    std_mm = None if pose.std_mm is None else errors[1:] / (bone * pose.std_mm[1:])
    return {
        "bone": errors[visible].mean(),
        "best": np.linalg.norm(best * joints - truth, axis=-1)[visible].mean(),
        "side": pose.region.side == labelled["side"],
        "in_std": None if std_mm is None else std_mm[visible[1:]],
    }


def _show(total: int, rows: list[dict[str, Any]]) -> None:
    print(f"{total} hands, found {len(rows) / total:.1%}, side right {_mean(rows, 'side'):.1%}")
    print(f"scale bone given: EPE {_mean(rows, 'bone'):.2f} mm, median {_median(rows, 'bone'):.2f}")
    print(f"best scale: EPE {_mean(rows, 'best'):.2f} mm, median {_median(rows, 'best'):.2f}")
    if rows[0]["in_std"] is not None:
        in_std = np.concatenate([row["in_std"] for row in rows])
        print(f"within 1 std_mm {np.mean(in_std < 1):.1%}, within 2 {np.mean(in_std < 2):.1%}")


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _median(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.median([row[key] for row in rows]))


if __name__ == "__main__":
    flags.DEFINE_string("raw_dir", "rendered", "Folder in RHD's layout, or of shards.")
    flags.DEFINE_string("data_dir", "data", "Folder for prepared data.")
    flags.DEFINE_enum("split", "evaluation", ("training", "evaluation"), "Its split.")
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file (the shipped).")
    flags.DEFINE_bool("compare", True, "Try both sides where the detector is unsure.")
    flags.DEFINE_integer("limit", 0, "First hands only; 0: all.", lower_bound=0)
    app.run(main)
