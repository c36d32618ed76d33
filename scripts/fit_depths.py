"""Fits the correction of the keypoint model's poses by the detector's depths, on rendered hands.

    python scripts/render.py --format=shards --out_dir=hands --training=25600 --evaluation=1536
    python scripts/fit_depths.py --raw_dir=hands --out_dir=hands_looked_at --workers=2

The keypoint model in the box is what is corrected, so release that first; where it is a new one,
hands are looked at again, in another folder. Writes the file that `scripts/predict.py` heeds, or
`--model_path`, and prints what it is worth on the evaluation split. An interrupted run goes on
where it stopped, a shard at a time.
"""

from absl import flags

from dcmls_tf import app

flags.DEFINE_string("raw_dir", None, "Folder of scripts/render.py --format=shards.")
flags.DEFINE_string("out_dir", None, "Folder for what the detector and the model see of it.")
flags.DEFINE_string("model_path", None, "The correction's file (the one in the box).")
flags.DEFINE_integer("workers", 2, "Processes to look with.", lower_bound=1)
flags.DEFINE_integer("epochs", 30, "Passes over the hands.", lower_bound=1)
flags.mark_flags_as_required(["raw_dir", "out_dir"])
FLAGS = flags.FLAGS


def main(_: list[str]) -> None:
    """Flags → one file and printed errors."""
    from dcmls_tf import depth_fit
    from dcmls_tf.data.examples import EVALUATION, TRAINING
    from dcmls_tf.photos import depths
    from dcmls_tf.serving import calibration

    depth_fit.look(FLAGS.raw_dir, FLAGS.out_dir, FLAGS.workers)
    training, others = (depth_fit.read(FLAGS.out_dir, split) for split in (TRAINING, EVALUATION))
    correction = depth_fit.fit(training, others, FLAGS.epochs)
    path = FLAGS.model_path or depths.FILE
    correction.save(path)
    correction = depths.DepthCorrection.load(path)
    print(f"{len(training.visible)} hands, and {len(others.visible)} of held-out people:")
    for name, poses in (("before", others.hands.joints_mm), ("after", correction(others.hands))):
        bone, best = depth_fit.errors_mm(poses, others)
        print(f"{name}: EPE {bone:.2f} mm with the scale bone given, {best:.2f} at the best scale")
    spread = depth_fit.spread(correction, others)
    within = [calibration.on_others(spread, times) for times in (1, 2)]
    print("within 1 std_mm {:.1%}, within 2 {:.1%}, by the other half's factors".format(*within))
    print(f"written: {path}")


def cli() -> None:
    """The command `dcmls-fit-depths`."""
    app.run(main)


if __name__ == "__main__":
    cli()
