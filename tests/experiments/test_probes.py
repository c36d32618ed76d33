"""Probes find what is in a code and nothing else."""

import csv
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config
from dcmls_tf.experiments import probes, projector
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


def test_pose_is_found_where_it_is(factors):
    pose_factors, y, who = factors
    assert probes.pose_r2(pose_factors, y) > 0.85
    assert probes.pose_r2(np.eye(5)[who], y) < 0.1


def test_labels_are_found_where_they_are(factors):
    pose_factors, _, who = factors
    accuracy, chance = probes.label_accuracy(
        np.eye(5)[who] + 0.1 * rng.normal(size=(COUNT, 5)), who
    )
    assert accuracy > chance + 0.5
    assert chance < 0.35
    accuracy, chance = probes.label_accuracy(pose_factors, who)
    assert accuracy < chance + 0.15


def test_a_label_that_occurs_once_is_left_out(factors):
    pose_factors, _, who = factors
    lonely = who.copy()
    lonely[7] = 99
    assert probes.label_accuracy(pose_factors, lonely)[1] < 0.5


@pytest.fixture(scope="module")
def codes():
    model = DCMLS(config.Config(modality="2d", joint_width=16, disc_width=8))
    model.build()
    batches = [
        {
            "x": tf.constant(rng.normal(size=(50, 21, 2)), tf.float32),
            "y": tf.constant(rng.normal(size=(50, 21, 3)), tf.float32),
            "id": tf.constant([f"rhd/training/{50 * k + i:05d}" for i in range(50)]),
        }
        for k in range(2)
    ]
    return model, probes.collect(model, batches)


def test_codes_are_the_models(codes):
    model, found = codes
    assert found.z_h_x.shape == found.drawn_h_y.shape == (100, 15)
    assert (found.z_h_x != found.drawn_h_x).any()
    expected = 0.5 * np.mean(model.disc_h(found.drawn_h_x) < 0)
    expected += 0.5 * np.mean(model.disc_h(found.drawn_h_y) > 0)
    assert probes.judged_right(model, found) == pytest.approx(expected)


def test_a_fresh_probe_tells_apart_what_differs_and_nothing_else(codes):
    _, found = codes
    alike = dataclasses.replace(found, drawn_h_y=found.drawn_h_x)
    apart = dataclasses.replace(found, drawn_h_y=found.drawn_h_x + 5)
    assert probes.modality_accuracy(alike) < 0.6
    assert probes.modality_accuracy(apart) > 0.95


def test_everything_is_measured_and_shown(codes):
    model, found = codes
    result = probes.measure(model, found, {"identity": np.arange(100) % 4})
    assert set(result["pose_r2"]) == {"z_h", "z_c"}
    assert result["identity"]["chance"] == pytest.approx(0.25, abs=0.05)
    text = probes.table(result)
    assert f"{result['pose_r2']['z_c']:.3f}" in text
    assert "disc_h_accuracy" in text


def test_gestures():
    straight = np.stack([np.arange(4), np.zeros(4), np.zeros(4)], 1)
    bent = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    pose = np.concatenate([np.zeros((1, 3)), *[bent] * 5]).astype(float)
    assert probes.gesture(pose) == "fist"
    pose[5:9] = straight
    pose[9:13] = straight
    assert probes.gesture(pose) == "index middle"


def test_the_projector_has_a_row_and_a_vector_for_each_code(codes, tmp_path):
    _, found = codes
    folder = projector.write(str(tmp_path / "p"), found, {"identity": np.arange(100)})
    with open(tmp_path / "p" / "metadata.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 200
    assert {row["modality"] for row in rows} == {"x", "y"}
    assert rows[103]["identity"] == "3"
    text = (tmp_path / "p" / "projector_config.pbtxt").read_text()
    name = text.split('tensor_name: "')[1].split('"')[0]
    vectors = tf.train.load_variable(tf.train.latest_checkpoint(folder), name)
    np.testing.assert_array_equal(vectors[100:], found.z_h_y)
