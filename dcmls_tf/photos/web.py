"""The page that finds hands in the browser: its networks, and the facts that it shares with photos.

`export/page/` is the page, in JavaScript; `detection`, `tracking`, `geometry` and `placement` are
its pattern, and what they know as numbers goes to it as `facts.json`, so that it is said once.
"""

import json
import os
from typing import Any

import numpy as np

from dcmls_tf import files, geometry, hand
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.photos import depths, detection, detector_files, tracking
from dcmls_tf.serving import lite_file, metadata, shipped
from dcmls_tf.serving.signatures import SERVING_DEFAULT

FACTS, MODELS = "facts.json", "models"
POSE, DEPTHS = "pose.tflite", "depths.json"
MAX_HANDS = 4


def write(model: str, out_dir: str) -> None:
    """Writes `facts.json` and `models/` into a folder that is there.

    model: a `.tflite` file of a 2D model that takes and gives floats.

    Raises `UserError` for another model, and where the detector cannot be had.
    """
    content, described = lite_file.read(model)
    config = metadata.config_of(described, model)
    if config.modality != "2d" or described.get("precision") == "int8":
        raise UserError(
            f"--model={model}: give the .tflite file of a 2D model that is not int8, such as "
            "lite/1/dynamic.tflite of an export"
        )
    pose = lite_file.of_one_row(content, described)
    networks = {**detector_files.networks(), POSE: pose}
    os.makedirs(os.path.join(out_dir, MODELS), exist_ok=True)
    for name, network in networks.items():
        files.write(os.path.join(out_dir, MODELS, name), network)
    told = facts(config, metadata.mean_scale_mm_of(described, model))
    if _is_in_the_box(model):
        told["depths"] = {"file": f"{MODELS}/{DEPTHS}"}
        files.write(os.path.join(out_dir, MODELS, DEPTHS), json.dumps(_depth_layers()))
    files.write_json(os.path.join(out_dir, FACTS), told)


def _is_in_the_box(model: str) -> bool:
    """Whether a file is the model whose poses the detector's depths are known to correct."""
    box = shipped.file_of(shipped.KEYPOINTS)
    return os.path.exists(box) and os.path.samefile(model, box)


def _depth_layers() -> dict[str, Any]:
    """The layers of `depths.DepthCorrection`, to the four digits that its file has."""
    layers = [
        {"kernel": _digits(kernel), "bias": _digits(bias)}
        for kernel, bias in depths.DepthCorrection.load().layers
    ]
    return {"layers": layers}


def _digits(values: Any) -> list[Any]:
    return np.vectorize(lambda value: float(f"{value:.4g}"))(values).tolist()


def facts(config: Config, mean_scale_mm: float) -> dict[str, Any]:
    """What the page has to know of hands, the detector and a model, as JSON takes it."""
    return {
        "hand": _hand_facts(config),
        "detector": _detector_facts(),
        "tracker": {
            "look_around": tracking.LOOK_AROUND,
            "steady": tracking.STEADY,
            "memory": tracking.MEMORY,
        },
        "model": {
            "mean_scale_mm": mean_scale_mm,
            "root": config.root,
            "side": config.side,
            "crop_margin": config.crop_margin,
            "perspective_crop": config.perspective_crop,
            "max_off_axis": geometry.MAX_OFF_AXIS,
            "sides": [geometry.MIN_SIDE, geometry.MAX_SIDE],
            "typical_focal": geometry.TYPICAL_FOCAL,
        },
        "networks": {
            "palm": {"file": f"{MODELS}/{detector_files.PALM}"},
            "landmarks": {"file": f"{MODELS}/{detector_files.LANDMARKS}"},
            "pose": {"file": f"{MODELS}/{POSE}", "signature": SERVING_DEFAULT},
        },
        "max_hands": MAX_HANDS,
    }


def _hand_facts(config: Config) -> dict[str, Any]:
    return {
        "joint_names": hand.joint_names(config.root),
        "parents": hand.PARENTS,
        "tips": hand.TIPS,
        "wrist": hand.WRIST,
        "scale_bone": hand.SCALE_BONE,
        "finger_bases": hand.FINGER_BASES,
        "palm_joints": hand.PALM_JOINTS[config.dataset],
        "colours": [hand.joint_colour(joint) for joint in range(hand.NUM_JOINTS)],
        "sides": hand.SIDES,
        "left": hand.LEFT,
        "right": hand.RIGHT,
    }


def _detector_facts() -> dict[str, Any]:
    return {
        "palm_input": detection.PALM_INPUT,
        "anchor_grids": detection.ANCHOR_GRIDS,
        "min_score": detection.MIN_SCORE,
        "merge_iou": detection.MERGE_IOU,
        "wrist_point": detection.WRIST_POINT,
        "middle_point": detection.MIDDLE_POINT,
        "roi_scale": detection.ROI_SCALE,
        "roi_shift": detection.ROI_SHIFT,
        "joints_scale": detection.JOINTS_SCALE,
        "joints_shift": detection.JOINTS_SHIFT,
        "steady_joints": detection.STEADY_JOINTS,
        "knuckles": [hand.INDEX[f"{finger}_mcp"] for finger in ("index", "middle", "ring")],
        "landmarks_input": detection.LANDMARKS_INPUT,
        "min_presence": detection.MIN_PRESENCE,
        "same_hand_iou": detection.SAME_HAND_IOU,
    }
