r"""Renders a data set of hands in the on-disk layout of RHD.

    python scripts/render.py --out_dir=rendered --training=10000 --evaluation=500 --workers=2

Whole people before photographs, with masks, depth, cameras and both hands' 21 joints. The same
seed gives the same bytes with any number of workers. An interrupted run goes on where it
stopped; asking for more frames adds to what is there.
"""

from absl import flags

from dcmls_tf import app
from dcmls_tf.rendering import dataset

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
flags.mark_flag_as_required("out_dir")
FLAGS = flags.FLAGS


def main(_: list[str]) -> None:
    """Flags → one data set."""
    counts = {"training": FLAGS.training, "evaluation": FLAGS.evaluation}
    dataset.check_counts(counts)
    dataset.render_dataset(
        FLAGS.out_dir,
        counts,
        FLAGS.seed,
        workers=FLAGS.workers,
        background_dir=FLAGS.backgrounds,
        annotations_only=FLAGS.annotations_only,
    )


def cli() -> None:
    """The command `dcmls-render`."""
    app.run(main)


if __name__ == "__main__":
    cli()
