"""The layers that Keras lacks, against NumPy and Keras's own."""

import keras
import numpy as np
import pytest
import replicas
import tensorflow as tf

from dcmls_tf import distribution, layers

rng = np.random.default_rng(0)


def test_batch_normalisation_normalises_by_the_batch_and_remembers_it():
    x = rng.normal(3.0, 2.0, size=(4, 5, 5, 2)).astype(np.float32)
    layer = layers.FusedBatchNorm(momentum=0.75, epsilon=1e-3)
    y = layer(x, training=True)
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    n = x.size // 2
    np.testing.assert_allclose(layer.moving_mean, 0.25 * mean, rtol=1e-4)
    expected = 0.75 + 0.25 * variance * n / (n - 1)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)


def test_synchronised_statistics_are_of_the_batches_of_all_replicas():
    x = rng.normal(3.0, 2.0, size=(4, 3, 3, 2)).astype(np.float32)
    seen = rng.normal(size=x.shape).astype(np.float32)  # what the loss makes of each output

    def outputs_and_gradients(layer, x, seen):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * seen)
        return y, tape.gradient(loss, x)

    whole = layers.FusedBatchNorm()
    expected = outputs_and_gradients(whole, tf.constant(x), seen)
    with distribution.strategy().scope():
        parted = layers.FusedBatchNorm(synchronized=True)
        parted.build(x.shape)
    of_replicas = replicas.run(lambda x, seen: outputs_and_gradients(parted, x, seen), x, seen)
    for of_parts, all_at_once in zip(of_replicas, expected, strict=True):
        np.testing.assert_allclose(of_parts, all_at_once, atol=1e-4)
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(getattr(parted, name), getattr(whole, name), rtol=1e-4)


def test_batch_normalisation_agrees_with_keras_at_test_time():
    x = rng.normal(size=(4, 5, 5, 2)).astype(np.float32)
    ours, theirs = layers.FusedBatchNorm(epsilon=1e-3), keras.layers.BatchNormalization()
    for layer in (ours, theirs):
        layer(x)
    values = [rng.uniform(0.5, 2.0, size=2).astype(np.float32) for _ in range(4)]
    for layer in (ours, theirs):
        weights = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        for variable, value in zip(weights, values, strict=True):
            variable.assign(value)
    np.testing.assert_allclose(ours(x, training=False), theirs(x, training=False), atol=1e-5)


def test_a_stack_is_relu_layers_and_a_linear_one():
    stack = layers.Stack(2, 4, [3, 2])
    x = rng.normal(size=(5, 6)).astype(np.float32)
    y = stack(x)
    h = x
    for layer in stack.hidden:
        h = np.maximum(h @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    expected = (h @ stack.head.kernel.numpy() + stack.head.bias.numpy()).reshape(5, 3, 2)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_a_kernel_counts_as_one_of_spectral_norm_1_and_stays():
    layer = layers.SpectralDense(6, activation="relu", bias_initializer="ones")
    x = rng.normal(size=(5, 9)).astype(np.float32)
    for _ in range(100):
        y = layer(x)
    kernel = layer.kernel.numpy()
    norm = np.linalg.svd(kernel, compute_uv=False)[0]
    assert abs(norm - 1) > 0.1
    np.testing.assert_allclose(y, np.maximum(x @ kernel / norm + 1, 0), atol=1e-4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    (gradient, _) = tape.gradient(loss, layer.trainable_variables)
    # What a longer kernel would change is nothing.
    assert abs(np.sum(gradient * kernel)) < 1e-2 * np.linalg.norm(gradient) * norm
    assert len(layer.trainable_variables) == 2


def test_a_spectral_stack_changes_by_no_more_than_its_input_does():
    stack = layers.Stack(4, 16, [1], spectral=True)
    x = rng.normal(size=(2, 50, 8)).astype(np.float32)
    for _ in range(100):
        y = stack(x.reshape(100, 8)).numpy().reshape(2, 50)
    distances = np.linalg.norm(x[0] - x[1], axis=-1)
    assert np.all(np.abs(y[0] - y[1]) <= 1.001 * distances)
    assert not [layer for layer in layers.Stack(4, 16, [1]).hidden if hasattr(layer, "u")]


def test_dropout_is_for_training_and_repeats_with_its_seed():
    stack = layers.Stack(3, 64, [2], dropout=0.5)
    x = tf.ones([4, 8])
    once, again, other = (stack(x, training=True, seed=s) for s in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 1e-4
    np.testing.assert_array_equal(stack(x), stack(x, training=False, seed=[1, 2]))


def convolution(kernel, stride):
    return layers.PatchConv2D(5, kernel, stride, padding="same", use_bias=False)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(4, 3, 2), (2, 3, 1), (3, 3, 2), (4, 1, 2), (2, 7, 2), (1, 3, 1)]
)
def test_a_convolution_of_few_pixels_is_the_same_where_it_is_a_product(size, kernel, stride):
    layer = convolution(kernel, stride)
    x = tf.constant(rng.normal(size=(3, size, size, 4)), tf.float32)
    layer(x)

    def outputs_and_gradients(training):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.sin(y))
        return y, *tape.gradient(loss, [x, *layer.trainable_variables])

    for plain, product in zip(
        outputs_and_gradients(False), outputs_and_gradients(True), strict=True
    ):
        np.testing.assert_allclose(product, plain, atol=1e-5)


def test_only_training_takes_products():
    layer, x = convolution(3, 1), tf.zeros([1, 2, 2, 4])
    layer(x)
    kinds = [
        {
            op.type
            for op in tf.function(layer)
            .get_concrete_function(x, training=training)
            .graph.get_operations()
        }
        for training in (False, True)
    ]
    assert "Conv2D" in kinds[0]
    assert "MatMul" not in kinds[0]
    assert "Conv2D" not in kinds[1]
    assert "MatMul" in kinds[1]
