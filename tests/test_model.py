"""The forward paths of every variant."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config, latent
from dcmls_tf.model import DCMLS, predict_pose

rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {
    "joint_width": 16,
    "disc_width": 8,
    "input_size": 32,
    "reconstruction_size": 16,
}


def build(**options):
    model = DCMLS(config.Config(**{**SMALL, **options}))
    model.build()
    return model


def source(model, batch=2):
    c = model.config
    size = [32, 32, 3] if c.modality == "rgb" else [21, 2]
    return tf.constant(rng.normal(size=[batch, *size]), tf.float32)


@pytest.mark.parametrize("modality", ["rgb", "2d"])
@pytest.mark.parametrize("latent_space", ["full", "rgb_context", "unified"])
def test_every_variant_predicts_and_reconstructs(modality, latent_space):
    model = build(modality=modality, latent=latent_space)
    x = source(model)
    assert model(x).shape == [2, 21, 3]
    q_h, q_c = model.encode_x(x)
    expected = [2, 16, 16, 3] if modality == "rgb" else [2, 21, 2]
    assert model.decode_x(q_h.mean(), q_c.mean()).shape == expected
    assert q_h.event_shape[0] + q_c.event_shape[0] == 30


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, set()),
        ({"latent": "unified"}, {"disc_h", "disc_c", "translator"}),
        ({"latent": "rgb_context"}, {"disc_c", "translator"}),
        ({"use_translator": False}, {"disc_c", "translator"}),
        ({"use_disc_h": False}, {"disc_h"}),
        ({"use_disc_c": False}, {"disc_c"}),
    ],
)
def test_switches_remove_networks(options, absent):
    every = {"encoder_x", "decoder_x", "encoder_y", "decoder_y", "disc_h", "disc_c", "translator"}
    assert set(build(modality="2d", **options).networks()) == every - absent


def test_a_prediction_is_g_y_of_pose_and_translated_context_at_their_means():
    model = build(modality="2d")
    x = source(model)
    params = model.encoder_x(x).numpy()
    z_h, z_c = params[:, :15], params[:, 15:30]
    z_c_y = model.bridge.networks["translator"](z_c).numpy()[:, :15]
    expected = model.decoder_y(np.concatenate([z_h, z_c_y], axis=1))
    np.testing.assert_allclose(model(x), expected, atol=1e-5)


def test_without_a_translator_the_context_goes_straight_to_the_decoder():
    model = build(modality="2d", use_translator=False)
    x = source(model)
    q_h, q_c = model.encode_x(x)
    expected = model.decoder_y(latent.join(q_h.mean(), q_c.mean()))
    np.testing.assert_allclose(model(x), expected, atol=1e-6)


def test_the_side_is_an_input_only_where_asked():
    x = {"x": tf.constant(rng.normal(size=(2, 21, 2)), tf.float32)}
    for side, differs in (("input", True), ("mirror", False), ("none", False)):
        model = build(modality="2d", side=side)
        left, right = (predict_pose(model, {**x, "side": tf.fill([2], s)}) for s in (0, 1))
        assert (np.abs(left - right).max() > 1e-6) == differs
