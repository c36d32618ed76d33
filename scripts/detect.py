"""Lets the detector look at rendered hands, for 2D to 3D models that read its keypoints.

    python scripts/render.py --format=shards --out_dir=hands --training=120000 --evaluation=3000
    python scripts/detect.py --raw_dir=hands --out_dir=hands_detected --workers=2
    python scripts/train.py --raw_dir=hands_detected --modality=2d

An interrupted run goes on where it stopped, a shard at a time.
"""

from absl import flags

from dcmls_tf import app

flags.DEFINE_string("raw_dir", None, "Folder of scripts/render.py --format=shards.")
flags.DEFINE_string("out_dir", None, "Folder to write shards of keypoints to.")
flags.DEFINE_integer("workers", 2, "Processes to detect with.", lower_bound=1)
flags.mark_flags_as_required(["raw_dir", "out_dir"])
FLAGS = flags.FLAGS


def main(_: list[str]) -> None:
    """Flags → one data set."""
    from dcmls_tf import detected

    detected.detect_shards(FLAGS.raw_dir, FLAGS.out_dir, FLAGS.workers)


def cli() -> None:
    """The command `dcmls-detect`."""
    app.run(main)


if __name__ == "__main__":
    cli()
