"""Adam against its own formula and Keras's; what layers compute in; whose variables are whose."""

import keras
import numpy as np
import pytest
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
    # The small ones are below epsilon.
    gradients = rng.normal(size=(6, 3, 4)) * [1e-6, 1e-3, 1, 1e3]
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
    variables = addons.tf_variables(optimizer)
    assert all(isinstance(v, tf.Variable) for v in variables)
    assert 1 in [int(v) for v in variables if v.shape == ()]  # the count of updates


def test_tf_variables_of_a_layer_follow_its_own():
    layer = keras.layers.Dense(2)
    layer.build([None, 3])
    kernel, bias = addons.tf_variables(layer)
    kernel.assign(np.ones((3, 2)))
    bias.assign([5.0, -5.0])
    np.testing.assert_allclose(layer(tf.ones([1, 3])), [[3 + 5, 3 - 5]])


def test_precision_holds_for_layers_that_are_made_inside():
    with addons.precision("mixed_bfloat16"):
        inside = keras.layers.Dense(1)
    with pytest.raises(RuntimeError), addons.precision("mixed_bfloat16"):
        raise RuntimeError
    outside = keras.layers.Dense(1)
    assert [layer.compute_dtype for layer in (inside, outside)] == ["bfloat16", "float32"]
    inside.build([None, 3])
    assert all(v.dtype == tf.float32 for v in addons.tf_variables(inside))


def test_a_weight_that_is_kept_in_float32_is_read_as_float32():
    class Layer(keras.layers.Layer):
        def build(self, _):
            self.kept = self.add_weight(shape=[], name="kept", **addons.KEEP_FLOAT32)
            self.cast = self.add_weight(shape=[], name="cast")

        def call(self, x):
            return x, tf.convert_to_tensor(self.kept), tf.convert_to_tensor(self.cast)

    with addons.precision("mixed_bfloat16"):
        layer = Layer()
    assert [v.dtype for v in layer(tf.ones([1]))] == [tf.bfloat16, tf.float32, tf.bfloat16]


def test_replicas_weights_become_their_mean():
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    with strategy.scope():
        layer = keras.layers.Layer()
        options = {"trainable": False, **addons.MEAN_OVER_REPLICAS}
        weight = layer.add_weight(shape=[], initializer="zeros", name="count", **options)

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        weight.assign(1.0 + 2.0 * tf.cast(replica, tf.float32))

    strategy.run(step)
    assert float(tf.convert_to_tensor(weight)) == (1 + 3) / 2
