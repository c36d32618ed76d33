"""What tests of predictions share: photos of hands, and models of every kind on disk."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import raw_trees
import tensorflow as tf

from dcmls_tf import addons, checkpoints, hand, variants
from dcmls_tf import config as config_lib
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.photos.photo import Photo, camera
from dcmls_tf.serving import metadata, saved_model, tflite
from dcmls_tf.serving.signatures import ServedModel

SMALL: dict[str, Any] = {
    "joint_width": 32,
    "disc_width": 8,
    "input_size": 64,
    "reconstruction_size": 16,
}
STEP, MEAN_SCALE_MM = 7, 36.5
rng = np.random.default_rng(0)


def photo_of(pixels: np.ndarray, reduction: int = 1, name: str = "photo.png") -> Photo:
    """A photo as `photo.read` gives it, of a file that is `reduction` times as large."""
    size = reduction * pixels.shape[1], reduction * pixels.shape[0]
    return Photo(name, pixels, size, *camera(size))


def noise(size: tuple[int, int] = (200, 150)) -> np.ndarray:
    """A picture of noise, width × height, another one at each call."""
    return rng.integers(0, 255, (*size[::-1], 3), np.uint8)


def rendered_frame() -> tuple[np.ndarray, np.ndarray, int]:
    """A rendered person with a hand near the camera: pixels `[320, 320, 3]`, uv px, side."""
    from dcmls_tf.rendering import backgrounds, scene
    from dcmls_tf.rendering.frame import render_frame

    which = 3, "evaluation", 0
    frame = render_frame(*which, backgrounds.photographs())
    uv = frame.annotation.uv_vis[:, :2].reshape(2, hand.NUM_JOINTS, 2)
    side = scene.sample_scene(*which).side
    return frame.colour, uv[side][hand.RHD_TO_CANONICAL], side


def write_run(folder: Path, **options: Any) -> str:
    """A run as training leaves it, returns its path. Its poses vary about that of a hand."""
    config = config_lib.Config(run_dir=str(folder), **{**SMALL, **options})
    keras.utils.set_random_seed(0)  # Of other weights a finger may hide another.
    model = variants.from_config(config)
    rng = np.random.default_rng(0)
    for weight in model.weights:  # Biases start at zero, a translator's output too.
        weight.assign(weight + 0.03 * rng.normal(size=weight.shape))
    pose = raw_trees.random_hand(rng) / MEAN_SCALE_MM
    bias = model.networks()["decoder_y"].weights[-1]
    bias.assign(np.ravel(pose - pose[hand.WRIST]))
    networks = tf.train.Checkpoint(networks=addons.variables_by_name(model.networks()))
    tf.train.CheckpointManager(networks, str(folder / "best"), 1).save(STEP)
    config.save(str(folder))
    TrainingStatistics(rng.normal(size=(21, 3)), MEAN_SCALE_MM).save(str(folder))
    return str(folder)


def write_exports(run_dir: str, folder: Path) -> tuple[str, str]:
    """A run as a SavedModel and as a float32 TFLite file; returns their paths."""
    model, config, step = checkpoints.load_model(run_dir)
    statistics = TrainingStatistics.load(run_dir)
    description = metadata.describe(config, statistics, run_dir, step)
    served = ServedModel.from_run(model, run_dir)
    saved_model.save(served, description, str(folder / "hands"), 1, with_warm_up=False)
    content = tflite.with_metadata(tflite.convert(model, "float32"), description)
    (folder / "hand.tflite").write_bytes(content)
    return str(folder / "hands"), str(folder / "hand.tflite")
