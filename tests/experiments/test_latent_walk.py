"""Walks keep what they are said to keep."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dcmls_tf import config, objective
from dcmls_tf.experiments import latent_walk as walk
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8))
    model.build()
    return model


@pytest.fixture(scope="module")
def pair():
    shapes = {"x": (2, 21, 2), "y": (2, 21, 3)}
    return {k: tf.constant(0.3 * rng.normal(size=s), tf.float32) for k, s in shapes.items()}


@pytest.mark.parametrize("part", walk.PARTS)
def test_a_walk_starts_at_the_first_sample_and_moves_one_part(model, pair, part):
    found = walk.walk(model, pair, part, steps=5)
    assert found.x.shape == (5, 21, 2)
    np.testing.assert_allclose(found.y[0], model(pair["x"])[0], atol=1e-5)
    code = objective.Forward(model, pair, training=False).x
    z_h, z_c = code.z_h.numpy(), code.z_c.numpy()
    at_end = (z_h[1:], z_c[:1]) if part == "pose" else (z_h[:1], z_c[1:])
    half = (
        ((z_h.mean(0, keepdims=True)), z_c[:1]) if part == "pose" else (z_h[:1], z_c.mean(0)[None])
    )
    np.testing.assert_allclose(found.x[-1], model.decode_x(*at_end)[0], atol=1e-5)
    np.testing.assert_allclose(found.x[2], model.decode_x(*half)[0], atol=1e-5)


def test_there_is_nothing_to_walk_without_context(pair):
    model = DCMLS(config.Config(modality="2d", latent="unified", joint_width=16))
    model.build()
    with pytest.raises(ValueError, match="latent=unified"):
        walk.walk(model, pair, "pose")
    with pytest.raises(ValueError, match="colour"):
        walk.walk(model, pair, "colour")


def test_pictures(model, pair, tmp_path):
    frames = walk.pictures([walk.walk(model, pair, part, steps=3) for part in walk.PARTS], size=40)
    strip = walk.strip(frames)
    assert strip.shape == (6 * 44 + 4, 3 * 44 + 4, 3)
    path = tmp_path / "walk.gif"
    walk.write_gif(path, frames)
    with Image.open(path) as gif:
        assert gif.n_frames == 4  # there and back, the ends once
        assert gif.size == (3 * 44 + 4, 2 * 44 + 4)
