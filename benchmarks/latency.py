"""Times of this project's TFLite models beside MediaPipe's hand landmark model, in one run.

    pip download mediapipe==0.10.14 --no-deps
    unzip -j mediapipe-*.whl mediapipe/modules/hand_landmark/hand_landmark_full.tflite
    python benchmarks/latency.py --mediapipe=hand_landmark_full.tflite

LiteRT, batch 1, one thread and two; the models take turns, so that what else the machine does
falls on all of them, and each time is the median over all turns. `--run_dir` (any number of
times) adds trained runs with their EPE on their evaluation split; the others have random
weights, on which the time does not depend, and say so. All of them are whole networks: image in,
joints out. MediaPipe's gives presence and handedness too, and no EPE of the same protocol.
"""

import os
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import flags

from dcmls_tf import app, checkpoints, files, litert, variants
from dcmls_tf import config as config_lib
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import provenance
from dcmls_tf.serving import model_card, tflite
from dcmls_tf.serving.tflite import TFLiteModel

# Encoder, input side in px, width of G^y's and T's layers, precision.
MODELS = (
    ("resnet18", 128, 512, "float32"),
    ("resnet18", 128, 512, "int8"),
    ("resnet18", 64, 512, "int8"),
    ("mobilenet_v3_large", 128, 512, "float32"),
    ("mobilenet_v3_small", 128, 512, "float32"),
    ("mobilenet_v3_small", 128, 128, "float32"),
    ("mobilenet_v3_small", 96, 128, "float32"),
    ("mobilenet_v3_small", 64, 128, "float32"),
    ("mobilenet_v3_small", 96, 128, "int8"),
    ("resnet18_small", 64, 128, "dynamic"),
    ("resnet18_small", 64, 128, "int8"),
)
TURNS, RUNS_A_TURN = 25, 20

Row = dict[str, Any]  # name, px, content, epe, and ms by number of threads
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of the benchmark."""
    flags.DEFINE_string("mediapipe", None, "hand_landmark_full.tflite.", required=True)
    flags.DEFINE_multi_string("run_dir", [], "Trained runs of images, timed with their EPE.")
    flags.DEFINE_multi_enum(
        "precision", ["float32", "int8"], tflite.PRECISIONS, "Of the trained runs' files."
    )
    flags.DEFINE_string("split", "evaluation", "Split for the EPE: evaluation[:10%].")
    flags.DEFINE_string("json", None, "Where to write the table as JSON as well.")


def main(_: list[str]) -> None:
    """Flags → a table."""
    rows = [mediapipe_row(FLAGS.mediapipe)]
    rows += [untrained_row(*model) for model in MODELS]
    for run_dir in FLAGS.run_dir:
        rows += trained_rows(run_dir, FLAGS.precision, FLAGS.split)
    measure(rows)
    print(table(rows))
    if FLAGS.json:
        kept = [{k: v for k, v in row.items() if k != "content"} for row in rows]
        files.write_json(FLAGS.json, {"processor": model_card.processor(), "rows": kept})


def mediapipe_row(path: str) -> Row:
    """MediaPipe's file. Raises `UserError` when it is not there."""
    if not os.path.isfile(path):
        raise UserError(f"--mediapipe={path}: does not exist; the head of this script says how")
    with open(path, "rb") as file:
        content = file.read()
    shape = litert.interpreter(content).get_input_details()[0]["shape"]
    return {"name": "MediaPipe hand_landmark_full", "px": int(shape[1]), "content": content}


def untrained_row(encoder: Any, size: int, width: int, precision: str) -> Row:
    """A model of random weights; int8 calibrated on noise."""
    config = config_lib.Config(
        encoder=encoder, input_size=size, joint_width=width, disc_width=min(width, 256)
    )
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.5, 0.5, (8, 1, size, size, 3))
    calibration = [{"x": x} for x in noise.astype(np.float32)]
    model = variants.from_config(config)
    for weight in model.weights:  # No branch starts at zero, which a converter could drop.
        weight.assign(weight + 0.01 * rng.normal(size=weight.shape))
    content = tflite.convert(model, precision, calibration)
    name = f"{encoder}, {width} wide, {precision}"
    return {"name": name, "px": size, "content": content, "epe": "not trained"}


def trained_rows(run_dir: str, precisions: Sequence[str], split: str) -> Iterator[Row]:
    """A run's files and their EPE."""
    model, config, _ = checkpoints.load_model(run_dir)
    builder = preparation.from_config(config)
    calibration = tflite.calibration_inputs(builder, config)
    scale_mm = TrainingStatistics.load(run_dir).mean_scale_mm
    for precision in precisions:
        content = tflite.convert(model, precision, calibration)
        batches = pipeline.evaluation_batches(builder, config, split, tflite.EVALUATION_BATCH)
        predict = TFLiteModel.from_bytes(content).predict
        errors = model_card.measure(predict, batches, scale_mm)
        source = provenance.source_of(config)
        yield {
            "name": f"{config.encoder}, {config.joint_width} wide, {precision}, trained",
            "px": config.input_size,
            "content": content,
            "epe": f"{errors['epe_mm']:.2f} mm, {errors['samples']} {source} frames",
        }


def measure(rows: Sequence[Row]) -> None:
    """Adds `ms` by number of threads to each row."""
    for threads in model_card.THREADS:
        interpreters = [litert.interpreter(row["content"], threads) for row in rows]
        times_by_row: list[list[float]] = [[] for _ in rows]
        for turn in range(TURNS + 1):
            for interpreter, times in zip(interpreters, times_by_row, strict=True):
                times_ms = litert.times_ms(interpreter, RUNS_A_TURN)
                times += times_ms if turn else []  # The first turn warms up.
        for row, times in zip(rows, times_by_row, strict=True):
            row.setdefault("ms", {})[str(threads)] = statistics.median(times)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, with each time over MediaPipe's."""
    heads = [f"ms, {n} thread{'s' * (n > 1)}" for n in model_card.THREADS]
    lines = [
        f"LiteRT, batch 1, {model_card.processor()}",
        "",
        f"| Model | px | MB | {' | '.join(f'{h} | of MediaPipe' for h in heads)} | EPE |",
        f"|---|---:|---:|{'---:|' * 2 * len(heads)}---|",
    ]
    for row in rows:
        cells = [row["name"], str(row["px"]), f"{len(row['content']) / 1e6:.1f}"]
        for threads, ms in row["ms"].items():
            cells += [f"{ms:.2f}", f"{ms / rows[0]['ms'][threads]:.0%}"]
        lines.append(f"| {' | '.join([*cells, row.get('epe', '')])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    define_flags()
    app.run(main)
