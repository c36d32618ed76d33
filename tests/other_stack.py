"""What one stack leaves and the other takes up, in a process of its own.

    .venv-addons/bin/python tests/other_stack.py go_on RUN_DIR
    .venv-addons/bin/python tests/other_stack.py answer MODALITY MODEL...

`go_on` leaves the run's predictions there, and a checkpoint one step further; `answer` the pose
of one hand by each model, in `MODEL.npy`.
"""

import os
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from dcmls_tf import api, checkpoints, config, training

STEPS = 3
SMALL: dict[str, Any] = {
    "joint_width": 16,
    "disc_width": 8,
    "input_size": 64,
    "reconstruction_size": 16,
    "batch_size": 8,
    "learning_rate": 1e-3,
}
PREDICTIONS = "predictions.npy"


def batch(c: config.Config) -> dict[str, np.ndarray]:
    """The same hands at every call, with images of noise where x is one."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(c.batch_size, 21, 3)).astype(np.float32)
    if c.modality == "2d":
        return {"x": 0.2 * y[..., :2], "y": y}
    sizes = {"x": c.input_size, "x_target": c.reconstruction_size}
    images = {k: rng.uniform(-0.5, 0.5, (c.batch_size, n, n, 3)) for k, n in sizes.items()}
    return {**{k: image.astype(np.float32) for k, image in images.items()}, "y": y}


def trainer(c: config.Config) -> training.Trainer:
    """On one device, by the strategy that several have."""
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    return training.Trainer(c, strategy, total_steps=10)


def take_steps(of: training.Trainer, count: int) -> None:
    """Steps on the same batch."""
    for _ in range(count):
        of.train_step(tf.nest.map_structure(tf.constant, batch(of.config)))


def save(of: training.Trainer) -> None:
    """Both kinds of checkpoints, and the configuration, as a run leaves them."""
    run_dir, step = of.config.run_dir, int(of.step)
    of.config.save(run_dir)
    checkpoints.best(of.model, run_dir).save(step)
    checkpoints.resumable(of, run_dir).save(step)


def restored(c: config.Config) -> training.Trainer:
    """A trainer as its newest checkpoint has it; every variable and every value is used."""
    fresh = trainer(c)
    newest = checkpoints.resumable(fresh, c.run_dir).latest_checkpoint
    fresh.checkpointed().restore(newest).assert_consumed()
    return fresh


def go_on(run_dir: str) -> None:
    """What is done on the other stack."""
    model, c, _ = checkpoints.load_model(run_dir)
    x = tf.constant(batch(c)["x"])
    np.save(os.path.join(run_dir, PREDICTIONS), checkpoints.pose_function(model)({"x": x}))
    going_on = restored(c)
    take_steps(going_on, 1)
    save(going_on)


def answer(path: str, modality: str) -> np.ndarray:
    """The joints of one hand by a model of any kind, mm."""
    rng = np.random.default_rng(0)
    pixels, uv = rng.integers(0, 256, (400, 400, 3), np.uint8), rng.uniform(100, 300, (21, 2))
    model, box = api.load(path), (90, 90, 310, 310)
    if modality == "2d":
        return model.predict(pixels, keypoints=uv, side="right")[0].joints_mm
    return model.predict(pixels, box=box, side="right")[0].joints_mm


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    if action == "go_on":
        go_on(*arguments)
    else:
        for export in arguments[1:]:
            np.save(f"{export}.npy", answer(export, arguments[0]))
