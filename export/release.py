"""Makes the models in the box from runs: `dcmls_tf/assets/models/`, a file and a card each.

    python export/release.py --keypoints=runs/keypoints --rgb=runs/rgb --rgb_small=runs/small \
        --also=RHD_60

Each run that is given is exported in the precision that ships, with all that `predict.py` needs in
its file, and measured on its own data's `--split` and on that of each `--also`, a folder in RHD's
layout or of `render.py --format=shards`. int8 files are calibrated on the run's training data.
"""

import os

from absl import flags

from dcmls_tf import app, config
from dcmls_tf.errors import UserError
from dcmls_tf.serving import shipped

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a release."""
    for name in shipped.NAMES:
        flags.DEFINE_string(name, None, f"The run of {name}.tflite.")
    flags.DEFINE_multi_string("also", [], "Folders of other data to measure on.")
    flags.DEFINE_string("split", "evaluation", "Split to measure on: evaluation[:10%].")
    flags.DEFINE_string("out_dir", shipped.FOLDER, "Folder to write to.")
    flags.DEFINE_string("raw_dir", None, "Folder with the dataset (the run's).")
    flags.DEFINE_string("data_dir", None, "Folder for prepared data (the run's).")
    config.define_reading_flags()


def main(_: list[str]) -> None:
    """Flags → files and cards."""
    from dcmls_tf import api

    given = {name: FLAGS[name].value for name in shipped.NAMES}
    runs: dict[str, str] = {name: run_dir for name, run_dir in given.items() if run_dir}
    if not runs:
        raise UserError(f"give a run: {', '.join(f'--{name}' for name in shipped.NAMES)}")
    wanted = {k: FLAGS[k].value for k in ("raw_dir", "data_dir", *config.READING)}
    options = {name: value for name, value in wanted.items() if value is not None}
    for name, run_dir in runs.items():
        path = api.release(
            name, run_dir, FLAGS.out_dir, also=FLAGS.also, split=FLAGS.split, **options
        )
        print(f"written: {path}, {os.path.getsize(path)} bytes, and its card")


def cli() -> None:
    """The command, for what installs it."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
