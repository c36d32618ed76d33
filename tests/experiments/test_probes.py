"""Probes recover what is in a code and nothing else."""

import dataclasses
import json
from typing import cast

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config
from dcmls_tf.data.examples import Batch
from dcmls_tf.evaluation import provenance
from dcmls_tf.experiments import probes
from dcmls_tf.model import DCMLS

rng = np.random.default_rng(0)
COUNT = 300


@pytest.fixture(scope="module")
def factors():
    """Poses that follow from four numbers, and a label that does not."""
    pose_factors = rng.normal(size=(COUNT, 4))
    y = np.tanh(pose_factors @ rng.normal(size=(4, 63))).reshape(COUNT, 21, 3)
    who = rng.integers(5, size=COUNT)
    return pose_factors, y, who


def test_pose_is_recovered_from_what_it_follows_from_alone(factors):
    pose_factors, y, who = factors
    assert probes.pose_r2(pose_factors, y) > 0.85
    assert probes.pose_r2(np.eye(5)[who], y) < 0.1


def test_labels_are_recovered_from_what_they_follow_from_alone(factors):
    pose_factors, _, who = factors
    noisy = np.eye(5)[who] + 0.1 * rng.normal(size=(COUNT, 5))
    accuracy, chance = probes.label_accuracy(noisy, who)
    assert accuracy > chance + 0.5
    assert chance < 0.35
    accuracy, chance = probes.label_accuracy(pose_factors, who)
    assert accuracy < chance + 0.15


def test_a_label_that_occurs_once_is_left_out(factors):
    pose_factors, _, who = factors
    lonely = who.copy()
    lonely[7] = 99
    others = np.delete(pose_factors, 7, 0), np.delete(who, 7)
    assert probes.label_accuracy(pose_factors, lonely) == probes.label_accuracy(*others)


@pytest.fixture(scope="module")
def model():
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8))
    model.build()
    return model


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return [
        cast(
            Batch,
            {
                "x": tf.constant(rng.normal(size=(50, 21, 2)), tf.float32),
                "y": tf.constant(rng.normal(size=(50, 21, 3)), tf.float32),
                "id": tf.constant([f"rhd/training/{50 * k + i:05d}" for i in range(50)]),
            },
        )
        for k in range(2)
    ]


@pytest.fixture(scope="module")
def codes(model, batches):
    return probes.collect(model, batches)


def test_codes_are_the_models_means_and_other_samples_of_each_batch(model, batches, codes):
    assert codes.ids.tolist() == [f"rhd/training/{i:05d}" for i in range(100)]
    for k, batch in enumerate(batches):
        rows = slice(50 * k, 50 * (k + 1))
        q_h_x, q_c_x = model.encode_x(batch["x"])
        q_h_y, _ = model.encode_y(batch["y"])
        np.testing.assert_allclose(codes.z_h_x[rows], q_h_x.mean(), atol=1e-6)
        np.testing.assert_allclose(codes.z_c_x[rows], q_c_x.mean(), atol=1e-6)
        np.testing.assert_allclose(codes.z_h_y[rows], q_h_y.mean(), atol=1e-6)
        np.testing.assert_array_equal(codes.y[rows], batch["y"])
    noise = codes.drawn_h_x - codes.z_h_x
    assert (noise[:50] != noise[50:]).all()


def test_disc_h_accuracy_counts_both_modalities_alike(model, codes):
    expected = 0.5 * np.mean(model.adversaries["disc_h"](codes.drawn_h_x) < 0)
    expected += 0.5 * np.mean(model.adversaries["disc_h"](codes.drawn_h_y) > 0)
    assert probes.disc_h_accuracy(model, codes) == pytest.approx(expected)
    without = DCMLS(config.Config(modality="2d", joint_width=16, use_disc_h=False))
    without.build()
    assert probes.disc_h_accuracy(without, codes) is None


def test_a_fresh_probe_tells_apart_what_differs_and_nothing_else(codes):
    alike = dataclasses.replace(codes, drawn_h_y=codes.drawn_h_x)
    apart = dataclasses.replace(codes, drawn_h_y=codes.drawn_h_x + 5)
    assert probes.modality_accuracy(alike) < 0.6
    assert probes.modality_accuracy(apart) > 0.95


def test_everything_is_measured_and_shown(model, codes):
    identity = np.arange(100) % 4
    measured = probes.measure(model, codes, {"identity": identity})
    accuracy, chance = probes.label_accuracy(codes.z_c_x, identity)
    scores = measured.get("identity")
    assert scores is not None
    assert (scores["z_c"], scores.get("chance")) == (accuracy, chance)
    assert measured["pose_r2"]["z_h"] == probes.pose_r2(codes.z_h_x, codes.y)
    title, *rows = probes.table(measured).splitlines()
    assert title.split() == ["100", "samples", "z_h", "z_c", "chance"]
    names = ["pose_r2", "identity", "disc_h_accuracy", "modality_accuracy"]
    assert [row.split()[0] for row in rows] == names
    assert rows[1].split()[1:] == [f"{v:.3f}" for v in (scores["z_h"], accuracy, chance)]


def test_data_that_was_not_rendered_has_no_labels(codes, tmp_path):
    setting = config.Config(raw_dir=str(tmp_path))
    assert probes.rendered_labels(codes, setting, "training") == {}


def test_shards_do_not_say_who_is_in_them(codes, tmp_path):
    settings = {"version": 4, "format": "shards"}
    (tmp_path / "render_settings.json").write_text(json.dumps(settings))
    setting = config.Config(raw_dir=str(tmp_path))
    assert provenance.source_of(setting) == "rendered"
    assert probes.rendered_labels(codes, setting, "training") == {}


def test_gestures():
    straight = np.stack([np.arange(4), np.zeros(4), np.zeros(4)], 1)
    bent = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    pose = np.concatenate([np.zeros((1, 3)), *[bent] * 5]).astype(float)
    assert probes.gesture(pose) == "fist"
    pose[5:9] = straight
    pose[9:13] = straight
    assert probes.gesture(pose) == "index middle"
