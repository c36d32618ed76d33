"""What tests of predictions share: a photo of a hand, and models of every kind on disk."""

import numpy as np
import raw_trees
import tensorflow as tf

from dcmls_tf import config as config_lib
from dcmls_tf import hand, runs, training, variants
from dcmls_tf.evaluation import report as evaluation
from dcmls_tf.serving import saved_model
from dcmls_tf.serving import signatures as serving
from dcmls_tf.serving import tflite as lite

SMALL = {"joint_width": 32, "disc_width": 8, "input_size": 64, "reconstruction_size": 16}
STEP, MEAN_SCALE_MM = 7, 36.5


def rendered_frame():
    """A rendered person with a hand near the camera: pixels `[320, 320, 3]`, uv px, side."""
    from dcmls_tf.rendering import backgrounds, scene
    from dcmls_tf.rendering.frame import render_frame

    which = 3, "evaluation", 0
    frame = render_frame(*which, backgrounds.photographs())
    uv = frame.annotation.uv_vis[:, :2].reshape(2, hand.NUM_JOINTS, 2)
    side = scene.sample_scene(*which).side
    return frame.colour, uv[side][hand.RHD_TO_CANONICAL], side


def write_run(folder, **options):
    """A run as training leaves it, returns its path. Its poses vary about that of a hand."""
    config = config_lib.Config(run_dir=str(folder), **{**SMALL, **options})
    model = variants.from_config(config)
    rng = np.random.default_rng(0)
    for weight in model.weights:  # Biases start at zero, a translator's output too.
        weight.assign(weight + 0.03 * rng.normal(size=weight.shape))
    pose = raw_trees.random_hand(rng) / MEAN_SCALE_MM
    bias = model.networks()["decoder_y"].weights[-1]
    bias.assign(np.ravel(pose - pose[hand.WRIST]))
    networks = tf.train.Checkpoint(networks=training.variables_by_name(model.networks()))
    tf.train.CheckpointManager(networks, str(folder / "best"), 1).save(STEP)
    config.save(str(folder))
    evaluation.TrainingStatistics(rng.normal(size=(21, 3)), MEAN_SCALE_MM).save(str(folder))
    return str(folder)


def write_exports(run_dir, folder):
    """A run as a SavedModel and as a float32 TFLite file; returns their paths."""
    model, config, step = runs.load_model(run_dir)
    statistics = evaluation.TrainingStatistics.load(run_dir)
    facts = saved_model.metadata(config, statistics, run_dir, step)
    served = serving.Served(model, statistics.mean_scale_mm)
    saved_model.save(served, facts, str(folder / "hands"), 1, warm_up=False)
    content = lite.with_metadata(lite.convert(model, config, "float32"), facts)
    (folder / "hand.tflite").write_bytes(content)
    return str(folder / "hands"), str(folder / "hand.tflite")
