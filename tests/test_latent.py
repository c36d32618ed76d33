"""Gaussians of the latent code against NumPy."""

import numpy as np
import pytest
import replicas
import tensorflow as tf

from dcmls_tf import latent

rng = np.random.default_rng(0)


def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)


def test_kl_equals_the_closed_form():
    loc, log_var = rng.normal(size=(2, 5, 7)).astype(np.float32)
    scale = np.exp(0.5 * log_var)
    expected = 0.5 * np.sum(scale**2 + loc**2 - 1 - 2 * np.log(scale), axis=-1)
    kl = latent.kl_to_prior(latent.gaussian(loc, log_var))
    np.testing.assert_allclose(kl, expected, rtol=1e-5)


def test_kl_equals_its_estimate_from_samples():
    q = latent.gaussian(tf.constant([[0.5, -1.0]]), tf.constant([[-1.0, 0.3]]))
    z = q.sample(200_000, seed=1)
    estimate = tf.reduce_mean(q.log_prob(z) - latent.prior(2).log_prob(z), axis=0)
    np.testing.assert_allclose(latent.kl_to_prior(q), estimate, atol=0.02)


def test_kl_of_the_prior_and_of_an_empty_code_is_zero():
    for dim in (0, 3):
        q = latent.gaussian(tf.zeros([4, dim]), tf.zeros([4, dim]))
        np.testing.assert_allclose(latent.kl_to_prior(q), np.zeros(4), atol=1e-7)


def test_posteriors_split_locations_and_log_variances_alike():
    params = rng.uniform(-2, 2, size=(2, 2 * (3 + 4))).astype(np.float32)
    pose, context = latent.posteriors(tf.constant(params), z_h_dim=3)
    np.testing.assert_allclose(pose.mean(), params[:, :3])
    np.testing.assert_allclose(context.mean(), params[:, 3:7])
    np.testing.assert_allclose(pose.variance(), np.exp(params[:, 7:10]), rtol=1e-5)
    np.testing.assert_allclose(context.variance(), np.exp(params[:, 10:]), rtol=1e-5)
    assert pose.batch_shape == [2]
    assert pose.event_shape == [3]


def test_fresh_networks_start_with_the_standard_deviation_that_is_asked_for():
    params = rng.normal(size=(2, 6)).astype(np.float32)
    plain, narrow = (latent.posterior(tf.constant(params), std) for std in (1.0, 0.1))
    np.testing.assert_allclose(narrow.mean(), plain.mean())
    np.testing.assert_allclose(narrow.stddev(), 0.1 * plain.stddev(), rtol=1e-5)
    both = latent.posteriors(tf.zeros([1, 6]), z_h_dim=2, initial_std=0.1)
    for q in both:
        np.testing.assert_allclose(q.stddev(), np.full(q.mean().shape, 0.1), rtol=1e-5)


def test_a_log_variance_far_off_is_bounded_and_one_in_range_is_left_alone():
    log_var = np.array([[-30.0, -3.0, 1.9, 60.0]], np.float32)
    params = tf.constant(np.concatenate([np.zeros_like(log_var), log_var], axis=-1))
    expected = np.exp(0.5 * np.array([[-30.0, -3.0, 1.9, 2.0]]))
    np.testing.assert_allclose(latent.posterior(params).stddev(), expected, rtol=1e-5)
    pose, context = latent.posteriors(params, z_h_dim=1)
    np.testing.assert_allclose(pose.stddev(), expected[:, :1], rtol=1e-5)
    np.testing.assert_allclose(context.stddev(), expected[:, 1:], rtol=1e-5)


def test_samples_are_reparametrised_and_repeat_with_their_seed():
    loc, seed = tf.Variable(draw(2, 3)), tf.constant([3, 4])
    with tf.GradientTape() as tape:
        z = latent.sample(latent.gaussian(loc, tf.zeros([2, 3])), seed=seed)
    np.testing.assert_allclose(tape.gradient(z, loc), np.ones((2, 3)))
    q = latent.gaussian(loc, tf.zeros([2, 3]))
    np.testing.assert_array_equal(latent.sample(q, seed), z)
    assert np.abs(latent.sample(q, tf.constant([3, 5])) - z.numpy()).min() > 1e-4
    np.testing.assert_array_equal(latent.sample(q, None), loc)


def test_samples_have_the_distributions_moments():
    log_var = tf.math.log(tf.fill([50_000, 1], 0.25))
    q = latent.gaussian(tf.fill([50_000, 1], 2.0), log_var)
    z = latent.sample(q, tf.constant([0, 1])).numpy()
    assert z.mean() == pytest.approx(2.0, abs=0.01)
    assert z.std() == pytest.approx(0.5, abs=0.01)


def test_a_point_has_one_value_and_the_shapes_of_a_gaussian():
    loc = rng.normal(size=(2, 3)).astype(np.float32)
    q = latent.point(tf.constant(loc))
    np.testing.assert_array_equal(latent.sample(q, tf.constant([3, 4])), loc)
    np.testing.assert_array_equal(latent.sample(q, None), loc)
    assert q.batch_shape == [2]
    assert q.event_shape == [3]


@pytest.mark.parametrize("dim", [0, 3])
def test_a_points_mean_knows_its_size_in_a_graph_of_any_batch(dim):
    @tf.function(input_signature=[tf.TensorSpec([None, dim], tf.float32)])
    def mean(loc):
        q = latent.point(loc)
        assert q.mean().shape[1] == q.stddev().shape[1] == dim
        return q.mean()

    assert mean(tf.ones([2, dim])).shape == (2, dim)


def test_the_first_examples_of_a_code_are_a_code():
    q_h, q_c = (latent.gaussian(*map(tf.constant, draw(2, 5, dim))) for dim in (4, 3))
    z_h, z_c = draw(5, 4), draw(5, 3)
    first = latent.Code(q_h, q_c, tf.constant(z_h), tf.constant(z_c)).first(2)
    np.testing.assert_array_equal(first.z_h, z_h[:2])
    np.testing.assert_array_equal(first.z_c, z_c[:2])
    for part, whole in ((first.q_h, q_h), (first.q_c, q_c)):
        np.testing.assert_array_equal(part.mean(), whole.mean()[:2])
        np.testing.assert_array_equal(part.stddev(), whole.stddev()[:2])


def test_a_joined_code_has_the_pose_first():
    z_h, z_c = draw(2, 4), draw(2, 3)
    joined = latent.join(tf.constant(z_h), tf.constant(z_c))
    np.testing.assert_array_equal(joined, np.c_[z_h, z_c])


def test_a_folded_seed_is_another_one_for_each_number_and_none_of_none():
    seed = tf.constant([1, 2])
    other = tf.constant([1, 3])
    folded = [latent.fold(of, number) for of in (seed, other) for number in (0, 1)]
    assert len({tuple(np.array(value)) for value in (seed, other, *folded)}) == 6
    np.testing.assert_array_equal(latent.fold(seed, 1), folded[1])
    assert latent.fold(None, 1) is None


def test_replicas_draw_what_one_device_would():
    loc, seed = tf.reshape(tf.range(12.0), [4, 3]), tf.constant([3, 4])

    def drawn(loc):
        return latent.sample(latent.gaussian(loc, tf.zeros_like(loc)), seed)

    np.testing.assert_allclose(replicas.run(drawn, loc), drawn(loc), atol=1e-6)
