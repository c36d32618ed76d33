"""Prepares a raw dataset ahead of training, which otherwise does so by itself.

    python scripts/prepare.py --dataset=rhd --raw_dir=RHD_published_v2 --data_dir=data
    python scripts/prepare.py --flagfile=configs/stb_2d.cfg

Options are those of training; `--dataset`, `--raw_dir`, `--data_dir`, `--modality` (2d leaves
images out) and `--stb_views` matter here.
"""

from dcmls_tf import app, config
from dcmls_tf.data import preparation


def main(_: list[str]) -> None:
    """Flags → one prepared folder."""
    builder = preparation.from_config(config.from_flags())
    for split, info in builder.info.splits.items():
        print(f"{split}: {info.num_examples} examples")
    print(f"prepared: {builder.data_path}")


def cli() -> None:
    """The command `dcmls-prepare`."""
    config.define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
