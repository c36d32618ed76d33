"""The disentangled latent code: network outputs → TFP distributions, prior, KL, samples.

A code has two parts (Eq. 2): z = z_h ⊕ z_c, hand pose and context, each a diagonal
Gaussian. Encoders emit one tensor `[B, 2·(z_h + z_c)]`, locations then log-variances, the
latter relative to the standard deviation that a fresh network starts with and bounded
above, as one code sampled from far away can throw the networks behind it off for good.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

MAX_LOG_VAR = 2.0  # a standard deviation of e = 2.7, where the prior's is 1


def gaussian(loc, log_var):
    """Diagonal Gaussian; `loc`, `log_var` `[B, D]`; batch shape `[B]`, event shape `[D]`."""
    return tfd.Independent(tfd.Normal(loc, tf.exp(0.5 * log_var)), 1)


def posterior(params, initial_std=1.0):
    """`[B, 2D]`, location then log-variance → a Gaussian of event shape `[D]`.

    A log-variance of 0 stands for the standard deviation `initial_std`; the Gaussian's own is
    at most `MAX_LOG_VAR`.
    """
    return gaussian(*_split(params, initial_std))


def posteriors(params, z_h_dim, initial_std=1.0):
    """`[B, 2·(z_h + z_c)]` → q(z_h | ·) and q(z_c | ·), of event shapes `[z_h]` and `[z_c]`.

    Log-variances as in `posterior`.
    """
    loc, log_var = _split(params, initial_std)
    pose = gaussian(loc[:, :z_h_dim], log_var[:, :z_h_dim])
    context = gaussian(loc[:, z_h_dim:], log_var[:, z_h_dim:])
    return pose, context


def _split(params, initial_std):
    loc, log_var = tf.split(params, 2, axis=-1)
    return loc, tf.minimum(log_var + 2 * math.log(initial_std), MAX_LOG_VAR)


def prior(dim):
    """The standard normal N(0, I); batch shape `[]`, event shape `[dim]`."""
    return tfd.Independent(tfd.Normal(tf.zeros([dim]), tf.ones([dim])), 1)


def kl_to_prior(q):
    """KL(q ‖ N(0, I)) in nats, `[B]`; 0 for a code of size 0."""
    return tfd.kl_divergence(q, prior(q.event_shape[0]))


def sample(q, seed):
    """A reparametrised sample of `q`, `[B, D]`, or its mean when `seed` is `None`.

    `seed` is a stateless seed, int32 `[2]`: the same seed gives the same sample.
    """
    return q.mean() if seed is None else q.sample(seed=seed)


def join(z_h, z_c):
    """z_h ⊕ z_c, `[B, z_h + z_c]`."""
    return tf.concat([z_h, z_c], axis=-1)
