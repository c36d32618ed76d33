"""Direct regression, and which model a configuration asks for."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config, training, variants
from dcmls_tf.errors import UserError
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {
    "joint_width": 16,
    "disc_width": 8,
    "input_size": 32,
    "reconstruction_size": 16,
}


def build(**options):
    return variants.from_config(config.Config(**{**SMALL, **options}))


@pytest.mark.parametrize("latent", ["full", "rgb_context", "unified"])
def test_latent_variants_are_dcmls(latent):
    model = build(latent=latent, modality="2d")
    assert isinstance(model, DCMLS)
    assert model.encoder_x.trainable_variables


@pytest.mark.parametrize("modality", ["rgb", "2d"])
def test_regression_is_the_encoder_with_a_joint_head(modality):
    model, full = (build(latent=latent, modality=modality) for latent in ("none", "full"))
    size = [32, 32, 3] if modality == "rgb" else [21, 2]
    x = tf.constant(rng.normal(size=[2, *size]), tf.float32)
    np.testing.assert_allclose(
        model(x), model.encoder_x(x).numpy().reshape(2, 21, 3), rtol=1e-6, atol=1e-6
    )
    shapes = [[v.shape for v in m.encoder_x.trainable_variables] for m in (model, full)]
    # All but the head, whose weights and biases come last.
    assert shapes[0][:-2] == shapes[1][:-2]
    assert shapes[0][-1] == (63,)


def test_its_only_term_is_the_distance_of_joints_and_moves_the_encoder():
    trainer = training.Trainer(
        config.Config(modality="2d", latent="none", batch_size=8, **SMALL),
        tf.distribute.MirroredStrategy(["/cpu:0"]),
        total_steps=10,
    )
    assert trainer.term_names == ("pose",)
    batch = {
        "x": tf.constant(rng.normal(size=[8, 21, 2]), tf.float32),
        "y": tf.constant(rng.normal(size=[8, 21, 3]), tf.float32),
    }
    errors = trainer.model(batch["x"]).numpy() - batch["y"].numpy()
    expected = np.mean(np.linalg.norm(errors, axis=-1))
    data = tf.data.Dataset.from_tensor_slices(batch).batch(8, drop_remainder=True).repeat()
    source = iter(trainer.strategy.experimental_distribute_dataset(data))
    first = float(trainer.train_step(next(source))["pose"])
    assert first == pytest.approx(expected, rel=1e-5)
    for _ in range(5):
        last = float(trainer.train_step(next(source))["pose"])
    assert last < first


def test_alternation_of_pairs_is_for_a_unified_latent_space():
    with pytest.raises(UserError, match="--schedule=pairs"):
        config.Config(schedule="pairs", latent="full")
    assert config.Config(schedule="pairs", latent="unified").schedule == "pairs"
