"""A run's folder → its model, and the checkpoints in it.

`checkpoints/` holds what a resumed run needs, `best/` the networks alone at the lowest
validation EPE.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from dcmls_tf import addons, variants
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.model import Pose, predict_pose
from dcmls_tf.variants import Model

if TYPE_CHECKING:
    from dcmls_tf.training import Trainer

BEST_FOLDER = "best"
RESUMABLE_FOLDER = "checkpoints"
RESUMABLE_KEPT = 2


def best(model: Model, run_dir: str) -> tf.train.CheckpointManager:
    """The manager of the best networks, of which one checkpoint is kept."""
    return tf.train.CheckpointManager(_networks(model), os.path.join(run_dir, BEST_FOLDER), 1)


def resumable(trainer: "Trainer", run_dir: str) -> tf.train.CheckpointManager:
    """The manager of what a resumed run needs; the newest `RESUMABLE_KEPT` are kept."""
    folder = os.path.join(run_dir, RESUMABLE_FOLDER)
    return tf.train.CheckpointManager(trainer.checkpointed(), folder, RESUMABLE_KEPT)


def load_model(run_dir: str) -> tuple[Model, Config, int]:
    """The model of a run at its lowest validation EPE, its `Config`, and the step of that.

    Raises `UserError` when the folder is no run, or has no finished epoch yet.
    """
    config = config_lib.load(run_dir)
    newest = _best_of(run_dir)
    # The checkpoint has every weight, in float32: none are downloaded to start from.
    model = variants.from_config(config.replace(encoder_weights="random", precision="float32"))
    _networks(model).restore(newest).expect_partial()
    return model, config, int(newest.rsplit("-", 1)[-1])


def start_from(model: Model, initial_run: str) -> None:
    """Gives a model the best networks of another run.

    Raises `UserError` when that is no run, or its networks are others.
    """
    checkpoint = _best_of(initial_run, "initial_run")
    try:
        _networks(model).restore(checkpoint).assert_existing_objects_matched()
    except (AssertionError, ValueError):
        raise UserError(
            f"--initial_run={initial_run}: its networks are others than this run's; give the same "
            "options of the model as there, which its config.json lists"
        ) from None


def _best_of(run_dir, flag="run_dir"):
    newest = tf.train.latest_checkpoint(os.path.join(run_dir, BEST_FOLDER))
    if newest is None:
        raise UserError(f"--{flag}: {run_dir} has no finished epoch yet; train it first")
    return newest


def pose_function(model: Model) -> Callable[[Mapping[str, Any]], Pose]:
    """`predict(batch)` → poses `[B, 21, 3]`, as a `tf.function`; batches of any size."""
    return tf.function(lambda batch: predict_pose(model, batch), reduce_retracing=True)


def _networks(model):
    return tf.train.Checkpoint(networks=addons.variables_by_name(model.networks()))
