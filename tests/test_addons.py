"""The fused Adam against Adam's own formula and against Keras's."""

import keras
import numpy as np
import tensorflow as tf

from dcmls_tf import addons

rng = np.random.default_rng(0)


def numpy_adam(value, gradients, rate, beta_1, beta_2=0.999, epsilon=1e-7):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        corrected = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        value = value - corrected * m / (np.sqrt(v) + epsilon)
    return value


def test_adam_follows_its_formula_and_keras():
    start = rng.normal(size=(3, 4))
    gradients = rng.normal(size=(6, 3, 4))
    ours, theirs = (tf.Variable(start, dtype=tf.float32) for _ in range(2))
    optimizers = addons.adam(0.01, 0.5, [ours]), keras.optimizers.Adam(0.01, beta_1=0.5)
    for gradient in gradients:
        for optimizer, variable in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
    np.testing.assert_allclose(ours, numpy_adam(start, gradients, 0.01, 0.5), atol=1e-5)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_subset_of_variables_leaves_the_rest_alone():
    first, second = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
    optimizer = addons.adam(0.1, 0.9, [first, second])
    optimizer.apply_gradients([(tf.ones([1]), second)])
    np.testing.assert_array_equal(first, [1.0, 2.0])
    np.testing.assert_allclose(second, [2.9], atol=1e-5)


def test_tf_variables_are_the_optimisers_own():
    variable = tf.Variable([1.0])
    optimizer = addons.adam(0.1, 0.9, [variable])
    optimizer.apply_gradients([(tf.ones([1]), variable)])
    values = [v.numpy() for v in addons.tf_variables(optimizer)]
    assert all(isinstance(v, tf.Variable) for v in addons.tf_variables(optimizer))
    assert 1 in [int(v) for v in values if v.shape == ()]  # the count of updates
