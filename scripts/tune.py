"""Searches options for comparing methods on a data set, by its validation split alone.

    python scripts/tune.py --dataset=stb --modality=2d --raw_dir=STB --trials=12 --epochs=15

Each of `direct`, `unified` and `full` gets the same number of trials. An interrupted search goes
on; `scripts/reproduce.py` trains with what it found, in `dcmls_tf/assets/tuned.json`.
"""

from absl import flags

from dcmls_tf import app
from dcmls_tf.experiments import jobs, tables

# Of `tuning.SPACES`.
METHODS = ("direct", "unified", "full")
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a search; the methods' spaces are in `tuning`."""
    flags.DEFINE_enum("dataset", "rendered", ("rendered", "rhd", "stb"), "Data set.")
    flags.DEFINE_enum("modality", "rgb", ("rgb", "2d"), "Source modality x.")
    flags.DEFINE_multi_enum("methods", METHODS, METHODS, "Methods.")
    flags.DEFINE_integer("trials", 12, "Trials a method.", lower_bound=1)
    flags.DEFINE_integer("epochs", 15, "Passes over the training data, a trial.", lower_bound=1)
    flags.DEFINE_integer("parallel", 1, "Methods at once; they share the cores.", lower_bound=1)
    flags.DEFINE_string("raw_dir", None, "Folder with the data set (the flagfile's).")
    flags.DEFINE_string("data_dir", "data", "Folder for prepared data.")
    flags.DEFINE_string("runs_dir", "runs/reproduce", "Folder of the trials.")


def main(_: list[str]) -> None:
    """Flags → options of each method."""
    from dcmls_tf.experiments import tuning

    fields = ("dataset", "modality", "raw_dir", "data_dir", "runs_dir", "parallel")
    options = FLAGS.flag_values_dict()
    setting = jobs.Setting(**{field: options[field] for field in fields}, scale="full")
    results = tuning.search_all(setting, FLAGS.methods, FLAGS.trials, FLAGS.epochs)
    tuning.keep(setting, results)
    for method, result in results.items():
        epe_mm, best = result["validation_epe_mm"], result["options"]
        print(f"{method}: validation EPE {epe_mm:.2f} mm with {best}")
    print(f"written: {tables.TUNED_FILE}")


def cli() -> None:
    """The command `dcmls-tune`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
