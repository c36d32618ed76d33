"""How long a training step takes, in float32 and in bfloat16, on random batches.

    python benchmarks/training.py --flagfile=configs/rendered.cfg

Steps of both precisions take turns; prints medians and their ratio. Reading data is not in it.
"""

import time

import numpy as np
import tensorflow as tf
from absl import flags

from dcmls_tf import app, distribution, hand, training
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.model import POSE_AXES

FLAGS = flags.FLAGS
flags.DEFINE_integer("steps", 30, "Timed steps of each precision.", lower_bound=1)
WARM_UP = 3


def random_batch(config: Config) -> dict[str, tf.Tensor]:
    """A batch of images as the pipeline would give, of random numbers."""
    rng = np.random.default_rng(0)
    shapes = {
        "x": [config.input_size, config.input_size, 3],
        "x_target": [config.reconstruction_size, config.reconstruction_size, 3],
        "y": [hand.NUM_JOINTS, POSE_AXES],
    }
    batch = {k: rng.uniform(-0.5, 0.5, [config.batch_size, *s]) for k, s in shapes.items()}
    batch = {k: tf.constant(v, tf.float32) for k, v in batch.items()}
    return {**batch, "side": tf.zeros([config.batch_size], tf.int64)}


def main(_: list[str]) -> None:
    """Flags → one line a precision."""
    config = config_lib.from_flags()
    if config.modality != "rgb":
        raise UserError("--modality=2d: only image networks have a precision; use rgb")
    batch = random_batch(config)
    trainers = {
        precision: training.Trainer(
            config.replace(precision=precision), distribution.strategy(), total_steps=1000
        )
        for precision in ("float32", "mixed_bfloat16")
    }
    seconds = {precision: [] for precision in trainers}
    for _step in range(WARM_UP + FLAGS.steps):
        for precision, trainer in trainers.items():
            start = time.perf_counter()
            trainer.train_step(batch)["pose"].numpy()
            seconds[precision].append(time.perf_counter() - start)
    medians = {p: float(np.median(s[WARM_UP:])) for p, s in seconds.items()}
    for precision, median in medians.items():
        per_image = 1e3 * median / config.batch_size
        print(f"{precision:<16}{per_image:6.2f} ms an image, {median / medians['float32']:.2f}")


if __name__ == "__main__":
    config_lib.define_flags()
    app.run(main)
