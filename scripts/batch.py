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

from dcmls_tf import app, beam, hand

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a batch; the model brings its own."""
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file.", required=True)
    flags.DEFINE_multi_string("input", None, "Picture, folder or glob.", required=True)
    flags.DEFINE_string("out_dir", "poses", "Folder to write to.")
    flags.DEFINE_multi_string("box", [], "left,top,right,bottom px around a hand's joints.")
    flags.DEFINE_string("keypoints", None, "JSON or CSV file of 21 x, y px a hand.")
    flags.DEFINE_enum("side", None, hand.SIDES, "Which hand it is (the detector's, or right).")
    flags.DEFINE_float("focal", None, "Focal length in px (EXIF's, or a guess).", lower_bound=1)
    flags.DEFINE_integer("max_hands", 4, "Hands found in a picture.", lower_bound=1)
    beam.define_flag(beam.DIRECT)


def main(argv: list[str]) -> None:
    """Flags → lines in a folder."""
    options = beam.from_flags(argv)
    assert options  # `--runner` has a default
    from dcmls_tf.photos import beam as photos_beam
    from dcmls_tf.photos import boxes, sources

    paths = sources.pictures(FLAGS.input)
    asked = photos_beam.HandsAsked(
        tuple(tuple(boxes.parse(text)) for text in FLAGS.box),
        FLAGS.keypoints,
        FLAGS.side and hand.SIDES.index(FLAGS.side),
        FLAGS.max_hands,
    )
    done = photos_beam.predict(paths, FLAGS.model, asked, FLAGS.out_dir, options, FLAGS.focal)
    print(f"{done.hands} hands in {done.pictures} pictures\nwritten: {FLAGS.out_dir}")
    if done.errors:
        sys.exit(f"error: {done.errors} pictures have no answer, see {FLAGS.out_dir}/errors-*")


def cli() -> None:
    """The command `dcmls-batch`."""
    define_flags()
    app.run(main, arguments=True)


if __name__ == "__main__":
    cli()
