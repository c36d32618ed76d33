"""Bridges from x's context to y's, by what T's network gives and by the context itself."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import bridges, config, latent

rng = np.random.default_rng(0)
Z_C_X = tf.constant(rng.normal(size=(4, 15)), tf.float32)


def bridge(**options):
    return bridges.from_config(config.Config(modality="2d", disc_width=8, **options))


def test_a_translation_is_the_gaussian_of_ts_outputs():
    translation = bridge(initial_std=0.5)
    q = translation(Z_C_X)
    params = translation.networks["translator"](Z_C_X).numpy()
    np.testing.assert_allclose(q.mean(), params[:, :15], rtol=1e-6)
    log_var = np.minimum(params[:, 15:] + 2 * np.log(0.5), latent.MAX_LOG_VAR)
    np.testing.assert_allclose(q.stddev(), np.exp(log_var / 2), rtol=1e-5)
    assert translation.z_c_y_dim == 15


def test_a_translation_is_what_is_pulled_to_the_prior():
    q_c_x, q_c_y_hat = (latent.gaussian(tf.zeros([1, 15]), tf.fill([1, 15], v)) for v in (0.0, 1.0))
    assert bridge().regularised(q_c_x, q_c_y_hat) is q_c_y_hat
    assert bridge(use_translator=False).regularised(q_c_x, q_c_y_hat) is q_c_x


@pytest.mark.parametrize(
    ("options", "size"),
    [({"use_translator": False}, 15), ({"latent": "rgb_context"}, 0)],
)
def test_without_t_the_context_itself_is_the_sample_and_the_mean(options, size):
    shared = bridge(**options)
    q = shared(Z_C_X)
    assert shared.networks == {}
    assert shared.z_c_y_dim == size
    for z in (q.mean(), latent.sample(q, tf.constant([1, 2]))):
        np.testing.assert_array_equal(z, Z_C_X[:, :size])
    np.testing.assert_array_equal(q.stddev(), np.zeros([4, size]))


def test_a_unified_code_has_no_context_to_bridge():
    assert bridge(latent="unified").z_c_y_dim == 0
    assert bridge(latent="unified").networks == {}
