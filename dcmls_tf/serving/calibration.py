"""By how much sampled poses spread too little to be error bars, measured on labelled hands.

A latent space of small noise samples poses that differ by a fraction of a millimetre, whatever
the model is wrong by. `std` times a joint's factor is an error bar: were errors normal, the joint
would be nearer to the truth than that in 68.3% of the hands, and than twice as much in 95.4%. They
have longer tails, so a factor is one by which the two parts are off by as much, the first of them
above and the second below (`coverage`). It is the file that is measured, not its checkpoint:
weights of 8 bits spread samples several times as far.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float

from dcmls_tf import geometry

WITHIN_ONE, WITHIN_TWO = 0.683, 0.954
_PROJECTED_PX = 0.5
_SEED = 0


class Sampler(Protocol):
    """A model's file, as `tflite.TFLiteModel` is one."""

    def predict(self, batch: Mapping[str, Any]) -> Float[np.ndarray, "B 21 3"]:
        """The poses of a batch, in scale bones and the crop's frame."""
        ...

    def sample(self, seed: int, batch: Mapping[str, Any]) -> Float[np.ndarray, "K 21 3"]:
        """Poses that are held possible for a batch of one."""
        ...


class Spread(NamedTuple):
    """Errors and spreads of joints, both in scale bones; `visible` says which joints count."""

    error: Float[np.ndarray, "N 21"]
    std: Float[np.ndarray, "N 21"]
    visible: Float[np.ndarray, "N 21"]


def measure(model: Sampler, batches: Iterable[Mapping[str, Any]]) -> Spread:
    """The `Spread` of a model on batches of `data.pipeline.evaluation_batches`.

    Where a detector gave some of the keypoints, the hands that it found alone count: an error bar
    is asked of those.
    """
    parts: list[Spread] = []
    detected: list[Any] = []
    for batch in batches:
        parts.append(_of_batch(model, batch))
        detected.append(_is_detected(batch))
    spread = Spread(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    rows = np.concatenate(detected)
    return Spread(*(values[rows] for values in spread)) if rows.any() else spread


def _is_detected(batch: Mapping[str, Any]) -> Bool[np.ndarray, " B"]:
    """Whether keypoints are another's than the labels', which are the joints' projections."""
    off = tf.norm(batch["uv"] - geometry.project(batch["xyz_mm"], batch["K"]), axis=-1)
    return tf.reduce_max(off, -1).numpy() > _PROJECTED_PX


def _of_batch(model: Sampler, batch: Mapping[str, Any]) -> Spread:
    inputs = {name: np.asarray(batch[name]) for name in ("x", "side")}
    rows = ({name: v[i : i + 1] for name, v in inputs.items()} for i in range(len(inputs["x"])))
    sampled = np.stack([model.sample(_SEED, row) for row in rows])
    std = np.sqrt(sampled.var(axis=1).sum(-1))
    error = np.linalg.norm(model.predict(batch) - np.asarray(batch["y"]), axis=-1)
    return Spread(error, std, np.asarray(batch["visible"]))


def std_factors(spread: Spread) -> list[float]:
    """A factor a joint; 1 for one that is right by definition, as the root is."""
    factors: Any = np.ones(spread.std.shape[1])
    for joint in np.flatnonzero(spread.error.max(0) > 0):
        seen = spread.visible[:, joint].astype(bool) & (spread.std[:, joint] > 0)
        if seen.any():
            ratio = spread.error[seen, joint] / spread.std[seen, joint]
            # The mean of both parts, as functions of the factor, is that of a normal number.
            both = np.concatenate([ratio, ratio / 2])
            factors[joint] = np.quantile(both, (WITHIN_ONE + WITHIN_TWO) / 2)
    return factors.astype(np.float32).tolist()


def on_others(spread: Spread, times: float = 1.0) -> float:
    """What factors are worth: `coverage` of each half of the hands by those of the other half."""
    first, second = (Spread(*(values[start::2] for values in spread)) for start in (0, 1))
    turns = ((first, second), (second, first))
    return float(np.mean([coverage(seen, std_factors(other), times) for seen, other in turns]))


def coverage(spread: Spread, factors: Iterable[float], times: float = 1.0) -> float:
    """The part of visible joints, without the root, that lie within `times` their error bar."""
    bars = times * np.array(list(factors)) * spread.std
    counted = spread.visible.astype(bool) & (spread.std > 0)
    counted[:, 0] = False
    return float((spread.error < bars)[counted].mean())
