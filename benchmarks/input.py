"""How fast the input pipeline is alone, beside the training step, and how long the step waits.

    python scripts/render.py --out_dir=rendered --training=700 --evaluation=20
    python benchmarks/input.py --raw_dir=rendered --json=input.json

All options of a training are taken. The pipeline alone is timed twice: in the first pass over the
data, which decodes every image, and later, from the windows that it keeps. Then training steps take
its batches as a run does, and what `next` takes of the time is the wait for input.
"""

import statistics
import time
from typing import Any

import tensorflow as tf
from absl import flags

from dcmls_tf import app, distribution, files, training
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.errors import UserError

FLAGS = flags.FLAGS
WARM_UP = 3
Row = dict[str, Any]


def define_flags() -> None:
    """The options of the benchmark, beside those of a training."""
    config_lib.define_flags()
    flags.DEFINE_multi_integer("size", [64, 128], "Sides of the input in px; twice x's target's.")
    flags.DEFINE_integer("steps", 20, "Timed steps, and twice as many batches.", lower_bound=1)
    flags.DEFINE_string("json", "", "Where to write the table as JSON as well.")


def main(_: list[str]) -> None:
    """Flags → a table."""
    config = config_lib.from_flags()
    if config.modality != "rgb":
        raise UserError("--modality=2d: only images take time to read; use rgb")
    builder = preparation.from_config(config)
    rows = [
        measured(builder, config.replace(input_size=size, reconstruction_size=size // 2))
        for size in FLAGS.size
    ]
    print("| px | Precision | First pass, ms a batch | Later | Step, ms | Step over it | Waits |")
    print("|---" * 7 + "|")
    for row in rows:
        told = (
            row["px"], row["precision"], f"{row['first_ms']:.0f}", f"{row['later_ms']:.0f}",
            f"{row['step_ms']:.0f}", f"{row['step_ms'] / row['first_ms']:.1f}, "
            f"{row['step_ms'] / row['later_ms']:.1f}", f"{row['wait_percent']:.2f}%",
        )  # fmt: skip
        print("| " + " | ".join(map(str, told)) + " |")
    if FLAGS.json:
        files.write_json(FLAGS.json, {"rows": rows})


def measured(builder: Any, config: Config) -> Row:
    """A size's row: the pipeline alone, the step alone on one batch, both together."""
    epoch = pipeline.steps_per_epoch(builder, config)
    strategy = distribution.strategy()

    def of_host(count: int, index: int, per_replica: int) -> tf.data.Dataset:
        return pipeline.training_batches(
            builder, config, shard_count=count, shard_index=index, per_replica_batch=per_replica
        )

    batches = iter(distribution.distribute(strategy, of_host, config.batch_size))
    trainer = training.Trainer(config, strategy, total_steps=1000)
    next(batches)  # starts it
    first = mean_seconds(lambda: next(batches), epoch - 1)
    later = mean_seconds(lambda: next(batches), max(epoch, 2 * FLAGS.steps))
    batch = next(batches)
    steps = [seconds_of(lambda: step(trainer, batch)) for _ in range(WARM_UP + FLAGS.steps)]
    waits, start = 0.0, time.perf_counter()
    for _step in range(FLAGS.steps):
        before = time.perf_counter()
        batch = next(batches)
        waits += time.perf_counter() - before
        step(trainer, batch)
    together = time.perf_counter() - start
    return {
        "px": config.input_size,
        "precision": config.precision,
        "batch": config.batch_size,
        "first_ms": 1e3 * first,
        "later_ms": 1e3 * later,
        "step_ms": 1e3 * statistics.median(steps[WARM_UP:]),
        "wait_percent": 100 * waits / together,
        "together_ms": 1e3 * together / FLAGS.steps,
    }


def step(trainer: training.Trainer, batch: Any) -> float:
    """One step, to its end."""
    return float(trainer.train_step(batch)["pose"])


def seconds_of(call: Any) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def mean_seconds(call: Any, count: int) -> float:
    """How long a call takes in the mean; what lies ready at the start evens out over many."""
    return seconds_of(lambda: [call() for _ in range(count)]) / count


if __name__ == "__main__":
    define_flags()
    app.run(main)
