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

import numpy as np
from absl import flags

from dcmls_tf import app, files, runs, variants
from dcmls_tf import config as config_lib
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import report as evaluation
from dcmls_tf.serving import model_card
from dcmls_tf.serving import tflite as lite

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
)
TURNS, RUNS_A_TURN = 25, 20
FLAGS = flags.FLAGS


def define_flags():
    """The options of the benchmark."""
    flags.DEFINE_string("mediapipe", None, "hand_landmark_full.tflite.", required=True)
    flags.DEFINE_multi_string("run_dir", [], "Trained runs of images, timed with their EPE.")
    flags.DEFINE_multi_enum(
        "precision", ["float32", "int8"], lite.PRECISIONS, "Of the trained runs' files."
    )
    flags.DEFINE_string("split", "evaluation", "Split for the EPE: evaluation[:10%].")
    flags.DEFINE_string("json", None, "Where to write the table as JSON as well.")


def main(_):
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


def mediapipe_row(path):
    """MediaPipe's file. Raises `UserError` when it is not there."""
    if not os.path.isfile(path):
        raise UserError(f"--mediapipe={path}: does not exist; the head of this script says how")
    with open(path, "rb") as file:
        content = file.read()
    shape = lite.interpreter(content, 1).get_input_details()[0]["shape"]
    return {"name": "MediaPipe hand_landmark_full", "px": int(shape[1]), "content": content}


def untrained_row(encoder, size, width, precision):
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
    content = lite.convert(model, config, precision, calibration)
    name = f"{encoder}, {width} wide, {precision}"
    return {"name": name, "px": size, "content": content, "epe": "not trained"}


def trained_rows(run_dir, precisions, split):
    """A run's files and their EPE."""
    model, config, _ = runs.load_model(run_dir)
    builder = preparation.from_config(config)
    calibration = lite.calibration_inputs(builder, config)
    scale_mm = evaluation.TrainingStatistics.load(run_dir).mean_scale_mm
    for precision in precisions:
        content = lite.convert(model, config, precision, calibration)
        batches = pipeline.evaluation_batches(builder, config, split, lite.EVALUATION_BATCH)
        found = model_card.measure(lite.LiteModel.of(content).predict, batches, scale_mm)
        source = evaluation.source_of(config)
        yield {
            "name": f"{config.encoder}, {config.joint_width} wide, {precision}, trained",
            "px": config.input_size,
            "content": content,
            "epe": f"{found['epe_mm']:.2f} mm, {found['samples']} {source} frames",
        }


def measure(rows):
    """Adds `ms` by number of threads to each row."""
    for threads in model_card.THREADS:
        ready = [lite.interpreter(row["content"], threads) for row in rows]
        times = [[] for _ in rows]
        for turn in range(TURNS + 1):
            for interpreter, of_row in zip(ready, times, strict=True):
                found = lite.times_ms(interpreter, RUNS_A_TURN)
                of_row += found if turn else []  # The first turn warms up.
        for row, of_row in zip(rows, times, strict=True):
            row.setdefault("ms", {})[str(threads)] = statistics.median(of_row)


def table(rows):
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
