"""Stacks start as linear maps, by a computation of the kernels' definition."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import layers
from dcmls_tf.initializers import LooksLinear

rng = np.random.default_rng(0)


def relu(a):
    return np.maximum(a, 0)


def test_a_mirrored_pair_of_layers_passes_an_orthogonal_map():
    first, last = LooksLinear(mirrored_in=False), LooksLinear(mirrored_out=False)
    a, b = first((6, 8)).numpy(), last((8, 4)).numpy()
    x = rng.normal(size=(100, 6))
    np.testing.assert_allclose(relu(x @ a) @ b, x @ a[:, :4] @ b[:4], atol=1e-6)
    np.testing.assert_allclose(b[:4].T @ b[:4], np.eye(4), atol=1e-6)
    np.testing.assert_allclose(a[:, 4:], -a[:, :4])


@pytest.mark.parametrize("shape", [(42, 256), (256, 256), (256, 60), (7, 5)])
def test_kernels_have_their_shape_and_keep_the_mean_square(shape):
    kernel = LooksLinear(mirrored_in=False, mirrored_out=False)(shape).numpy()
    x = rng.normal(size=(2000, shape[0]))
    assert kernel.shape == shape
    np.testing.assert_allclose(np.mean((x @ kernel) ** 2), np.mean(x**2), rtol=0.1)
    assert LooksLinear()(shape).shape == shape


def test_a_stack_starts_linear_and_does_not_stay_so():
    keras.utils.set_random_seed(0)
    stack = layers.Stack(5, 64, [10])
    x = tf.constant(rng.normal(size=(50, 12)), tf.float32)
    linear, *_ = np.linalg.lstsq(x, stack(x), rcond=None)
    np.testing.assert_allclose(stack(x), x @ linear, atol=1e-4)
    assert np.linalg.matrix_rank(linear) == 10

    optimizer = keras.optimizers.Adam(1e-2)
    for _ in range(30):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((stack(x)[:, 0] - tf.abs(x[:, 0])) ** 2)
        variables = stack.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    linear, *_ = np.linalg.lstsq(x, stack(x), rcond=None)
    assert np.abs(stack(x) - x @ linear).max() > 0.1


def test_two_stacks_of_one_seed_start_the_same():
    def kernel():
        keras.utils.set_random_seed(3)
        return LooksLinear()((16, 16)).numpy()

    np.testing.assert_array_equal(kernel(), kernel())
    assert np.abs(LooksLinear()((16, 16)) - kernel()).max() > 0.1


def test_it_can_be_made_again_from_its_configuration():
    once = LooksLinear(mirrored_in=False)
    again = LooksLinear.from_config(once.get_config())
    assert (again.mirrored_in, again.mirrored_out) == (False, True)
