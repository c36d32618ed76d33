"""Measures how disentangled a run's codes are, by small probes.

    python scripts/probe.py --run_dir=runs/rendered
    tensorboard --logdir=runs/rendered/projector

Prints and writes `probes.json` into the run's folder: how well pose, and on rendered frames
identity and background, are recovered from z_h and from z_c, how far D_h, or a fresh probe, tells
the modalities apart, and how exact the pose is that the model reads from its own reconstructions.
`projector/` shows z_h in TensorBoard's projector.
"""

import os

from absl import flags

from dcmls_tf import app, files
from dcmls_tf.errors import UserError

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Folder of a training run.", required=True)
flags.DEFINE_string("raw_dir", None, "Folder with the data set (the run's).")
flags.DEFINE_string("data_dir", None, "Folder for prepared data (the run's).")
flags.DEFINE_string("backgrounds", None, "The photographs that the frames were rendered with.")
flags.DEFINE_string("split", "training", "training or evaluation.")
flags.DEFINE_integer("samples", 2000, "The split's first samples.", lower_bound=20)


def main(_: list[str]) -> None:
    """Flags → one table."""
    from dcmls_tf import checkpoints
    from dcmls_tf.data import pipeline, preparation
    from dcmls_tf.experiments import probes, projector, reencoding

    model, config, _step = checkpoints.load_model(FLAGS.run_dir)
    if config.latent in ("unified", "none"):
        raise UserError(
            f"--run_dir={FLAGS.run_dir}: has --latent={config.latent}, whose code has no parts"
        )
    places = {name: FLAGS[name].value for name in ("raw_dir", "data_dir")}
    config = config.replace(**{name: place for name, place in places.items() if place})
    builder = preparation.from_config(config)
    count = min(FLAGS.samples, pipeline.num_examples(builder, FLAGS.split))
    split = f"{FLAGS.split}[:{count}]"
    batches = pipeline.evaluation_batches(builder, config, split, 64)
    codes = probes.collect(model, batches)
    labels = probes.rendered_labels(codes, config, FLAGS.split, FLAGS.backgrounds)
    measurements = probes.measure(model, codes, labels)
    reencoded = reencoding.measure(model, batches)
    fields = {"run_dir": FLAGS.run_dir, "split": split, **measurements, **reencoded}
    files.write_json(os.path.join(FLAGS.run_dir, "probes.json"), fields)
    folder = projector.write(os.path.join(FLAGS.run_dir, "projector"), codes, labels)
    print(probes.table(measurements))
    print(reencoding.line(reencoded))
    print(f"written: {FLAGS.run_dir}/probes.json; tensorboard --logdir={folder}")


def cli() -> None:
    """The command `dcmls-probe`."""
    app.run(main)


if __name__ == "__main__":
    cli()
