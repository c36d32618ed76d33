"""Which examples a training step sees, and by what noise they are augmented.

Both depend on `config.seed` and the step alone: epoch e visits the examples in a permutation
drawn from (seed, e), and the noise of the example at a position is drawn with it. So training
can start at any step at no cost.
"""

import dataclasses
import enum
from typing import Any

import tensorflow as tf
from jaxtyping import Float, Int, Shaped

from dcmls_tf.config import Config
from dcmls_tf.data.encoding import NOISE_SIZE, extra_noise_sizes
from dcmls_tf.errors import UserError

_EXTRA = 1000  # beside the roles, with which seeds are folded too


class Role(enum.IntEnum):
    """What examples are drawn for: pairs, or x and y that are not pairs."""

    PAIRS = 0
    UNPAIRED_X = 1
    UNPAIRED_Y = 2


def example_pool(count: int, config: Config, role: Role) -> Int[tf.Tensor, " M"]:
    """Numbers, of `count` examples, that a role draws from; the pairs follow from the seed."""
    if config.labelled_percent == 100:
        return tf.range(count)
    shuffled = tf.random.experimental.stateless_shuffle(tf.range(count), [config.seed, -1])
    paired = max(1, round(count * config.labelled_percent / 100))
    return shuffled[:paired] if role == Role.PAIRS else shuffled[paired:]


@dataclasses.dataclass(frozen=True)
class HostShare:
    """The equal part of each batch that host `index` of `hosts` gets, in pieces of equal size.

    Raises `UserError` where `batch_size` does not divide; `per_replica_batch`, a piece's size,
    is by default all of the host's part.
    """

    batch_size: int
    hosts: int = 1
    index: int = 0
    per_replica_batch: int | None = None

    def __post_init__(self) -> None:
        _divide(_divide(self.batch_size, self.hosts), self.piece_size)

    @property
    def piece_size(self) -> int:
        """Examples in a piece."""
        return self.per_replica_batch or self.batch_size // self.hosts

    def pieces(
        self, values: Shaped[tf.Tensor, "N *D"], steps: int, done: Int[tf.Tensor, ""]
    ) -> Shaped[tf.Tensor, "P piece *D"]:
        """This host's pieces of an epoch's values; those of the first `done` steps left out."""
        per_step = tf.reshape(
            values[: steps * self.batch_size],
            [steps, self.hosts, self.batch_size // self.hosts, *values.shape[1:]],
        )
        return tf.reshape(per_step[done:, self.index], [-1, self.piece_size, *values.shape[1:]])


def _divide(batch: int, parts: int) -> int:
    if batch % parts:
        raise UserError(f"--batch_size: {batch} examples do not divide into {parts} equal parts")
    return batch // parts


@dataclasses.dataclass(frozen=True)
class Order:
    """The order of `count` training examples from step `start_step` on, for one host."""

    config: Config
    count: int
    start_step: int
    share: HostShare

    def draws(self, role: Role, pool: Int[tf.Tensor, " M"]) -> Any:
        """Endless dataset of a role's pieces: numbers `[piece]` from `pool`, noise `[piece, N]`.

        An epoch draws `count` times, more than once from a smaller pool.
        """
        epochs = tf.data.Dataset.counter(self.start_step // self._steps, dtype=tf.int64)
        return epochs.flat_map(lambda epoch: self._epoch(role, pool, epoch))

    @property
    def _steps(self) -> int:
        return self.count // self.config.batch_size

    def _epoch(self, role: Role, pool: Int[tf.Tensor, " M"], epoch: Int[tf.Tensor, ""]) -> Any:
        seed = tf.stack([tf.constant(self.config.seed, tf.int64), epoch])
        if role != Role.PAIRS:
            seed = tf.random.experimental.stateless_fold_in(seed, int(role))
        places = tf.range(self.count) % len(pool)
        numbers = tf.gather(pool, tf.random.experimental.stateless_shuffle(places, seed))
        noise = self._noise(seed)
        steps = self._steps
        done = tf.where(epoch == self.start_step // steps, self.start_step % steps, 0)
        pieces = [self.share.pieces(values, steps, done) for values in (numbers, noise)]
        return tf.data.Dataset.from_tensor_slices(tuple(pieces))

    def _noise(self, seed: Int[tf.Tensor, "2"]) -> Float[tf.Tensor, "count N"]:
        # Each kind has a seed of its own, so that the rest is what it is without.
        kinds = [(NOISE_SIZE, seed)]
        for kind, size in enumerate(extra_noise_sizes(self.config)):
            kinds.append((size, tf.random.experimental.stateless_fold_in(seed, _EXTRA + kind)))
        drawn = [tf.random.stateless_uniform([self.count, size], of, -1, 1) for size, of in kinds]
        return tf.concat(drawn, 1)
