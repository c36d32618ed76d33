"""The terms of each variant, and what their gradients can reach."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config, losses, objective
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)
SEED = tf.constant([1, 2])


def build(**options):
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8, **options))
    model.build()
    return model


def random_batch(count=4):
    shapes = {"x": (count, 21, 2), "y": (count, 21, 3)}
    return {k: tf.constant(rng.normal(size=s), tf.float32) for k, s in shapes.items()}


@pytest.fixture(scope="module")
def full():
    """The whole model, for the tests that change nothing in it."""
    return build()


def all_terms(model, batch, *options, **named):
    """Every term of a variant from one pass."""
    forward = objective.Forward(model, batch, *options, **named)
    return objective.terms(forward, objective.term_names(model))


def networks_reached_by(model, name):
    """Networks with a gradient from one term."""
    batch = random_batch()
    with tf.GradientTape() as tape:
        loss = all_terms(model, batch, SEED)[name]
    variables = {n: net.trainable_variables for n, net in model.networks().items()}
    gradients = tape.gradient(loss, variables)
    return {n for n, of in gradients.items() if any(g is not None and np.any(g) for g in of)}


# A discriminator that judges passes gradients on; only `MOVES` decides whom a term moves.
@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("d_vae_x", set()),
        ("d_vae_y", set()),
        ("disc_h", set()),
        ("align", {"disc_h"}),
        ("disc_c", set()),
        ("translate", {"disc_c"}),
        ("pose", set()),
    ],
)
def test_a_term_reaches_the_networks_it_moves_and_its_judge(full, name, judge):
    assert networks_reached_by(full, name) == set(objective.MOVES[name]) | judge


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
def test_terms_of_absent_networks_are_absent(options, absent):
    model = build(**options)
    terms = all_terms(model, random_batch(), SEED)
    assert set(terms) == set(objective.MOVES) - absent == set(objective.term_names(model))
    assert all(value.shape == [4] for value in terms.values())


def test_terms_are_the_equations_of_the_forward_pass_at_the_means():
    model, batch = build(weight_kl=0.1), random_batch()
    terms = all_terms(model, batch, training=False)
    (q_h_x, q_c_x), (q_h_y, q_c_y) = model.encode_x(batch["x"]), model.encode_y(batch["y"])
    q_hat = model.translate(q_c_x.mean())
    y_rec = model.decode_y(q_h_y.mean(), q_c_y.mean())
    y_pred = model(batch["x"])
    judged = [model.disc_h(q.mean()) for q in (q_h_x, q_h_y)]
    translated = model.disc_c(q_hat.mean())
    expected = {
        "d_vae_y": losses.d_vae(batch["y"], y_rec, q_h_y, q_c_y, 0.1),
        "disc_h": losses.disc_h(*judged),
        "align": losses.align(*judged),
        "disc_c": losses.disc_c(translated, model.disc_c(q_c_y.mean())),
        "translate": losses.translate(q_hat.mean(), q_c_y.mean(), translated),
        "pose": losses.pose(batch["y"], y_pred, q_h_x, q_hat, 0.1),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4, err_msg=name)


def test_unpaired_examples_count_in_all_terms_but_a_pairs():
    model, batch, others = build(weight_kl=0.1), random_batch(4), random_batch(3)
    alone = all_terms(model, batch, training=False)
    apart = all_terms(model, others, training=False)
    terms = all_terms(model, {**batch, "unpaired": others}, training=False)
    for name in terms:
        both = name not in ("translate", "pose")
        expected = np.concatenate([alone[name], apart[name]]) if both else alone[name]
        np.testing.assert_allclose(terms[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_sum_is_weighted_by_the_options():
    model, batch = build(weight_pose=3.0, weight_align=0.5), random_batch()
    terms = all_terms(model, batch, SEED)
    picked = {name: terms[name] for name in ("pose", "align")}
    expected = 3.0 * np.mean(terms["pose"]) + 0.5 * np.mean(terms["align"])
    assert float(objective.weighted_sum(picked, model.config)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [("d_vae_x", {"x"}), ("d_vae_y", {"y"}), ("pose", {"x"}), ("align", {"x", "y"})],
)
def test_an_equation_encodes_only_what_it_reads(full, name, encoded, monkeypatch):
    seen = set()
    for modality in ("x", "y"):
        encode = getattr(full, f"encode_{modality}")

        def spy(*args, modality=modality, encode=encode):
            seen.add(modality)
            return encode(*args)

        monkeypatch.setattr(full, f"encode_{modality}", spy)
    objective.terms(objective.Forward(full, random_batch(), SEED), [name])
    assert seen == encoded
