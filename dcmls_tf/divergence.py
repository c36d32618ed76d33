"""Losses that stop being finite: found at their step, with the samples that it saw."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Shaped

from dcmls_tf.errors import Diverged

# No crop's pixels or px over its side, and no pose in scale bones, come near it.
LARGEST = 1e3
MOST_NAMED = 8


class Step(NamedTuple):
    """A step that was taken.

    sums: of the terms since the epoch's start, in the terms' order: one number that is not
        finite stays in them.
    batch: the distributed batch.
    """

    number: int
    terms: Mapping[str, Float[tf.Tensor, ""]]
    sums: Float[tf.Tensor, " terms"]
    batch: Any


class Watch:
    """Looks at each step's losses while the next one is under way, so that no device waits."""

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self._last: Step | None = None
        self._seen = True

    def took(self, step: Step) -> None:
        """Looks at the step before, and keeps this one. Raises `Diverged`."""
        self.settle()
        self._last, self._seen = step, False

    def settle(self) -> None:
        """Looks at the newest step. Raises `Diverged`, which names term, step and samples."""
        if self._seen or self._last is None:
            return
        self._seen = True
        if np.isfinite(self._last.sums.numpy()).all():
            return
        names = zip(self._last.terms.items(), self._last.sums.numpy(), strict=True)
        for (name, value), total in names:
            if not (np.isfinite(value) and np.isfinite(total)):
                wrong = float(total if np.isfinite(value) else value)
                raise Diverged(
                    f"{name} is {wrong} at step {self._last.number} ({self.samples()}); lower "
                    f"--learning_rate or --weight_{name}, and start again in another --run_dir"
                )

    def samples(self) -> str:
        """The newest step's samples by their id: those out of all bounds, or else all."""
        if self._last is None:
            return "no samples"
        bad, all_ids = [], []
        for batch in _of_replicas(self._strategy, self._last.batch):
            ids = [sample_id.decode(errors="replace") for sample_id in batch["id"]]
            all_ids += ids
            bad += [i for i, row in zip(ids, _out_of_bounds(batch), strict=True) if row]
        what = "values far out in sample" if bad else "sample"
        named = bad or all_ids
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        plural = "s" if len(named) > 1 else ""
        return f"{what}{plural} {', '.join(named[:MOST_NAMED])}{more}"


def _of_replicas(
    strategy: tf.distribute.Strategy, batch: Any
) -> list[dict[str, Shaped[np.ndarray, "B ..."]]]:
    """This host's pieces of a batch: x, y and id as arrays."""
    parts = {key: strategy.experimental_local_results(batch[key]) for key in ("x", "y", "id")}
    pieces = zip(*parts.values(), strict=True)
    return [{k: v.numpy() for k, v in zip(parts, piece, strict=True)} for piece in pieces]


def _out_of_bounds(batch: Mapping[str, Shaped[np.ndarray, "B ..."]]) -> list[bool]:
    flat = [np.reshape(batch[key], (len(batch[key]), -1)) for key in ("x", "y")]
    within = np.abs(np.concatenate(flat, axis=1)) < LARGEST  # so not a number is not
    return [not row.all() for row in within]
