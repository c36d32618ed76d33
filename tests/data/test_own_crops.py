"""Hands without pose, cut out for `--unpaired_dir`."""

import json

import numpy as np
import pytest
import raw_trees
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.config import Config
from dcmls_tf.data import own, own_crops, pictures, preparation
from dcmls_tf.errors import UserError


@pytest.mark.parametrize("form", ["plain", "coco"])
def test_crops_are_right_hands_around_their_keypoints(tmp_path, form):
    tree = raw_trees.write_own(
        tmp_path / "raw", training=2, evaluation=1, posed=False, form=form, seed=3
    )
    options = Config(dataset="own", raw_dir=str(tree))
    assert preparation.cut_out(options, str(tmp_path / "crops")) == 6
    found = pictures.in_folder(str(tmp_path / "crops"))
    assert len(found) == 6
    split = own.OwnFolder(str(tree), True).open("training")
    hits = []
    for key, one in enumerate(split.hands):
        pixels = np.asarray(Image.open(tmp_path / "crops" / f"training_{key:06d}.jpg"))
        assert pixels.shape == (256, 256, 3)
        low, high = one.uv.min(0), one.uv.max(0)
        assert pytest.approx((high - low).max() * 1.5, abs=1) == side_of(one)
        uv = (one.uv - own_crops.square(one, 1.5)[:2]) * 256 / side_of(one)
        if one.side == hand.LEFT:
            uv[:, 0] = 256 - uv[:, 0]
        for joint in hand.TIPS:
            u, v = np.clip(uv[joint], 0, 255).astype(int)
            hits.append(np.abs(pixels[v, u] - np.array(hand.joint_colour(joint))).max() < 80)
    assert np.mean(hits) > 0.7  # the others lie under another joint


def side_of(one):
    left, _, right, _ = own_crops.square(one, 1.5)
    return right - left


def test_posed_hands_and_such_without_place_stay_out(tmp_path, caplog):
    tree = raw_trees.write_own(tmp_path / "raw", training=2, evaluation=0)
    path = tree / "training.json"
    content = json.loads(path.read_text())
    for fields in content["photos/training_0.png"]["hands"]:
        del fields["xyz_mm"]
    content["photos/training_0.png"]["hands"][0]["uv"] = [[0, 0, 0]] * 21
    path.write_text(json.dumps(content))
    folder = own.OwnFolder(str(tree), True)
    assert own_crops.write(folder, str(tmp_path / "crops"), 1.5) == 1
    assert "training_0.png, hand 0: has fewer than 6 keypoints; left out" in caplog.text
    for fields in content["photos/training_0.png"]["hands"]:
        fields.pop("side")
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="no hand without xyz_mm could be cut out"):
        own_crops.write(own.OwnFolder(str(tree), True), str(tmp_path / "other"), 1.5)
    with pytest.raises(UserError, match=r"--crops_dir=c: is for --dataset=own"):
        preparation.cut_out(Config(), "c")
