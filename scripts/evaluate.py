"""Evaluates a run's best model on any data set of its modality.

    python scripts/evaluate.py --run_dir=runs/rendered
    python scripts/evaluate.py --run_dir=runs/rendered --raw_dir=RHD_published_v2 --report=rhd.json

Prints a table and writes the report (JSON), and beside it the PCK curve (`.pck.csv`,
`.pck.png`) and a page of the best, median and worst predictions (`.overlays.png`). `--dump` keeps
every sample's prediction and error, as a table or as arrays (see `dcmls_tf/evaluation/dump.py`).
"""

import os
import re

from absl import flags

from dcmls_tf import app, config

OPTIONS = ("dataset", "raw_dir", "data_dir", "stb_views", *config.READING)
DATASETS = ("rhd", "stb", "freihand", "interhand", "own")
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of an evaluation; the model's own come from the run."""
    flags.DEFINE_string("run_dir", None, "Folder of a training run.", required=True)
    flags.DEFINE_enum("dataset", None, DATASETS, "Reader of the raw folder (the run's).")
    flags.DEFINE_string("raw_dir", None, "Folder with the dataset (the run's).")
    flags.DEFINE_string("data_dir", None, "Folder for prepared data (the run's).")
    flags.DEFINE_enum("stb_views", None, ("left", "both", "color"), "STB's images (the run's).")
    flags.DEFINE_string(
        "split", "evaluation", "evaluation, training, validation, or a part: evaluation[:10%]."
    )
    flags.register_validator(
        "split",
        re.compile(r"validation|(evaluation|training)(\[-?\d*%?:-?\d*%?\])?").fullmatch,
        "use evaluation, training, validation, or a part such as evaluation[:10%]",
    )
    flags.DEFINE_enum("joints", "visible", ("visible", "all"), "Which joints count.")
    flags.DEFINE_string("report", None, "The report's file (run_dir/report.json).")
    flags.DEFINE_string("dump", None, "A .csv or .npz file for every sample's pose and error.")
    config.define_reading_flags()
    flags.DEFINE_integer("batch_size", 64, "Samples predicted at once.", lower_bound=1)


def main(_: list[str]) -> None:
    """Flags → one report."""
    from dcmls_tf import api
    from dcmls_tf.evaluation import report

    report_path = FLAGS.report or os.path.join(FLAGS.run_dir, "report.json")
    result = api.evaluate(
        FLAGS.run_dir,
        report_path,
        split=FLAGS.split,
        joints=FLAGS.joints,
        batch_size=FLAGS.batch_size,
        dump_path=FLAGS.dump,
        **{name: FLAGS[name].value for name in OPTIONS if FLAGS[name].value is not None},
    )
    print(report.table(result))
    dumped = f", {FLAGS.dump}" if FLAGS.dump else ""
    print(f"written: {report_path}, {report.sibling_path(report_path, '*')}{dumped}")


def cli() -> None:
    """The command `dcmls-evaluate`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
