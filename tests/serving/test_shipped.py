"""The models in the box: their sizes, their cards, that they run, and what is said without one."""

import os

import numpy as np
import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.serving import shipped
from dcmls_tf.serving.release import RENDERED
from dcmls_tf.serving.tflite import TFLiteModel


def test_keypoints_are_in_the_box():
    assert shipped.KEYPOINTS in shipped.available()


@pytest.mark.parametrize("name", shipped.available())
def test_a_shipped_model_is_small_and_has_a_card_and_no_place_of_its_making(name):
    path = shipped.path(name)
    assert os.path.getsize(path) <= shipped.LARGEST[name]
    with open(os.path.join(shipped.FOLDER, f"{name}.md"), encoding="utf-8") as file:
        card = file.read()
    assert all(f"## {part}" in card for part in ("Data and licence", "Errors", "Use", "Limits"))
    metadata = TFLiteModel(path).metadata
    assert metadata["modality"] == shipped.MODALITIES[name]
    assert f"checkpoint of step {metadata['checkpoint_step']}," in card
    assert not [value for value in metadata["config"].values() if "/" in str(value)]
    # What a licence of weights has to know: whose pictures they saw.
    assert metadata["training_data"]["source"] == "rendered"
    assert RENDERED in card


@pytest.mark.parametrize("name", shipped.available())
def test_a_shipped_model_gives_poses_of_hands(name):
    model = TFLiteModel(shipped.path(name))
    x = np.random.default_rng(0).uniform(-0.3, 0.3, model.x_shape).astype(np.float32)
    batch = {"x": x, "side": np.ones(1, int)}
    pose, poses = model.predict(batch)[0], model.sample(0, batch)
    reach = np.linalg.norm(pose - pose[0], axis=-1).max()
    assert 1.5 < reach < 8  # In bones of the middle finger; from the palm to a tip it is about 4.
    assert np.ptp(poses, axis=0).max() > 1e-3


def test_the_first_that_is_there_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", str(tmp_path))
    with pytest.raises(UserError, match=r"rgb\.tflite: is missing .* or no --box"):
        shipped.path(shipped.RGB, shipped.RGB_SMALL)
    (tmp_path / "rgb_small.tflite").write_bytes(b"a model")
    assert shipped.path(shipped.RGB, shipped.RGB_SMALL) == str(tmp_path / "rgb_small.tflite")
    (tmp_path / "rgb.tflite").write_bytes(b"a model")
    assert shipped.path(shipped.RGB, shipped.RGB_SMALL) == str(tmp_path / "rgb.tflite")
    assert shipped.available() == [shipped.RGB, shipped.RGB_SMALL]
