"""Each equation recomputed in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import distribution, latent, losses

rng = np.random.default_rng(0)
B = 6


def bce(logits, label):
    p = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    return -(label * np.log(p) + (1 - label) * np.log(1 - p))[:, 0]


def logits():
    return tf.constant(rng.normal(size=(B, 1)), tf.float32)


def gaussian(dim):
    loc, log_var = rng.normal(size=(2, B, dim)).astype(np.float32)
    kl = 0.5 * np.sum(np.exp(log_var) + loc**2 - 1 - log_var, axis=-1)
    return latent.gaussian(loc, log_var), kl


@pytest.mark.parametrize("norm", ["plain", "squared"])
@pytest.mark.parametrize("shape", [(21, 3), (21, 2), (8, 8, 3)])
def test_eq_3_is_reconstruction_plus_both_kls(shape, norm):
    target, rec = rng.normal(size=(2, B, *shape)).astype(np.float32)
    (q_h, kl_h), (q_c, kl_c) = gaussian(5), gaussian(3)
    if norm == "plain" and len(shape) == 2:
        error = np.linalg.norm(target - rec, axis=-1).mean(1)
    else:
        error = np.mean((target - rec).reshape(B, -1) ** 2, axis=1)
    expected = error + 0.1 * (kl_h + kl_c)
    np.testing.assert_allclose(losses.d_vae(target, rec, q_h, q_c, 0.1, norm), expected, rtol=1e-4)


def test_the_plain_norm_has_a_gradient_where_nothing_is_wrong():
    y = tf.constant(rng.normal(size=(B, 21, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(y)
        error = losses.mean_distance(y, tf.stop_gradient(y))
    np.testing.assert_array_equal(tape.gradient(error, y), 0)


def test_divergences_count_as_much_as_errors_unless_weighed():
    y, y_pred = rng.normal(size=(2, B, 21, 3)).astype(np.float32)
    (q_h, _), (q_c, _) = gaussian(5), gaussian(3)
    for loss in (losses.d_vae, losses.pose):
        np.testing.assert_array_equal(loss(y, y_pred, q_h, q_c), loss(y, y_pred, q_h, q_c, 1.0))


def test_eq_4_labels_x_0_and_y_1():
    of_x, of_y = logits(), logits()
    expected = 0.5 * bce(of_x, 0) + 0.5 * bce(of_y, 1)
    np.testing.assert_allclose(losses.disc_h(of_x, of_y), expected, rtol=1e-4)


def test_eq_5_is_eq_4_with_labels_swapped():
    of_x, of_y = logits(), logits()
    expected = 0.5 * bce(of_x, 1) + 0.5 * bce(of_y, 0)
    np.testing.assert_allclose(losses.align(of_x, of_y), expected, rtol=1e-4)


def test_eq_6_labels_translated_0_and_encoded_1():
    translated, of_y = logits(), logits()
    expected = 0.5 * bce(translated, 0) + 0.5 * bce(of_y, 1)
    np.testing.assert_allclose(losses.disc_c(translated, of_y), expected, rtol=1e-4)


def test_eq_7_is_l1_plus_fooling_d_c():
    z_hat, z = rng.normal(size=(2, B, 15)).astype(np.float32)
    of_hat = logits()
    l1 = np.abs(z_hat - z).mean(axis=1)
    np.testing.assert_allclose(losses.translate(z_hat, z), l1, rtol=1e-5)
    expected = l1 + 0.5 * bce(of_hat, 1)
    np.testing.assert_allclose(losses.translate(z_hat, z, of_hat), expected, rtol=1e-4)


def test_eq_7_does_not_move_what_it_compares_with():
    z_hat, z = tf.Variable(tf.ones([B, 2])), tf.Variable(tf.zeros([B, 2]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(losses.translate(z_hat, z))
    gradients = tape.gradient(loss, [z_hat, z])
    assert gradients[1] is None
    assert np.abs(gradients[0]).min() > 0


def test_eq_8_is_pose_error_plus_kls_of_pose_and_translation():
    y, y_pred = rng.normal(size=(2, B, 21, 3)).astype(np.float32)
    (q_h, kl_h), (q_c, kl_c) = gaussian(5), gaussian(3)
    kls = 0.01 * (kl_h + kl_c)
    plain = np.linalg.norm(y - y_pred, axis=-1).mean(axis=1) + kls
    np.testing.assert_allclose(losses.pose(y, y_pred, q_h, q_c, 0.01), plain, rtol=1e-4)
    squared = np.mean((y - y_pred).reshape(B, -1) ** 2, axis=1) + kls
    of_squares = losses.pose(y, y_pred, q_h, q_c, 0.01, "squared")
    np.testing.assert_allclose(of_squares, squared, rtol=1e-4)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_a_certain_discriminator_gives_finite_losses_and_gradients(logit):
    certain = tf.Variable([[logit]])
    with tf.GradientTape() as tape:
        loss = losses.disc_h(certain, certain)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, certain)).all()


def test_global_mean_over_replicas_is_the_mean_of_the_whole_batch():
    strategy = distribution.strategy()
    values = np.arange(8, dtype=np.float32)

    @tf.function
    def mean():
        def of_replica():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return losses.global_mean(tf.constant(values.reshape(2, 4))[replica])

        return strategy.reduce("SUM", strategy.run(of_replica), axis=None)

    assert float(mean()) == pytest.approx(values.mean())
