r"""3D hand poses from any number of pictures, by Apache Beam (see docs/scale.md).

    python scripts/batch.py --model=models/hands --input=photos --out_dir=poses
    python scripts/batch.py --model=/shared/models/hands --input='/shared/photos/*/*.jpg' \
        --out_dir=/shared/poses --runner=FlinkRunner -- --flink_master=host:8081 --parallelism=64

Hands are found or given as for `scripts/predict.py`, whose numbers these are. Writes
`predictions-*.jsonl`, a line a picture, and `errors-*.jsonl`, a line a picture that could not be
read or predicted (exit status 1 when there is one); nothing is drawn.
"""

import sys

from absl import flags

from dcmls_tf import app, beam
from dcmls_tf.photos import asked

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a batch; the model brings its own."""
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file.", required=True)
    flags.DEFINE_multi_string("input", None, "Picture, folder or glob.", required=True)
    flags.DEFINE_string("out_dir", "poses", "Folder to write to.")
    asked.define_flags()
    beam.define_flag(beam.DIRECT)


def main(argv: list[str]) -> None:
    """Flags → lines in a folder."""
    options = beam.from_flags(argv)
    assert options  # `--runner` has a default
    from dcmls_tf.photos import beam as photos_beam
    from dcmls_tf.photos import sources

    paths = sources.pictures(FLAGS.input)
    hands = asked.HandsAsked.from_flags()
    done = photos_beam.predict(paths, FLAGS.model, hands, FLAGS.out_dir, options, FLAGS.focal)
    print(f"{done.hands} hands in {done.pictures} pictures\nwritten: {FLAGS.out_dir}")
    if done.errors:
        sys.exit(f"error: {done.errors} pictures have no answer, see {FLAGS.out_dir}/errors-*")


def cli() -> None:
    """The command `dcmls-batch`."""
    define_flags()
    app.run(main, arguments=True)


if __name__ == "__main__":
    cli()
