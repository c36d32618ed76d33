"""Prepares a raw dataset ahead of training, which otherwise does so by itself.

    python scripts/prepare.py --dataset=rhd --raw_dir=RHD_published_v2 --data_dir=data
    python scripts/prepare.py --flagfile=configs/stb_2d.cfg

Options are those of training; `--dataset`, `--raw_dir`, `--data_dir`, `--modality` (2d leaves
images out) and `--stb_views` matter here. A sample that cannot be read, or that no hand and no
camera made (see `dcmls_tf/data/plausibility.py`), stops it. To see them all, with the file and the
reason of each, and exit status 1 when there are any; or to leave them out, and have their list
beside the prepared data:

    python scripts/prepare.py --raw_dir=RHD_published_v2 --check
    python scripts/prepare.py --raw_dir=RHD_published_v2 --skip_bad

Of one's own pictures (`--dataset=own`, see docs/formats.md) hands without a 3D pose are cut out for
`--unpaired_dir`:

    python scripts/prepare.py --dataset=own --raw_dir=photos --crops_dir=crops

Large sets are read on many processes or machines by Apache Beam (see docs/scale.md), and stored in
the same order:

    python scripts/prepare.py --dataset=rhd --raw_dir=RHD_published_v2 --runner=DirectRunner
"""

import sys
from typing import TYPE_CHECKING

from absl import flags

from dcmls_tf import app, beam, config

if TYPE_CHECKING:
    from dcmls_tf.data.checking import Findings

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    """Flags → one prepared folder, or the list of what is wrong with a raw one."""
    from dcmls_tf.data import preparation

    asked, beam_options = config.from_flags(), beam.from_flags(argv)
    if FLAGS.check:
        check(preparation.check_config(asked, progress=True))
        return
    if FLAGS.crops_dir:
        count = preparation.cut_out(asked, FLAGS.crops_dir)
        print(f"{count} hands without pose; train with --unpaired_dir={FLAGS.crops_dir}")
        return
    builder = preparation.from_config(asked, beam_options, FLAGS.skip_bad)
    for split, info in builder.info.splits.items():
        print(f"{split}: {info.num_examples} examples")
    print(f"prepared: {builder.data_path}")


def check(findings: "Findings") -> None:
    """Prints what a check has found; exits with status 1 when something is bad."""
    for line in findings.lines():
        print(line)
    print(findings.counted)
    if findings.bad:
        sys.exit(1)


def define_flags() -> None:
    """The options that training has not."""
    flags.DEFINE_bool("check", False, "List all bad samples; prepare nothing.")
    flags.DEFINE_string("crops_dir", None, "For own: cut hands without pose out; prepare nothing.")
    flags.DEFINE_bool("skip_bad", False, "Leave bad samples out, and list them beside the data.")


def cli() -> None:
    """The command `dcmls-prepare`."""
    config.define_flags()
    beam.define_flag()
    define_flags()
    app.run(main, arguments=True)


if __name__ == "__main__":
    cli()
