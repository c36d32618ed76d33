"""Trains, evaluates and draws one of the paper's tables or figures.

    python scripts/reproduce.py --experiment=fig2 --dataset=stb --modality=2d --raw_dir=STB
    python scripts/reproduce.py --experiment=fig6 --dataset=rendered --scale=quick

What was trained before, by this or another experiment, is read; an interrupted one goes on.
Writes `{experiment}-{dataset}-{modality}-{scale}` as .md, .csv and .png into --out_dir; for the
walks of Figure 6 a .gif too, for Figure 7 the pictures alone.
"""

import os

from absl import flags

from dcmls_tf import app
from dcmls_tf.experiments import jobs, tables

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a reproduction; each method's own are in `tables`."""
    names = tuple(tables.EXPERIMENTS)
    flags.DEFINE_enum("experiment", None, names, "What to reproduce.", required=True)
    flags.DEFINE_enum("dataset", "rendered", ("rendered", "rhd", "stb"), "Data set.")
    flags.DEFINE_enum("modality", "rgb", ("rgb", "2d"), "Source modality x.")
    flags.DEFINE_enum("scale", "full", ("quick", "full"), "Quick: to see that all of it runs.")
    flags.DEFINE_integer("seeds", 0, "Runs a row; 0: one for quick, three for full.", lower_bound=0)
    flags.DEFINE_integer("parallel", 1, "Runs at once; they share the cores.", lower_bound=1)
    flags.DEFINE_string("raw_dir", None, "Folder with the data set (the flagfile's).")
    flags.DEFINE_string("transfer_dir", None, "RHD's layout; evaluates each run there as well.")
    flags.DEFINE_string("data_dir", "data", "Folder for prepared data.")
    flags.DEFINE_string("runs_dir", "runs/reproduce", "Folder of the runs.")
    flags.DEFINE_string("out_dir", "reproduced", "Folder for tables and figures.")


def main(_: list[str]) -> None:
    """Flags → one experiment."""
    from dcmls_tf.experiments import comparison, showcase

    fields = ("dataset", "modality", "scale", "raw_dir", "data_dir", "runs_dir")
    fields += ("transfer_dir", "seeds", "parallel")
    options = FLAGS.flag_values_dict()
    setting = jobs.Setting(**{field: options[field] for field in fields})
    experiment = tables.EXPERIMENTS[FLAGS.experiment]
    row_dirs = jobs.run_rows(setting, experiment.rows)
    stem = os.path.join(FLAGS.out_dir, f"{FLAGS.experiment}-{setting.name}")
    os.makedirs(FLAGS.out_dir, exist_ok=True)
    pictures = {"fig6": showcase.write_walks, "fig7": showcase.write_predictions}
    if FLAGS.experiment in pictures:
        written = pictures[FLAGS.experiment](row_dirs[tables.FULL][0], setting.data_dir, stem)
    else:
        written = comparison.write(experiment.title, setting, row_dirs, stem)
    print(f"written: {', '.join(written)}")


def cli() -> None:
    """The command `dcmls-reproduce`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
