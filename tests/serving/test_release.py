"""Runs made into models that ship, by `api.release` on real data; what does not ship."""

import os

import hand_files
import numpy as np
import pytest
import raw_trees

from dcmls_tf import api, checkpoints, pretrained
from dcmls_tf.errors import UserError
from dcmls_tf.serving import shipped
from dcmls_tf.serving.tflite import TFLiteModel


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run of keypoints with its data."""
    folder = tmp_path_factory.mktemp("released")
    raw_trees.write_rhd(folder / "hands", training=20, evaluation=12, images=False)
    return hand_files.write_run(
        folder / "run",
        modality="2d",
        raw_dir=str(folder / "hands"),
        data_dir=str(folder / "data"),
        initial_run=str(folder / "another"),
    )


def test_a_model_of_another_modality_is_refused(run_dir, tmp_path):
    with pytest.raises(UserError, match="--rgb_small: is a model of 2d; give one of rgb"):
        api.release("rgb_small", run_dir, str(tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_file_that_is_too_large_is_refused(run_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(shipped.LARGEST, "keypoints", 1000)
    with pytest.raises(UserError, match=r"--keypoints: its file has \d+ bytes; at most 1000 ship"):
        api.release("keypoints", run_dir, str(tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_release_is_a_file_that_needs_nothing_else_and_its_card(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "WITH_NETWORKS", ("keypoints",))
    also = tmp_path / "other_hands"
    raw_trees.write_rhd(also, training=1, evaluation=7, images=False)
    path = api.release("keypoints", run_dir, str(tmp_path / "box"), also=[str(also)])
    names = [f"keypoints.{ending}" for ending in ("md", "npz", "tflite")]
    assert sorted(os.listdir(tmp_path / "box")) == names
    model, *_ = checkpoints.load_model(run_dir)
    before = model.networks()["encoder_y"].weights[0].numpy()
    model.networks()["encoder_y"].weights[0].assign(0 * before)
    pretrained.restore(model, str(tmp_path / "box" / names[1]))
    after = model.networks()["encoder_y"].weights[0].numpy()
    np.testing.assert_allclose(after, before, rtol=2**-11, atol=1e-7)
    metadata = TFLiteModel(path).metadata
    assert (metadata["precision"], metadata["checkpoint_step"]) == ("dynamic", hand_files.STEP)
    config = metadata["config"]
    assert (config["raw_dir"], config["initial_run"]) == ("hands", "another")
    assert not [value for value in config.values() if "/" in str(value)]
    card = (tmp_path / "box" / "keypoints.md").read_text(encoding="utf-8")
    (own,) = (line for line in card.splitlines() if line.startswith("| `hands`, evaluation |"))
    (other,) = (line for line in card.splitlines() if line.startswith("| `other_hands`,"))
    samples, epe, _, of_checkpoint = own.strip("| ").split(" | ")[1:]
    assert int(samples) == 12
    np.testing.assert_allclose(float(epe), float(of_checkpoint), atol=1.0)
    assert other.strip("| ").split(" | ")[1] == "7"
    # The data was not rendered here, and the card does not say so.
    assert "Trained on rhd, whose terms reach the weights" in card
