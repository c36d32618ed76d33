"""The table of equations: which exist, what they read, what they are, whom they can move."""

import functools
import inspect

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config, latent, losses, objective, variants
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)
NAMES = {equation.name for equation in objective.EQUATIONS}


@functools.cache
def build(**options):
    """A variant's model, for tests that change nothing in it."""
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8, **options))
    model.build()
    return model


def seed():
    return tf.constant([1, 2])


def random_batch(count=4):
    shapes = {"x": (count, 21, 2), "y": (count, 21, 3)}
    return {k: tf.constant(rng.normal(size=s), tf.float32) for k, s in shapes.items()}


@pytest.fixture
def full():
    """The whole model."""
    return build()


def all_terms(model, batch, seed=None, training=False):
    """Every equation of a variant, from one pass."""
    encoded = objective.encode(model, batch, seed, training=training)
    return objective.evaluate(objective.equations(model), encoded)


def networks_reached_by(model, name):
    """Networks with a gradient from one equation's loss."""
    batch = random_batch()
    with tf.GradientTape() as tape:
        loss = all_terms(model, batch, seed(), training=True)[name]
    variables = {n: net.trainable_variables for n, net in model.networks().items()}
    gradients = tape.gradient(loss, variables)
    return {n for n, of in gradients.items() if any(g is not None and np.any(g) for g in of)}


# A discriminator that judges passes gradients on; only the table decides whom a loss moves.
@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("d_vae_x", {"encoder_x", "decoder_x"}),
        ("d_vae_y", {"encoder_y", "decoder_y"}),
        ("disc_h", {"disc_h"}),
        ("align", {"encoder_x", "encoder_y", "disc_h"}),
        ("disc_c", {"disc_c"}),
        ("translate", {"translator", "disc_c"}),
        ("pose", {"encoder_x", "translator", "decoder_y"}),
    ],
)
def test_a_loss_reaches_the_networks_that_its_equation_moves_and_its_judge(full, name, reached):
    assert networks_reached_by(full, name) == reached
    moved = {e.name: set(e.moves) for e in objective.EQUATIONS}[name]
    judges = {"align": {"disc_h"}, "translate": {"disc_c"}}
    assert moved == reached - judges.get(name, set())


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, set()),
        ({"latent": "unified"}, {"disc_h", "align", "disc_c", "translate"}),
        ({"latent": "rgb_context"}, {"disc_c", "translate"}),
        ({"use_disc_h": False}, {"disc_h", "align"}),
        ({"use_disc_c": False}, {"disc_c"}),
        ({"use_translator": False}, {"disc_c", "translate"}),
    ],
)
def test_equations_of_absent_networks_are_absent(options, absent):
    terms = all_terms(build(**options), random_batch(), seed())
    assert set(terms) == NAMES - absent
    assert all(value.shape == [4] for value in terms.values())


def test_losses_are_the_equations_of_the_forward_pass_at_the_means():
    model, batch = build(weight_kl=0.1), random_batch()
    terms = all_terms(model, batch)
    (q_h_x, q_c_x), (q_h_y, q_c_y) = model.encode_x(batch["x"]), model.encode_y(batch["y"])
    q_hat = model.bridge(q_c_x.mean())
    x_rec = model.decode_x(q_h_x.mean(), q_c_x.mean())
    y_rec = model.decode_y(q_h_y.mean(), q_c_y.mean())
    y_pred = model(batch["x"])
    d_h, d_c = model.adversaries["disc_h"], model.adversaries["disc_c"]
    judged = [d_h(q.mean()) for q in (q_h_x, q_h_y)]
    translated = d_c(q_hat.mean())
    expected = {
        "d_vae_x": losses.d_vae(batch["x"], x_rec, q_h_x, q_c_x, 0.1),
        "d_vae_y": losses.d_vae(batch["y"], y_rec, q_h_y, q_c_y, 0.1),
        "disc_h": losses.disc_h(*judged),
        "align": losses.align(*judged),
        "disc_c": losses.disc_c(translated, d_c(q_c_y.mean())),
        "translate": losses.translate(q_hat.mean(), q_c_y.mean(), translated),
        "pose": losses.pose(batch["y"], y_pred, q_h_x, q_hat, 0.1),
    }
    assert set(expected) == NAMES
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["d_vae_x", "d_vae_y", "pose"])
def test_the_kl_weight_weighs_the_divergences_of_its_equation(name, full, monkeypatch):
    model, batch, weights = full, random_batch(), (0.0, 0.01, 0.3)
    values = {}
    for weight in weights:
        monkeypatch.setattr(model, "config", model.config.replace(weight_kl=weight))
        values[weight] = all_terms(model, batch)[name].numpy()
    (q_h_x, q_c_x), (q_h_y, q_c_y) = model.encode_x(batch["x"]), model.encode_y(batch["y"])
    regularised = {
        "d_vae_x": (q_h_x, q_c_x),
        "d_vae_y": (q_h_y, q_c_y),
        "pose": (q_h_x, model.bridge(q_c_x.mean())),
    }[name]
    kl = np.sum([latent.kl_to_prior(q).numpy() for q in regularised], axis=0)
    assert kl.min() > 1  # nats; a weight that were ignored would show
    for weight in weights:
        np.testing.assert_allclose(values[weight] - values[0.0], weight * kl, rtol=1e-3, atol=1e-5)


def test_direct_regression_has_eq_8s_error_alone():
    model = variants.from_config(config.Config(modality="2d", latent="none", joint_width=16))
    batch = random_batch()
    (equation,) = objective.equations(model)
    assert equation.name == "pose"
    encoded = objective.encode(model, batch, reads=equation.reads)
    assert not encoded.codes
    terms = objective.evaluate([equation], encoded)
    expected = np.linalg.norm(batch["y"] - model(batch["x"]), axis=-1).mean(1)
    np.testing.assert_allclose(terms["pose"], expected, rtol=1e-5)


def test_direct_regression_sees_the_side_and_drops_out_in_training():
    options = {"joint_width": 16, "dropout": 0.4, "side": "input"}
    model = variants.from_config(config.Config(modality="2d", latent="none", **options))
    side = tf.constant([0, 1, 1, 0])
    batch = {**random_batch(), "side": side}
    (equation,) = objective.equations(model)

    def error(seed=None, training=False, side=side):
        encoded = objective.encode(model, {**batch, "side": side}, seed, (), training)
        return objective.evaluate([equation], encoded)["pose"].numpy()

    y_pred = model(batch["x"], tf.cast(side, tf.float32)[:, None])
    expected = np.linalg.norm(batch["y"] - y_pred, axis=-1).mean(1)
    np.testing.assert_allclose(error(), expected, rtol=1e-5)
    assert (error() != error(side=1 - side)).all()
    dropped = error(seed(), True)
    np.testing.assert_array_equal(error(seed(), True), dropped)
    assert (error(seed() + 1, True) != dropped).all()
    np.testing.assert_allclose(error(seed()), expected, rtol=1e-5)


def test_each_use_of_a_network_has_the_training_flag_and_dropout_of_its_own(monkeypatch):
    model = build(dropout=0.4, side="input")
    batch = {**random_batch(), "side": tf.constant([0, 1, 1, 0])}
    uses = []
    for name in ("encode_x", "encode_y", "decode_x", "decode_y"):
        use = getattr(model, name)

        def watched(*arguments, use=use):
            uses.append(inspect.signature(use).bind(*arguments).arguments)
            return use(*arguments)

        monkeypatch.setattr(model, name, watched)
    all_terms(model, batch, seed(), training=True)
    assert all(use["training"] is True for use in uses)
    # Each encoder once; each decoder for its reconstruction; y's for the prediction too.
    assert len({tuple(use["seed"].numpy()) for use in uses}) == len(uses) == 5
    assert uses[0]["side"].numpy().tolist() == [[0], [1], [1], [0]]


def test_eqs_6_to_8_are_of_one_sample_of_the_translation(full):
    batch = random_batch()
    terms = all_terms(full, batch, seed())
    encoded = objective.encode(full, batch, seed())
    q_hat = full.bridge(encoded.x.z_c)
    z_hat = latent.sample(q_hat, latent.fold(seed(), objective.TRANSLATION))
    assert np.abs(z_hat - q_hat.mean()).min() > 0
    d_c = full.adversaries["disc_c"]
    y_pred = full.decode_y(encoded.x.z_h, z_hat)
    weight_kl = full.config.weight_kl
    expected = {
        "disc_c": losses.disc_c(d_c(z_hat), d_c(encoded.y.z_c)),
        "translate": losses.translate(z_hat, encoded.y.z_c, d_c(z_hat)),
        "pose": losses.pose(batch["y"], y_pred, encoded.x.q_h, q_hat, weight_kl),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4, err_msg=name)


def test_images_are_reconstructed_at_their_own_size():
    model = DCMLS(config.Config(input_size=32, reconstruction_size=16, joint_width=16))
    model.build()
    batch = {
        "x": tf.constant(rng.uniform(-0.5, 0.5, size=(2, 32, 32, 3)), tf.float32),
        "x_target": tf.constant(rng.uniform(-0.5, 0.5, size=(2, 16, 16, 3)), tf.float32),
        "y": random_batch(2)["y"],
    }
    q_h, q_c = model.encode_x(batch["x"])
    error = batch["x_target"] - model.decode_x(q_h.mean(), q_c.mean())
    kl = 1e-6 * (latent.kl_to_prior(q_h) + latent.kl_to_prior(q_c)).numpy()
    expected = np.mean(np.square(error), axis=(1, 2, 3)) + kl
    np.testing.assert_allclose(all_terms(model, batch)["d_vae_x"], expected, rtol=1e-4)


def test_unpaired_examples_count_in_all_losses_but_a_pairs():
    model, batch, others = build(weight_kl=0.1), random_batch(4), random_batch(3)
    alone, apart = all_terms(model, batch), all_terms(model, others)
    terms = all_terms(model, {**batch, "unpaired": others})
    for name in terms:
        both = name not in ("translate", "pose")
        expected = np.concatenate([alone[name], apart[name]]) if both else alone[name]
        np.testing.assert_allclose(terms[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_sum_is_weighted_by_the_options():
    model, batch = build(weight_pose=3.0, weight_align=0.5), random_batch()
    picked = [e for e in objective.EQUATIONS if e.name in ("pose", "align")]
    terms = all_terms(model, batch, seed())
    expected = 3.0 * np.mean(terms["pose"]) + 0.5 * np.mean(terms["align"])
    total = float(objective.weighted_sum(picked, terms, model.config))
    assert total == pytest.approx(expected, rel=1e-5)
    assert float(objective.weighted_sum([], {}, model.config)) == 0


def test_an_equation_can_be_evaluated_from_only_what_it_reads(full):
    batch = random_batch()
    whole = all_terms(full, batch, seed())
    for equation in objective.EQUATIONS:
        encoded = objective.encode(full, batch, seed(), reads=equation.reads)
        assert set(encoded.codes) == set(equation.reads)
        value = objective.evaluate([equation], encoded)[equation.name]
        np.testing.assert_array_equal(value, whole[equation.name])


def test_codes_are_samples_of_their_posteriors_each_with_numbers_of_its_own(full):
    batch = random_batch(400)
    encoded = objective.encode(full, batch, seed())
    noise = {}
    for name, code in encoded.codes.items():
        for part, q, z in (("h", code.q_h, code.z_h), ("c", code.q_c, code.z_c)):
            noise[name + part] = ((z - q.mean()) / q.stddev()).numpy().ravel()
    for values in noise.values():
        assert abs(values.mean()) < 0.05
        assert abs(values.std() - 1) < 0.05
    correlations = np.corrcoef(list(noise.values())) - np.eye(4)
    assert np.abs(correlations).max() < 0.06
    again = objective.encode(full, batch, seed())
    np.testing.assert_array_equal(again.x.z_h, encoded.x.z_h)
