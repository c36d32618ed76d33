"""Prepared records that are damaged: the file is named, wherever it is noticed."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import raw_trees
import tensorflow as tf

from dcmls_tf import runs
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation, records
from dcmls_tf.errors import UserError

SMALL: dict[str, Any] = {
    "joint_width": 16, "disc_width": 8, "batch_size": 2, "validation_percent": 25, "epochs": 1,
    "input_size": 32, "reconstruction_size": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A raw folder, and a data folder with its examples, with and without pictures."""
    folder = tmp_path_factory.mktemp("prepared")
    raw_trees.write_rhd(folder / "raw", training=8, evaluation=2)
    for images in (True, False):
        preparation.prepare("rhd", str(folder / "raw"), str(folder / "data"), images)
    return folder


def _file(data: Path, modality: str, split: str = "training") -> Path:
    kind = "images" if modality == "rgb" else "joints"
    (path,) = data.rglob(f"*-{kind}-*/1.1.0/rhd-{split}.tfrecord*")
    return path


def _flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)


def _cut(path: Path, place: float) -> None:
    path.write_bytes(path.read_bytes()[: int(place * path.stat().st_size)])


def _config(prepared: Path, tmp_path: Path, modality: Any) -> Config:
    data = shutil.copytree(prepared / "data", tmp_path / "data")
    places: dict[str, Any] = {"raw_dir": str(prepared / "raw"), "data_dir": str(data)}
    return Config(**SMALL, **places, modality=modality, run_dir=str(tmp_path / "run"))


@pytest.mark.parametrize("modality", ["2d", "rgb"])
@pytest.mark.parametrize(
    ("spoil", "place"), [(_flip, 0.5), (_flip, 0.0), (_flip, 0.3), (_cut, 0.6), (_cut, 0.0001)]
)
def test_reading_damaged_records_names_their_file(prepared, tmp_path, modality, spoil, place):
    config = _config(prepared, tmp_path, modality)
    path = _file(tmp_path / "data", modality)
    spoil(path, place)
    builder = preparation.from_config(config)
    with pytest.raises(UserError, match=path.name), records.damage_named(builder):
        for _ in pipeline.training_batches(builder, config).take(8):
            pass


def test_a_run_on_damaged_records_ends_in_their_name(prepared, tmp_path):
    config = _config(prepared, tmp_path, "2d")
    path = _file(tmp_path / "data", "2d")
    _flip(path, 0.5)
    run = runs.Run(config, tf.distribute.OneDeviceStrategy("/cpu:0"))
    with pytest.raises(UserError, match=rf"{path.name}: is damaged or cut off .*prepared again"):
        run.train()


def test_other_errors_stay_what_they_are(prepared, tmp_path):
    builder = preparation.from_config(_config(prepared, tmp_path, "2d"))
    assert records.first_damaged(builder) is None
    with pytest.raises(tf.errors.InvalidArgumentError), records.damage_named(builder):
        tf.debugging.assert_equal(1, 2)
    with pytest.raises(UserError, match="a picture does not decode"), records.damage_named(builder):
        tf.io.decode_png(b"no picture")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"[" * 100_000])
def test_damaged_metadata_of_prepared_data_are_named(prepared, tmp_path, name, content):
    config = _config(prepared, tmp_path, "2d")
    (_file(tmp_path / "data", "2d").parent / name).write_bytes(content)
    try:
        builder = preparation.from_config(config)
    except UserError as error:
        assert "--data_dir" in str(error)
        assert "prepared again" in str(error)
    else:  # what is not needed, or made anew, does no harm
        assert pipeline.num_examples(builder, "training") == 8


def test_a_shard_that_is_gone_is_named(prepared, tmp_path):
    config = _config(prepared, tmp_path, "rgb")
    path = _file(tmp_path / "data", "rgb")
    path.unlink()
    builder = preparation.from_config(config)
    with pytest.raises(UserError, match=path.name), records.damage_named(builder):
        next(iter(pipeline.training_batches(builder, config)))
