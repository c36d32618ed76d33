"""Answers of scripts/predict.py in the formats of other tools.

    python scripts/convert.py --predictions=predictions/predictions.json --format=coco
    python scripts/convert.py --predictions=predictions/predictions.json --format=gltf

`coco` for pycocotools and annotation tools, `gltf` and `bvh` for Blender and Unity, `freihand` for
FreiHAND's scoring, `angles` for a table of flexion and abduction (docs/formats.md).
"""

import os

from absl import flags

from dcmls_tf import app

FORMATS = ("coco", "freihand", "gltf", "bvh", "angles")
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a conversion."""
    flags.DEFINE_string("predictions", None, "predictions.json of predict.py.", required=True)
    flags.DEFINE_enum("format", None, FORMATS, "What to write.", required=True)
    flags.DEFINE_string("out_dir", None, "Folder to write to (that of --predictions).")
    flags.DEFINE_enum(
        "palm", "rhd", ("rhd", "stb"), "Where joint 0 is the palm's centre: the data set's rule."
    )


def main(_: list[str]) -> None:
    """Flags → files."""
    from dcmls_tf.formats import conversion

    out_dir = FLAGS.out_dir or os.path.dirname(os.path.abspath(FLAGS.predictions))
    written = conversion.convert(FLAGS.predictions, FLAGS.format, out_dir, FLAGS.palm)
    print("\n".join(f"written: {path}" for path in written))


def cli() -> None:
    """The command `dcmls-convert`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
