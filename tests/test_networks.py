"""Networks: shapes, batch normalisation and dropout against NumPy, ResNet-18's size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import networks
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError

rng = np.random.default_rng(0)


def parameters(layer):
    return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


def test_batch_normalisation_normalises_by_the_batch_and_remembers_it():
    x = rng.normal(3.0, 2.0, size=(4, 5, 5, 2)).astype(np.float32)
    layer = networks.BatchNormalization(momentum=0.75, epsilon=1e-3)
    y = layer(x, training=True)
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    n = x.size // 2
    np.testing.assert_allclose(layer.moving_mean, 0.25 * mean, rtol=1e-4)
    expected = 0.75 + 0.25 * variance * n / (n - 1)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)


def test_batch_normalisation_agrees_with_keras_at_test_time():
    x = rng.normal(size=(4, 5, 5, 2)).astype(np.float32)
    ours, theirs = networks.BatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization()
    ours(x), theirs(x)
    values = [rng.uniform(0.5, 2.0, size=2).astype(np.float32) for _ in range(4)]
    for layer in (ours, theirs):
        weights = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        for variable, value in zip(weights, values, strict=True):
            variable.assign(value)
    np.testing.assert_allclose(ours(x, training=False), theirs(x, training=False), atol=1e-5)


def test_resnet_18_has_the_parameters_of_resnet_18():
    layer = networks.ResNet18(1000)
    layer(tf.zeros([1, 64, 64, 3]))
    # He et al. 2016; torchvision's resnet18 has 11,689,512 with its 1000-way head.
    assert parameters(layer) == 11_689_512


def test_resnet_18_sees_its_side():
    layer = networks.ResNet18(6)
    x = tf.constant(rng.normal(size=(2, 64, 64, 3)), tf.float32)
    left, right = (layer(x, side=tf.fill([2, 1], value)) for value in (0.0, 1.0))
    assert left.shape == [2, 6]
    assert np.abs(left - right).max() > 1e-3


@pytest.mark.parametrize(
    ("kind", "backbone_parameters"),
    [("mobilenet_v3_small", 939_120), ("mobilenet_v3_large", 2_996_352)],
)
def test_mobilenet_v3_has_the_parameters_of_mobilenet_v3(kind, backbone_parameters):
    layer = networks.MobileNetV3(kind, 6, size=32)
    x = tf.constant(rng.uniform(-0.5, 0.5, size=(2, 32, 32, 3)), tf.float32)
    left, right = (layer(x, side=tf.fill([2, 1], value)) for value in (0.0, 1.0))
    assert left.shape == [2, 6]
    assert np.abs(left - right).max() > 1e-3
    # Keras's figures for its models without their heads count moving statistics too.
    head = 6 * (layer.backbone.output_shape[-1] + 1 + 1)
    assert sum(int(np.prod(v.shape)) for v in layer.variables) == backbone_parameters + head


def test_mobilenet_v3_follows_its_batches_quickly():
    layer = networks.MobileNetV3("mobilenet_v3_small", 6, size=32)
    norms = [n for n in layer.backbone.layers if isinstance(n, keras.layers.BatchNormalization)]
    before = [np.array(n.moving_mean) for n in norms]
    x = tf.constant(rng.uniform(-0.5, 0.5, size=(4, 32, 32, 3)), tf.float32)
    layer(x, training=True)
    conv = layer.backbone.get_layer("conv")
    expected = 0.9 * before[0] + 0.1 * np.mean(conv(2 * x), axis=(0, 1, 2))
    np.testing.assert_allclose(norms[0].moving_mean, expected, atol=1e-5)
    assert {n.momentum for n in norms} == {0.9}


def test_weights_that_cannot_be_downloaded_are_one_sentence(monkeypatch):
    def no_network(*_, **__):
        raise Exception("URL fetch failure on https://example.org: None -- no route")

    monkeypatch.setitem(networks.MOBILENETS, "mobilenet_v3_small", no_network)
    with pytest.raises(UserError, match=r"--encoder_weights=imagenet: .* no route"):
        networks.MobileNetV3("mobilenet_v3_small", 6, 32, "imagenet")


@pytest.mark.parametrize("size", [32, 64, 128])
def test_image_decoder_gives_images_in_range(size):
    layer = networks.ImageDecoder(size)
    image = layer(tf.constant(10 * rng.normal(size=(3, 30)), tf.float32), training=True)
    assert image.shape == [3, size, size, 3]
    assert np.abs(image).max() <= 0.5


def test_stacks_have_the_papers_depth():
    def hidden(stack):
        return len(stack.hidden)

    assert hidden(networks.JointEncoder(60, 8, 0.0).stack) == 5
    assert hidden(networks.joint_decoder(3, 8, 0.0, "decoder_y")) == 5
    assert hidden(networks.discriminator(8, "disc_h")) == 4
    assert hidden(networks.translator(15, 8, "translator")) == 5


def test_a_stack_is_relu_layers_and_a_linear_one():
    stack = networks.Stack(2, 4, [3, 2])
    x = rng.normal(size=(5, 6)).astype(np.float32)
    y = stack(x)
    h = x
    for layer in stack.hidden:
        h = np.maximum(h @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    expected = (h @ stack.head.kernel.numpy() + stack.head.bias.numpy()).reshape(5, 3, 2)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_dropout_is_for_training_and_repeats_with_its_seed():
    stack = networks.Stack(3, 64, [2], dropout=0.5)
    x = tf.ones([4, 8])
    once, again, other = (stack(x, training=True, seed=s) for s in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 1e-4
    np.testing.assert_array_equal(stack(x), stack(x, training=False, seed=[1, 2]))


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v3_small"])
def test_image_networks_in_bfloat16_keep_float32_weights_and_outputs(encoder):
    def network(precision):
        keras.utils.set_random_seed(0)
        config = Config(encoder=encoder, input_size=64, side="input", precision=precision)
        return networks.image_encoder(config, 6, "encoder_x")

    x = tf.constant(rng.uniform(-0.5, 0.5, size=(8, 64, 64, 3)), tf.float32)
    side = tf.ones([8, 1])
    exact, rounded = (network(precision) for precision in ("float32", "mixed_bfloat16"))
    outputs = [of(x, side=side, training=True) for of in (exact, rounded)]
    assert {v.dtype for v in rounded.variables} == {exact.variables[0].dtype}
    assert outputs[1].dtype == tf.float32
    difference = np.abs(outputs[0] - outputs[1])
    assert 1e-6 < np.median(difference) < 0.05 * np.std(outputs[0])
    assert keras.layers.Dense(1).compute_dtype == "float32"


def test_the_image_decoder_in_bfloat16_trains_float32_weights():
    decoder = networks.image_decoder(
        Config(reconstruction_size=32, precision="mixed_bfloat16"), "decoder_x"
    )
    with tf.GradientTape() as tape:
        image = decoder(tf.constant(rng.normal(size=(4, 30)), tf.float32), training=True)
        loss = tf.reduce_mean(image**2)
    gradients = tape.gradient(loss, decoder.trainable_variables)
    assert image.dtype == tf.float32
    assert {g.dtype for g in gradients} == {tf.float32}
    assert all(np.abs(g).max() > 0 for g in gradients[2:])


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(4, 3, 2), (2, 3, 1), (3, 3, 2), (4, 1, 2), (2, 7, 2), (1, 3, 1)]
)
def test_a_convolution_of_few_pixels_is_the_same_where_it_is_a_product(size, kernel, stride):
    layer = networks._conv(5, kernel, stride)
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
    layer, x = networks._conv(5, 3, 1), tf.zeros([1, 2, 2, 4])
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
