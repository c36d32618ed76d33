"""Predictions as data: JSON, a record a picture or frame, and CSV, a row a joint."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dcmls_tf import files, hand
from dcmls_tf.photos import sources
from dcmls_tf.photos.hands import HandPose
from dcmls_tf.photos.photo import Photo

UNITS = {
    "uv": "px of the upright picture, from its upper left corner",
    "joints_mm": "mm relative to the root joint; camera frame: x right, y down, z forward",
    "root_mm": "mm in the camera frame, if the hand has the training set's mean size",
    "mirrored": "whether the file is mirrored (--mirror); all else is of it turned back",
    "side_from": "given; detected; compared: detected unsurely, and of both sides' poses the one "
    "that explains the keypoints better is taken; assumed",
    "side_score": "the detector's confidence in the side that it says; null where it says none",
    "track": "in a video, the hand's number, the same in all its frames",
    "filled": "keypoints that --keypoints has not, or not surely, and that were put in line",
    "std_mm": "mm, spread of sampled poses; null where the model cannot sample",
}
COLUMNS = (
    *("file", "frame", "hand", "side", "joint", "name"),
    *("u_px", "v_px", "x_mm", "y_mm", "z_mm", "std_mm"),
)

Record = dict[str, Any]


def record(photo: Photo, poses: Iterable[HandPose]) -> Record:
    """A photo's predictions as JSON takes them."""
    return {
        "file": sources.shown(photo.source),
        "frame": photo.frame,
        "time_s": photo.time_s,
        "width": photo.size[0],
        "height": photo.size[1],
        "focal_px": float(photo.K[0, 0]),
        "focal_from": photo.focal_from,
        "mirrored": photo.mirrored,
        "hands": [_hand(pose) for pose in poses],
    }


def _hand(pose: HandPose) -> Record:
    return {
        "side": hand.SIDES[pose.region.side],
        "side_from": pose.region.side_from,
        "side_score": pose.region.side_score,
        "score": pose.region.score,
        "track": pose.region.track,
        "filled": list(pose.region.filled),
        "box": _rounded(pose.region.box),
        "uv": _rounded(pose.uv),
        "joints_mm": _rounded(pose.joints_mm),
        "root_mm": _rounded(pose.root_mm),
        "std_mm": None if pose.std_mm is None else _rounded(pose.std_mm),
    }


def as_json(
    records: Sequence[Record], joint_names: Sequence[str], asked: Record | None = None
) -> str:
    """Records with what their numbers mean, and what was asked for."""
    content = {"joint_names": list(joint_names), "units": UNITS, "asked": asked or {}}
    return files.as_json({**content, "pictures": records})


def as_csv(records: Iterable[Record], joint_names: Sequence[str]) -> str:
    """Records as a table, a row a joint."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for picture in records:
        for number, pose in enumerate(picture.get("hands", ())):
            spread = pose["std_mm"] or [""] * len(joint_names)
            for joint, name in enumerate(joint_names):
                where = picture["file"], picture["frame"], number, pose["side"], joint, name
                numbers = *pose["uv"][joint], *pose["joints_mm"][joint], spread[joint]
                writer.writerow([*where, *numbers])
    return text.getvalue()


def _rounded(values: ArrayLike) -> list[Any]:
    return np.round(np.asarray(values, float), 3).tolist()
