"""Exports a run: a SavedModel for TensorFlow Serving, TFLite files for LiteRT, a model card.

    python export/export.py --run_dir=runs/rendered --out_dir=models/hands

Writes `<out_dir>/<version>/` (what TensorFlow Serving loads) and `<out_dir>/lite/<version>/`
(float32, float16, dynamic and int8 files, and `MODEL_CARD.md`). The TFLite files are calibrated
and evaluated on the run's data, which has to be there; `--formats=saved_model` needs none.
"""

import os

from absl import flags

from dcmls_tf import app, checkpoints
from dcmls_tf.data import preparation
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.serving import metadata, saved_model, tflite
from dcmls_tf.serving.signatures import DEFAULT_HYPOTHESES, ServedModel

DATA_FLAGS = ("raw_dir", "data_dir")
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of an export; the model's own come from the run."""
    flags.DEFINE_string("run_dir", None, "Folder of a training run.", required=True)
    flags.DEFINE_string("out_dir", None, "Folder of the model's versions.", required=True)
    flags.DEFINE_integer("version", None, "Version (one more than the highest).", lower_bound=1)
    flags.DEFINE_multi_enum(
        "formats", ["saved_model", "tflite"], ("saved_model", "tflite"), "What to write."
    )
    flags.DEFINE_bool("warm_up", True, "Requests for TensorFlow Serving to warm up with.")
    flags.DEFINE_integer(
        "hypotheses", DEFAULT_HYPOTHESES, "Poses that `hypotheses` samples.", lower_bound=2
    )
    flags.DEFINE_string("split", "evaluation", "Split for the model card: evaluation[:10%].")
    flags.DEFINE_string("raw_dir", None, "Folder with the dataset (the run's).")
    flags.DEFINE_string("data_dir", None, "Folder for prepared data (the run's).")


def main(_: list[str]) -> None:
    """Flags → one version."""
    model, config, step = checkpoints.load_model(FLAGS.run_dir)
    statistics = TrainingStatistics.load(FLAGS.run_dir)
    config = config.replace(**{n: FLAGS[n].value for n in DATA_FLAGS if FLAGS[n].value})
    description = metadata.describe(config, statistics, FLAGS.run_dir, step)
    version = saved_model.new_version(FLAGS.out_dir, FLAGS.version)
    if "tflite" in FLAGS.formats:
        builder = preparation.from_config(config)
        folder = os.path.join(FLAGS.out_dir, saved_model.LITE_FOLDER, str(version))
        tflite.export(model, config, description, folder, builder, FLAGS.split)
        print(f"written: {folder}")
    if "saved_model" in FLAGS.formats:
        served = ServedModel(model, statistics.mean_scale_mm, FLAGS.hypotheses)
        folder = saved_model.save(served, description, FLAGS.out_dir, version, FLAGS.warm_up)
        print(f"written: {folder}")


def cli() -> None:
    """The command `dcmls-export`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
