r"""Renders a data set of hands, in the on-disk layout of RHD or as shards to train on at once.

    python scripts/render.py --out_dir=rendered --training=10000 --evaluation=500 --workers=2

Whole people before photographs, with masks, depth, cameras and both hands' 21 joints. The same
seed gives the same bytes with any number of workers. An interrupted run goes on where it
stopped; asking for more frames adds to what is there.

    python scripts/render.py --format=shards --out_dir=hands --training=120000 --evaluation=4000

writes crops of single hands instead, compressed, and prepared as training wants them: both hands
of a frame where both are well seen, and beside RHD's cameras those of photos and webcams. Those
are rendered on many machines too, with the same bytes, by Apache Beam (see docs/scale.md):

    python scripts/render.py --format=shards --out_dir=/shared/hands --runner=FlinkRunner -- \
        --flink_master=host:8081 --parallelism=64
"""

from absl import flags

from dcmls_tf import app, beam
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import mix

flags.DEFINE_string("out_dir", None, "Folder to write; gets training/ and evaluation/.")
flags.DEFINE_integer("training", 10000, "Frames of the training split.", lower_bound=0)
flags.DEFINE_integer("evaluation", 500, "Frames of the evaluation split.", lower_bound=0)
flags.DEFINE_integer("seed", 1, "Seed; every frame follows from it.", lower_bound=0)
flags.DEFINE_integer("workers", 2, "Processes to render with.", lower_bound=1)
flags.DEFINE_string(
    "backgrounds", None, "Folder of .jpg and .png photographs; default: scikit-image's own."
)
flags.DEFINE_bool(
    "annotations_only", False, "Only the annotations, several times faster: enough for 2D to 3D."
)
flags.DEFINE_enum(
    "format", "rhd", ("rhd", "shards"), "RHD's folders, or prepared shards of single hands."
)
flags.DEFINE_enum(
    "scenes",
    mix.SCENES[0],
    mix.SCENES,
    "For shards: people as photos and RHD's frames show them, or one person's hand before a "
    "camera, as STB's do.",
)
flags.DEFINE_integer(
    "crop_size", 256, "For shards: longest side of a hand's picture, px.", lower_bound=64
)
flags.mark_flag_as_required("out_dir")
beam.define_flag()
FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    """Flags → one data set."""
    from dcmls_tf.rendering import dataset

    beam_options = beam.from_flags(argv)
    if beam_options and FLAGS.format != "shards":
        raise UserError("--runner: renders shards alone; use --format=shards")
    if FLAGS.scenes != mix.SCENES[0] and FLAGS.format != "shards":
        raise UserError(f"--scenes={FLAGS.scenes}: is of shards alone; use --format=shards")
    counts = {"training": FLAGS.training, "evaluation": FLAGS.evaluation}
    dataset.check_counts(counts)
    options = {
        "workers": FLAGS.workers,
        "background_dir": FLAGS.backgrounds,
        "annotations_only": FLAGS.annotations_only,
    }
    if FLAGS.format == "rhd":
        dataset.render_dataset(FLAGS.out_dir, counts, FLAGS.seed, **options)
    else:
        from dcmls_tf.rendering import shards  # brings TensorFlow, which takes seconds

        shards.render_shards(
            FLAGS.out_dir,
            counts,
            FLAGS.seed,
            crop_size=FLAGS.crop_size,
            scenes=FLAGS.scenes,
            beam_options=beam_options,
            **options,
        )


def cli() -> None:
    """The command `dcmls-render`."""
    app.run(main, arguments=True)


if __name__ == "__main__":
    cli()
