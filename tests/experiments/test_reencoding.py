"""What a model reads from its own reconstructions."""

from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
import toy_batches

from dcmls_tf import config, objective
from dcmls_tf.errors import UserError
from dcmls_tf.experiments import reencoding
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)


@pytest.fixture
def model():
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8))
    model.build()
    return model


@pytest.fixture(scope="module")
def data():
    data = toy_batches.examples()
    x = rng.normal(size=(toy_batches.SAMPLES, 21, 2)).astype(np.float32)
    return {**data, "x": x}


def epe_mm(y_pred, data):
    """Per joint first; the crop's rotation moves no distance."""
    distance = np.linalg.norm(y_pred - data["y"], axis=-1) * data["scale_mm"][:, None]
    seen = data["visible"].astype(bool)
    return np.mean([distance[seen[:, j], j].mean() for j in range(21) if seen[:, j].any()])


def test_a_reconstruction_that_is_the_input_costs_nothing(model, data, monkeypatch):
    batches = toy_batches.batches_of(data)
    inputs = iter([batch["x"] for batch in batches])
    monkeypatch.setattr(model, "decode_x", lambda z_h, z_c: next(inputs))
    measured = reencoding.measure(model, batches)
    np.testing.assert_allclose(measured["epe_mm"], epe_mm(model(data["x"]), data), rtol=1e-4)
    assert measured["reconstruction_epe_mm"] == measured["epe_mm"]
    assert reencoding.line(measured).endswith("1.00 times that")


def test_a_reconstruction_that_shows_nothing_gives_one_pose_for_all(model, data, monkeypatch):
    monkeypatch.setattr(model, "decode_x", lambda z_h, z_c: tf.zeros([len(z_h), 21, 2]))
    measured = reencoding.measure(model, toy_batches.batches_of(data))
    constant = np.broadcast_to(model(np.zeros([1, 21, 2], np.float32)), data["y"].shape)
    expected = epe_mm(constant, data)
    np.testing.assert_allclose(measured["reconstruction_epe_mm"], expected, rtol=1e-4)


def test_an_image_is_enlarged_to_the_inputs_size():
    small = {"encoder": "resnet18_small", "input_size": 64, "reconstruction_size": 16}
    model = DCMLS(config.Config(joint_width=16, disc_width=8, **small))
    model.build()
    batch: Any = {"x": rng.uniform(-0.5, 0.5, size=(2, 64, 64, 3)).astype(np.float32)}
    code = objective.encode(model, batch, reads="x").x
    shown = model.decode_x(code.z_h, code.z_c).numpy()
    enlarged = np.stack([cv2.resize(image, (64, 64)) for image in shown])
    expected = model(enlarged).numpy()
    np.testing.assert_allclose(reencoding.read_again(model, batch), expected, atol=1e-4)


def test_no_samples(model):
    with pytest.raises(UserError, match="no samples"):
        reencoding.measure(model, [])
