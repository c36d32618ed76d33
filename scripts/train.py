"""Trains DCMLS: `python scripts/train.py --flagfile=configs/stb.cfg`.

Started again with the same options, an interrupted run goes on where it stopped. Watch it
with `tensorboard --logdir=runs`.
"""

import math

import dcmls_tf
from dcmls_tf import app, config


def main(_: list[str]) -> None:
    """Flags → one run."""
    run = dcmls_tf.train(config.from_flags())
    best_mm = run.best_epe_mm()
    best = f"best validation EPE {best_mm:.2f} mm" if math.isfinite(best_mm) else "no validation"
    print(f"trained: {run.config.run_dir}, {best}")


def cli() -> None:
    """The command `dcmls-train`."""
    config.define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
