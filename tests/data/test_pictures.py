"""Pictures without poses."""

import numpy as np
import pytest
import raw_trees

from dcmls_tf.config import Config
from dcmls_tf.data import pictures, pipeline, preparation
from dcmls_tf.errors import UserError

RGB = {"input_size": 32, "reconstruction_size": 16, "batch_size": 3, "validation_percent": 20}


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        image = np.full((20, 30, 3), 40 * i, np.uint8)
        image[:, :5] = image[:, 25:] = 255  # outside the middle square
        raw_trees.write_png(tmp_path / "some" / f"{i}.png", image)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_the_middle_square_is_read(folder):
    found = pictures.paths(str(folder))
    assert len(found) == 4
    for i, path in enumerate(found):
        np.testing.assert_allclose(
            pictures.read(path, 16), np.full((16, 16, 3), 40 * i / 255), atol=1e-6
        )


def test_they_come_as_unpaired_x_beside_all_pairs(rhd_tree, data_dir, folder):
    builder = preparation.prepare("rhd", str(rhd_tree), data_dir, True)
    config = Config(**RGB, unpaired_dir=str(folder), augment_hue=0)
    batches = list(pipeline.training_batches(builder, config).take(4).as_numpy_iterator())
    seen = np.concatenate([b["unpaired"]["x"] for b in batches])
    assert seen.shape == (12, 32, 32, 3)
    levels = {round(float(v), 3) for v in np.unique(seen)}
    assert levels == {round(40 * i / 255 - 0.5, 3) for i in range(4)}
    assert batches[0]["unpaired"]["x_target"].shape == (3, 16, 16, 3)
    assert batches[0]["unpaired"]["y"].shape == (3, 21, 3)
    plain = pipeline.training_batches(builder, config.replace(unpaired_dir=""))
    for a, b in zip(batches, plain.as_numpy_iterator(), strict=False):
        np.testing.assert_array_equal(a["x"], b["x"])


def test_bad_folders_are_named(folder, tmp_path):
    with pytest.raises(UserError, match="no pictures"):
        pictures.paths(str(tmp_path / "nowhere"))
    (folder / "some" / "9.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"9\.jpg is damaged"):
        pictures.paths(str(folder))
    with pytest.raises(UserError, match="for --modality=rgb"):
        pictures.of_config(Config(unpaired_dir="somewhere", modality="2d"))
    with pytest.raises(UserError, match="--side=input"):
        Config(unpaired_dir="somewhere", side="input")
