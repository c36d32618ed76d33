"""Exports a run: a SavedModel for TensorFlow Serving, TFLite files for LiteRT, a model card.

    python export/export.py --run_dir=runs/rendered --out_dir=models/hands

Writes `<out_dir>/<version>/` (what TensorFlow Serving loads) and `<out_dir>/lite/<version>/`
(float32, float16, dynamic and int8 files, and `MODEL_CARD.md`). The TFLite files are calibrated
and evaluated on the run's data, which has to be there; `--formats=saved_model` needs none.
"""

from typing import Any

from absl import flags

from dcmls_tf import app, config

# Of `api.FORMATS`.
FORMATS = ("saved_model", "tflite")
# Where nothing is given, the run or `api.export` says what.
OPTIONAL = ("hypotheses", "raw_dir", "data_dir", *config.READING)
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of an export; the model's own come from the run."""
    flags.DEFINE_string("run_dir", None, "Folder of a training run.", required=True)
    flags.DEFINE_string("out_dir", None, "Folder of the model's versions.", required=True)
    flags.DEFINE_integer("version", None, "Version (one more than the highest).", lower_bound=1)
    flags.DEFINE_multi_enum("formats", FORMATS, FORMATS, "What to write.")
    flags.DEFINE_bool("warm_up", True, "Requests for TensorFlow Serving to warm up with.")
    flags.DEFINE_integer(
        "hypotheses", None, "Poses that the signature samples (16).", lower_bound=2
    )
    flags.DEFINE_string("split", "evaluation", "Split for the model card: evaluation[:10%].")
    flags.DEFINE_string("raw_dir", None, "Folder with the dataset (the run's).")
    flags.DEFINE_string("data_dir", None, "Folder for prepared data (the run's).")
    config.define_reading_flags()


def main(_: list[str]) -> None:
    """Flags → one version."""
    from dcmls_tf import api

    given = {name: FLAGS[name].value for name in OPTIONAL}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    folders = api.export(
        FLAGS.run_dir,
        FLAGS.out_dir,
        version=FLAGS.version,
        formats=FLAGS.formats,
        warm_up=FLAGS.warm_up,
        split=FLAGS.split,
        **options,
    )
    for folder in folders:
        print(f"written: {folder}")


def cli() -> None:
    """The command `dcmls-export`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
