"""The paper's equations, one function each; every loss is per example, `[B]`.

Where the paper does not define the code, this is the reading:

* Eqs. 3 and 8 print a plain norm, Eq. 1 its square: of joints, here the plain norm of each and
  the mean over them (what EPE measures), or by `--norm=squared` the mean squared error; of images,
  the mean squared error.
* Eq. 3 prints G(z_c | x) inside a KL: E is meant; one encoder emits z_h and z_c.
* Eqs. 4, 5: Eq. 4 moves D_h only (its samples are detached), Eq. 5 the encoders only.
* Eq. 6 has a label inside D_c's bracket: BCE(D_c(T(z_c^x)), 0) and BCE(D_c(z_c^y), 1).
* Eq. 7 takes an L1 of a pair, feeds D_h a context code, and has a term without T: here
  the mean absolute error between T(z_c^x) and the detached z_c^y, plus
  ½ BCE(D_c(T(z_c^x)), 1). The term without T has no gradient to T and is left out.
* Eq. 8 prints T(E^y(z_c^y)) inside a KL: T(E^x(z_c^x)) is meant; T emits a distribution.
* Eq. 9 is one min-max and Algorithm 1 five sub-steps: both are schedules, in `training`.
* Sec. 4.2 gives no loss weights: one option per term, applied in `objective`.
"""

import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import latent
from dcmls_tf.latent import Distribution

PerExample = Float[tf.Tensor, "B"]
Logits = Float[tf.Tensor, "B 1"]
# Keeps the gradient of a distance finite where it is zero.
_LEAST_SQUARE = 1e-12


def mean_squared_error(a: Float[tf.Tensor, "B *n"], b: Float[tf.Tensor, "B *n"]) -> PerExample:
    """Mean over all but the first axis of (a − b)²."""
    return _per_example(tf.math.squared_difference(a, b))


def mean_distance(a: Float[tf.Tensor, "B J D"], b: Float[tf.Tensor, "B J D"]) -> PerExample:
    """Mean over joints of ‖a − b‖."""
    squares = tf.reduce_sum(tf.math.squared_difference(a, b), axis=-1)
    return _per_example(tf.sqrt(squares + _LEAST_SQUARE))


def error(a: Float[tf.Tensor, "B *n"], b: Float[tf.Tensor, "B *n"], norm: str) -> PerExample:
    """The norm of Eqs. 3 and 8: `plain` or `squared` (`Config.norm`) of joints `[B, 21, D]`.

    Of anything else, such as images, the mean squared error.
    """
    if norm == "plain" and len(a.shape) == 3:
        return mean_distance(a, b)
    return mean_squared_error(a, b)


def d_vae(
    target: Float[tf.Tensor, "B *n"],
    reconstruction: Float[tf.Tensor, "B *n"],
    q_h: Distribution,
    q_c: Distribution,
    weight_kl: float = 1.0,
    norm: str = "plain",
) -> PerExample:
    """Eq. 3 for one modality: reconstruction + KL(q(z_h)) + KL(q(z_c)).

    Self-reconstruction needs no label.
    """
    kl = latent.kl_to_prior(q_h) + latent.kl_to_prior(q_c)
    return error(target, reconstruction, norm) + weight_kl * kl


def disc_h(logits_x: Logits, logits_y: Logits) -> PerExample:
    """Eq. 4: D_h tells q(z_h | x), label 0, from q(z_h | y), label 1."""
    return 0.5 * _bce(logits_x, 0.0) + 0.5 * _bce(logits_y, 1.0)


def align(logits_x: Logits, logits_y: Logits) -> PerExample:
    """Eq. 5: Eq. 4 with its labels swapped, which pulls both posteriors together."""
    return disc_h(logits_x=logits_y, logits_y=logits_x)


def disc_c(logits_translated: Logits, logits_y: Logits) -> PerExample:
    """Eq. 6: D_c tells T(z_c^x), label 0, from z_c^y, label 1."""
    return 0.5 * _bce(logits_translated, 0.0) + 0.5 * _bce(logits_y, 1.0)


def translate(
    z_c_y_hat: Float[tf.Tensor, "B z_c"],
    z_c_y: Float[tf.Tensor, "B z_c"],
    logits_translated: Logits | None = None,
) -> PerExample:
    """Eq. 7: L1 between T(z_c^x) and z_c^y, plus ½ BCE(D_c(T(z_c^x)), 1).

    Without a discriminator (`logits_translated=None`) only the L1 is left.
    """
    distance = _per_example(tf.abs(z_c_y_hat - tf.stop_gradient(z_c_y)))
    if logits_translated is None:
        return distance
    return distance + 0.5 * _bce(logits_translated, 1.0)


def pose(
    y: Float[tf.Tensor, "B 21 3"],
    y_pred: Float[tf.Tensor, "B 21 3"],
    q_h_x: Distribution,
    q_c_y_hat: Distribution,
    weight_kl: float = 1.0,
    norm: str = "plain",
) -> PerExample:
    """Eq. 8: cross-modal pose error + KL(q(z_h | x)) + KL(T(z_c^x))."""
    kl = latent.kl_to_prior(q_h_x) + latent.kl_to_prior(q_c_y_hat)
    return error(y, y_pred, norm) + weight_kl * kl


def global_mean(per_example: PerExample) -> Float[tf.Tensor, ""]:
    """One replica's share of a batch's mean: the sum over replicas is the mean.

    Holds when every replica has the same batch size (`drop_remainder=True`).
    """
    return tf.reduce_mean(per_example) / tf.distribute.get_strategy().num_replicas_in_sync


def _bce(logits, label):
    """Binary cross-entropy from logits `[B, 1]`; finite for any finite logit."""
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return _per_example(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))


def _per_example(values):
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))
