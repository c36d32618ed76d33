"""The disentangled latent code: network outputs → TFP distributions, prior, KL, samples.

A code has two parts (Eq. 2): z = z_h ⊕ z_c, hand pose and context, each a diagonal
Gaussian. Encoders emit one tensor `[B, 2·(z_h + z_c)]`, locations then log-variances, the
latter relative to the standard deviation that a fresh network starts with and bounded
above, as one code sampled from far away can throw the networks behind it off for good.
"""

import dataclasses
import math
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp
from jaxtyping import Float, Int

tfd = tfp.distributions
Distribution = tfp.distributions.Distribution
Seed = Int[tf.Tensor, "2"]  # stateless: the same seed gives the same numbers

MAX_LOG_VAR = 2.0  # a standard deviation of e = 2.7, where the prior's is 1


@dataclasses.dataclass(frozen=True)
class Code:
    """One modality's code: the posteriors q(z_h | ·) and q(z_c | ·) and a sample of each.

    `z_h` `[B, z_h]`, `z_c` `[B, z_c]`; the distributions have batch shape `[B]` and event shapes
    `[z_h]`, `[z_c]`.
    """

    q_h: Distribution
    q_c: Distribution
    z_h: Float[tf.Tensor, "B z_h"]
    z_c: Float[tf.Tensor, "B z_c"]

    def first(self, count: int | Int[tf.Tensor, ""]) -> "Code":
        """The code of the first `count` examples."""
        return Code(self.q_h[:count], self.q_c[:count], self.z_h[:count], self.z_c[:count])


def gaussian(loc: Float[tf.Tensor, "B D"], log_var: Float[tf.Tensor, "B D"]) -> Distribution:
    """Diagonal Gaussian of batch shape `[B]` and event shape `[D]`."""
    return tfd.Independent(tfd.Normal(loc, tf.exp(0.5 * log_var)), 1)


def point(loc: Float[tf.Tensor, "B D"]) -> Distribution:
    """The distribution that is always `loc`; batch shape `[B]`, event shape `[D]`."""
    return tfd.VectorDeterministic(loc)


def posterior(params: Float[tf.Tensor, "B 2*D"], initial_std: float = 1.0) -> Distribution:
    """A Gaussian of event shape `[D]` from locations, then log-variances.

    A log-variance of 0 stands for the standard deviation `initial_std`; the Gaussian's own is
    at most `MAX_LOG_VAR`.
    """
    return gaussian(*_split(params, initial_std))


def posteriors(
    params: Float[tf.Tensor, "B params"], z_h_dim: int, initial_std: float = 1.0
) -> tuple[Distribution, Distribution]:
    """q(z_h | ·) and q(z_c | ·), of event shapes `[z_h]` and `[z_c]`, from `[B, 2·(z_h + z_c)]`.

    Log-variances as in `posterior`.
    """
    loc, log_var = _split(params, initial_std)
    pose = gaussian(loc[:, :z_h_dim], log_var[:, :z_h_dim])
    context = gaussian(loc[:, z_h_dim:], log_var[:, z_h_dim:])
    return pose, context


def _split(params, initial_std):
    loc, log_var = tf.split(params, 2, axis=-1)
    return loc, tf.minimum(log_var + 2 * math.log(initial_std), MAX_LOG_VAR)


def prior(dim: int) -> Distribution:
    """The standard normal N(0, I); batch shape `[]`, event shape `[dim]`."""
    return tfd.Independent(tfd.Normal(tf.zeros([dim]), tf.ones([dim])), 1)


def kl_to_prior(q: Distribution) -> Float[tf.Tensor, "B"]:
    """KL(q ‖ N(0, I)) in nats, per example; 0 for a code of size 0."""
    return tfd.kl_divergence(q, prior(q.event_shape[0]))


def sample(q: Distribution, seed: Seed | None) -> Float[tf.Tensor, "B D"]:
    """A reparametrised sample of the Gaussian `q`, or its mean when `seed` is `None`."""
    if seed is None:
        return q.mean()
    rows, dim = tf.shape(q.mean())[0], q.event_shape[0]
    noise = of_replica(lambda count: prior(dim).sample(count, seed=seed), rows)
    return q.mean() + q.stddev() * noise


def of_replica(
    draw: Callable[[Int[tf.Tensor, ""]], Float[tf.Tensor, "N D"]], rows: Int[tf.Tensor, ""]
) -> Float[tf.Tensor, "rows D"]:
    """This replica's rows of what is drawn for the whole batch, whose devices so do not matter.

    draw: a number of rows → as many rows of random numbers; the same in all replicas.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return draw(rows)
    first = rows * tf.cast(context.replica_id_in_sync_group, tf.int32)
    return draw(context.num_replicas_in_sync * rows)[first : first + rows]


def join(z_h: Float[tf.Tensor, "B z_h"], z_c: Float[tf.Tensor, "B z_c"]) -> Float[tf.Tensor, "B z"]:
    """z_h ⊕ z_c."""
    return tf.concat([z_h, z_c], axis=-1)


def fold(seed: Seed | None, number: int) -> Seed | None:
    """The seed of one of several uses of it, told apart by `number`; `None` of `None`."""
    return None if seed is None else tf.random.experimental.stateless_fold_in(seed, number)
