"""What a run was trained on is known again wherever it lies, and other data is told."""

import shutil
from typing import Any

import pytest
import raw_trees

from dcmls_tf.config import Config
from dcmls_tf.data import fingerprint, preparation
from dcmls_tf.data.fingerprint import FINGERPRINT_FILE, Fingerprint
from dcmls_tf.errors import UserError


def of(raw_dir, data_dir, modality: Any = "2d"):
    c = Config(raw_dir=str(raw_dir), data_dir=str(data_dir), modality=modality)
    return fingerprint.of(preparation.from_config(c), c)


@pytest.mark.parametrize("modality", ["2d", "rgb"])
def test_a_copy_prepared_elsewhere_is_the_same(rhd_tree, data_dir, tmp_path, modality):
    copied = shutil.copytree(rhd_tree, tmp_path / "copied", copy_function=shutil.copyfile)
    before = of(rhd_tree, data_dir, modality)
    assert before.examples == 12
    assert bool(before.pictures) == (modality == "rgb")
    assert of(copied, tmp_path / "data", modality) == before


def test_other_data_is_told_by_what_differs():
    known = Fingerprint(12, "ids", "labels", "pictures")
    assert known.differences(known) == []
    fewer = Fingerprint(10, "others", "others", "others")
    assert known.differences(fewer) == ["10 training examples, not 12"]
    other = Fingerprint(12, "ids", "others", "others")
    assert known.differences(other) == ["other labels", "other pictures"]
    c = Config(raw_dir="moved", run_dir="runs/a")
    with pytest.raises(UserError, match=r"--raw_dir=moved: is not .* runs/a .* other labels and"):
        fingerprint.check(c, known, other)
    fingerprint.check(c, known, known)


def test_another_tree_has_other_labels_and_pictures(rhd_tree, data_dir, tmp_path):
    (tmp_path / "other").mkdir()
    other = raw_trees.write_rhd(tmp_path / "other", seed=7)
    changes = of(rhd_tree, data_dir, "rgb").differences(of(other, tmp_path / "data", "rgb"))
    assert changes == ["other labels", "other pictures"]


def test_it_survives_saving_and_damage_is_named(tmp_path):
    assert Fingerprint.load(tmp_path) is None
    known = Fingerprint(12, "a", "b", "")
    known.save(tmp_path)
    assert Fingerprint.load(tmp_path) == known
    for content in (b"{", b"[]", b'{"examples": 1}', b"\xff", b"[" * 100_000):
        (tmp_path / FINGERPRINT_FILE).write_bytes(content)
        with pytest.raises(UserError, match=rf"{FINGERPRINT_FILE} is damaged .*; remove it"):
            Fingerprint.load(tmp_path)
    (tmp_path / FINGERPRINT_FILE).unlink()
    (tmp_path / FINGERPRINT_FILE).mkdir()
    with pytest.raises(UserError, match=rf"{FINGERPRINT_FILE} is damaged .*Is a directory"):
        Fingerprint.load(tmp_path)


def test_a_number_stands_for_it_where_hosts_compare():
    numbers = {Fingerprint(12, "ids", labels, "").number for labels in ("a", "b", "c")}
    assert len(numbers) == 3
    assert max(numbers) < 2**40
    assert Fingerprint(12, "ids", "a", "").number in numbers
