"""Walks move one part of the code along a line, and are drawn step by step."""

from typing import cast

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dcmls_tf import config, objective
from dcmls_tf.data.examples import Batch
from dcmls_tf.drawing import figures
from dcmls_tf.experiments import latent_walk
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8))
    model.build()
    return model


@pytest.fixture(scope="module")
def pair() -> Batch:
    shapes = {"x": (2, 21, 2), "y": (2, 21, 3)}
    joints = {k: tf.constant(0.3 * rng.normal(size=s), tf.float32) for k, s in shapes.items()}
    return cast(Batch, joints)


@pytest.mark.parametrize("part", latent_walk.PARTS)
def test_a_walk_starts_at_the_first_sample_and_moves_one_part(model, pair, part):
    walk = latent_walk.interpolate_codes(model, pair, part, steps=5)
    assert walk.x.shape == (5, 21, 2)
    np.testing.assert_allclose(walk.y[0], model(pair["x"])[0], atol=1e-5)
    code = objective.encode(model, pair).x
    z_h, z_c = code.z_h.numpy(), code.z_c.numpy()
    at_end = (z_h[1:], z_c[:1]) if part == "pose" else (z_h[:1], z_c[1:])
    middle = z_h.mean(0, keepdims=True), z_c.mean(0, keepdims=True)
    half_way = (middle[0], z_c[:1]) if part == "pose" else (z_h[:1], middle[1])
    np.testing.assert_allclose(walk.x[-1], model.decode_x(*at_end)[0], atol=1e-5)
    np.testing.assert_allclose(walk.x[2], model.decode_x(*half_way)[0], atol=1e-5)


def test_there_is_nothing_to_walk_without_context(pair):
    model = DCMLS(config.Config(modality="2d", latent="unified", joint_width=16))
    model.build()
    with pytest.raises(ValueError, match="latent=unified"):
        latent_walk.interpolate_codes(model, pair, "pose")
    with pytest.raises(ValueError, match="colour"):
        latent_walk.interpolate_codes(model, pair, "colour")


@pytest.fixture(scope="module")
def walks(model, pair):
    return [latent_walk.interpolate_codes(model, pair, p, steps=3) for p in latent_walk.PARTS]


def test_a_strip_has_a_column_a_step_and_three_rows_a_walk(walks):
    strip = latent_walk.strip(latent_walk.pictures(walks, size=40))
    assert strip.shape == (6 * 44 + 4, 3 * 44 + 4, 3)
    last_of_context = strip[3 * 44 + 4 : 4 * 44, 2 * 44 + 4 : 3 * 44]
    expected = figures.source_picture(walks[1].x[2], 40)
    np.testing.assert_array_equal(last_of_context, expected)


def test_an_animation_goes_to_the_end_and_back(walks, tmp_path):
    path = str(tmp_path / "walk.gif")
    latent_walk.write_gif(path, latent_walk.pictures(walks, size=40))
    with Image.open(path) as gif:
        assert getattr(gif, "n_frames", 1) == 4  # there and back, the ends once
        assert gif.size == (3 * 44 + 4, 2 * 44 + 4)
