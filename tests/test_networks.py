"""Networks: shapes, batch normalisation and dropout against NumPy, ResNet-18's size."""

import keras
import numpy as np
import pytest
import replicas
import tensorflow as tf

from dcmls_tf import distribution, networks
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.layers import FusedBatchNorm

rng = np.random.default_rng(0)


def parameters(layer):
    return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


def test_resnet_18_has_the_parameters_of_resnet_18():
    layer = networks.ResNet18(1000)
    layer(tf.zeros([1, 64, 64, 3]))
    # He et al. 2016; torchvision's resnet18 has 11,689,512 with its 1000-way head.
    assert parameters(layer) == 11_689_512


def test_half_of_it_has_half_the_channels_everywhere():
    whole, half = networks.ResNet18(6), networks.ResNet18(6, width=32)
    for layer in (whole, half):
        layer(tf.zeros([1, 64, 64, 3]))
    for ours, theirs in zip(half.weights, whole.weights, strict=True):
        expected = [n if n in (1, 3, 6, 7) else n // 2 for n in theirs.shape]
        assert list(ours.shape) == expected


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
    norms = [n for n in layer.backbone.layers if isinstance(n, FusedBatchNorm)]
    before = [n.moving_mean.numpy() for n in norms]
    x = tf.constant(rng.uniform(-0.5, 0.5, size=(4, 32, 32, 3)), tf.float32)
    layer(x, training=True)
    conv = next(of for of in layer.backbone.layers if isinstance(of, keras.layers.Conv2D))
    expected = 0.9 * before[0] + 0.1 * np.mean(conv(2 * x), axis=(0, 1, 2))
    np.testing.assert_allclose(norms[0].moving_mean, expected, atol=1e-5)
    assert {n.momentum for n in norms} == {0.9}


@pytest.mark.parametrize("training", [False, True])
def test_mobilenet_v3_computes_what_that_of_keras_does(training):
    layer = networks.MobileNetV3("mobilenet_v3_small", 6, size=32)
    theirs = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), include_top=False, include_preprocessing=False,
        pooling="avg", weights=None,
    )  # fmt: skip
    theirs.set_weights([rng.uniform(0.5, 1.5, w.shape) * 0.1 for w in theirs.get_weights()])
    layer.backbone.set_weights(theirs.get_weights())
    x = tf.constant(rng.uniform(-1, 1, size=(8, 32, 32, 3)), tf.float32)
    ours = layer.backbone(x, training=training)
    expected = theirs(x, training=training)
    assert np.std(expected) > 1e-6
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.slow
def test_mobilenet_v3_has_statistics_of_all_replicas_when_asked():
    x = rng.normal(3.0, 2.0, size=(4, 32, 32, 3)).astype(np.float32)
    config = Config(encoder="mobilenet_v3_small", input_size=32, sync_batch_norm=True)
    with distribution.strategy().scope():
        parted = networks.image_encoder(config, 2, "parted")
        parted(tf.constant(x))
    whole = networks.image_encoder(config, 2, "whole")
    whole(tf.constant(x))
    for ours, theirs in zip(whole.weights, parted.weights, strict=True):
        ours.assign(theirs)
    expected = whole(tf.constant(x), training=True)
    outputs = replicas.run(lambda x: parted(x, training=True), x)
    np.testing.assert_allclose(outputs, expected, atol=1e-3)


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
    assert hidden(networks.discriminator(8, False, "disc_h")) == 4
    assert hidden(networks.translator(15, 8, "translator")) == 5


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v3_small"])
def test_image_networks_in_bfloat16_keep_float32_weights_and_outputs(encoder):
    def network(precision):
        keras.utils.set_random_seed(0)
        config = Config(encoder=encoder, input_size=64, side="input", precision=precision)
        encoder_x = networks.image_encoder(config, 6, "encoder_x")
        return encoder_x, encoder_x(x, side=tf.ones([8, 1]), training=True)  # Keras 2 draws now

    x = tf.constant(rng.uniform(-0.5, 0.5, size=(8, 64, 64, 3)), tf.float32)
    both = [network(precision) for precision in ("float32", "mixed_bfloat16")]
    (exact, rounded), outputs = zip(*both, strict=True)
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
