"""Pictures without poses, upright whichever way the camera was held (`images`)."""

import os
from typing import Any

import bombs
import numpy as np
import pytest
import raw_trees
import tensorflow as tf
from PIL import ExifTags, Image

from dcmls_tf.config import Config
from dcmls_tf.data import pictures, pipeline, preparation
from dcmls_tf.errors import UserError
from dcmls_tf.photos import photo

RGB: dict[str, Any] = {
    "input_size": 32,
    "reconstruction_size": 16,
    "batch_size": 3,
    "validation_percent": 20,
}


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        image = np.full((20, 30, 3), 40 * i, np.uint8)
        image[:, :5] = image[:, 25:] = 255  # outside the middle square
        raw_trees.write_png(tmp_path / "some" / f"{i}.png", image)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_the_middle_square_is_read(folder):
    in_folder = pictures.in_folder(str(folder))
    assert len(in_folder) == 4
    for i, picture in enumerate(in_folder):
        np.testing.assert_allclose(
            pictures.read(*picture, 16), np.full((16, 16, 3), 40 * i / 255), atol=1e-6
        )


# EXIF: what of the upright picture the first stored row and the first stored column are.
STORED = {
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda upright: upright[::-1].swapaxes(0, 1),  # left, bottom
}


@pytest.mark.parametrize("orientation", [*STORED, None, 0, 9])
def test_pictures_of_phones_are_upright_in_training_and_in_prediction(tmp_path, orientation):
    upright = np.zeros((32, 48, 3), np.uint8)  # corners in four colours
    upright[:16, :24], upright[:16, 24:] = (250, 0, 0), (0, 250, 0)
    upright[16:, :24], upright[16:, 24:] = (0, 0, 250), (250, 250, 250)
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(STORED[orientation if orientation in STORED else 1](upright).copy())
    path = tmp_path / "phone.jpg"
    stored.save(path, exif=exif, quality=95, subsampling=0)

    @tf.function  # as within a tf.data graph: the orientation is not known when it is traced
    def read(path, orientation):
        return pictures.read(path, orientation, 32)

    (picture,) = pictures.in_folder(str(tmp_path))
    square = read(*(tf.constant(value) for value in picture)).numpy()
    np.testing.assert_allclose(square, upright[:, 8:40] / 255, atol=0.03)
    np.testing.assert_allclose(photo.read(str(path)).pixels, upright, atol=8)


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
        pictures.in_folder(str(tmp_path / "nowhere"))
    (folder / "some" / "9.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"9\.jpg: is damaged"):
        pictures.in_folder(str(folder))
    with pytest.raises(UserError, match="for --modality=rgb"):
        pictures.from_config(Config(unpaired_dir="somewhere", modality="2d"))
    with pytest.raises(UserError, match="--side=input"):
        Config(unpaired_dir="somewhere", side="input")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(bombs.blank_png(20_000, 20_000)), "million pixels"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (os.mkfifo, "is no file"),
        (lambda path: path.write_bytes(b""), "is damaged or no PNG"),
        (lambda path: path.write_bytes(b"GIF89a" + bytes(99)), "is damaged or no PNG"),
    ],
)
def test_costly_and_odd_pictures_are_refused_before_they_are_decoded(folder, spoil, said):
    spoil(folder / "some" / "9.png")
    with pytest.raises(UserError, match=rf"--unpaired_dir: .*9\.png: .*{said}"):
        pictures.in_folder(str(folder))


def test_names_that_are_not_utf_8(rhd_tree, data_dir, folder):
    for number in range(4):
        path = os.fsencode(folder / "some" / f"{number}.png")
        os.rename(path, path.replace(b".png", b"\xff.png"))
    builder = preparation.prepare("rhd", str(rhd_tree), data_dir, True)
    config = Config(**RGB, unpaired_dir=str(folder))
    (batch,) = pipeline.training_batches(builder, config).take(1).as_numpy_iterator()
    assert batch["unpaired"]["x"].shape == (3, 32, 32, 3)
