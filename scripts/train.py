"""Trains DCMLS: `python scripts/train.py --flagfile=configs/stb.cfg`.

Started again with the same options, an interrupted run goes on where it stopped. Watch it
with `tensorboard --logdir=runs`.
"""

import dcmls_tf
from dcmls_tf import app, config


def main(_: list[str]) -> None:
    """Flags → one run."""
    run = dcmls_tf.train(config.from_flags())
    best = f"best validation EPE {run.best_epe_mm():.2f} mm"
    what = best if run.config.validation_percent else "without validation"
    print(f"trained: {run.config.run_dir}, {what}")


def cli() -> None:
    """The command `dcmls-train`."""
    config.define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
