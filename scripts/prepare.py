"""Prepares a raw dataset ahead of training, which otherwise does so by itself.

    python scripts/prepare.py --dataset=rhd --raw_dir=RHD_published_v2 --data_dir=data
    python scripts/prepare.py --flagfile=configs/stb_2d.cfg

Options are those of training; `--dataset`, `--raw_dir`, `--data_dir`, `--modality` (2d leaves
images out) and `--stb_views` matter here. Large sets are read on many processes or machines by
Apache Beam (see docs/scale.md), and stored in the same order:

    python scripts/prepare.py --dataset=rhd --raw_dir=RHD_published_v2 --runner=DirectRunner
"""

from dcmls_tf import app, beam, config


def main(argv: list[str]) -> None:
    """Flags → one prepared folder."""
    from dcmls_tf.data import preparation

    beam_options = beam.from_flags(argv)
    builder = preparation.from_config(config.from_flags(), beam_options)
    for split, info in builder.info.splits.items():
        print(f"{split}: {info.num_examples} examples")
    print(f"prepared: {builder.data_path}")


def cli() -> None:
    """The command `dcmls-prepare`."""
    config.define_flags()
    beam.define_flag()
    app.run(main, arguments=True)


if __name__ == "__main__":
    cli()
