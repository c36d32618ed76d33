"""Where a training step's time goes, by TensorFlow's profiler: what operations take it.

    python benchmarks/operations.py --size=128 --size=64

Random batches, as in `benchmarks/training.py`. Operations run side by side, so a kind's time is
its share, of the time from begin to end of all operations, of the step. Beside it, what
convolutions and matrix products reach in GFLOP/s in theirs, and the machine's fastest matrix
product, measured in the same process.
"""

import collections
import glob
import tempfile
from collections.abc import Iterator

import step_worker
import tensorflow as tf
from absl import flags
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from dcmls_tf import app, distribution, training
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config

FLAGS = flags.FLAGS
WARM_UP = 5
SHOWN = 12
Seconds = dict[str, float]  # by an operation's type
# By the beginning of an operation's type, oneDNN's prefix left out.
ARITHMETIC = ("Conv2D", "NativeConv2D", "NativeFusedConv2D", "MatMul", "NativeFusedMatMul")


def define_flags() -> None:
    """The options of the benchmark, beside those of a training."""
    config_lib.define_flags()
    flags.DEFINE_multi_integer("size", [64, 128], "Sides of the input in px; twice x's target's.")
    flags.DEFINE_integer("steps", 10, "Steps that are traced.", lower_bound=1)


def main(_: list[str]) -> None:
    """Flags → a table a size."""
    config = config_lib.from_flags()
    for size in FLAGS.size:
        print(profiled(config.replace(input_size=size, reconstruction_size=size // 2)))


def profiled(config: Config) -> str:
    """A size's table."""
    batch = step_worker.random_batch(config)
    trainer = training.Trainer(config, distribution.strategy(), total_steps=1000)

    def step() -> None:
        trainer.train_step(batch)["pose"].numpy()

    for _ in range(WARM_UP):
        step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            taken = sum(step_worker.seconds_of(step) for _ in range(FLAGS.steps))
        seconds: Seconds = collections.defaultdict(float)
        for kind, duration in operations(folder):
            seconds[kind] += duration
    flops = step_worker.work(trainer, batch)["flops"]
    return table(config, 1e3 * taken / FLAGS.steps, seconds, flops)


def operations(folder: str) -> Iterator[tuple[str, float]]:
    """Type and seconds of each operation in a trace."""
    (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
    space = xplane_pb2.XSpace()  # pyright: ignore[reportAttributeAccessIssue]
    with open(path, "rb") as file:
        space.ParseFromString(file.read())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                # Operations are called `name:Type`, the runtime's functions `Class::Function`.
                name = plane.event_metadata[event.metadata_id].name
                _, separator, kind = name.rpartition(":")
                if separator and "::" not in name and kind.isidentifier():
                    yield kind.removeprefix("_Mkl").lstrip("_"), 1e-12 * event.duration_ps


def table(config: Config, step_ms: float, seconds: Seconds, flops: int) -> str:
    """Markdown."""
    total, ranked = sum(seconds.values()), sorted(seconds, key=seconds.__getitem__, reverse=True)
    shares = {kind: seconds[kind] / total for kind in ranked}
    arithmetic = sum(share for kind, share in shares.items() if kind.startswith(ARITHMETIC))
    reached = 1e-6 * flops / (arithmetic * step_ms)
    peak = step_worker.peaks()[config.precision.removeprefix("mixed_")]
    lines = [
        f"{config.input_size} px, {config.precision}, batches of {config.batch_size}: "
        f"{step_ms:.0f} ms a step, of which convolutions and matrix products take "
        f"{arithmetic:.0%}, at {reached:.0f} GFLOP/s; the fastest matrix product has {peak:.0f}\n",
        "| Operation | ms a step | Share |",
        "|---|---|---|",
    ]
    shown = dict(list(shares.items())[:SHOWN])
    for kind, share in {**shown, "all others": 1 - sum(shown.values())}.items():
        lines.append(f"| {kind} | {share * step_ms:.1f} | {share:.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    define_flags()
    app.run(main)
