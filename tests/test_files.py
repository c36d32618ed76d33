"""What is written is whole or not there."""

import json
import os

import pytest

from dcmls_tf import files


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write(path, "old ü")

    def fail(*_):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        files.write(path, b"new")
    assert path.read_text(encoding="utf-8") == "old ü"


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "out.json", {"epe_mm": float("nan")})
    assert not os.listdir(tmp_path)
    files.write_json(tmp_path / "out.json", {"epe_mm": 1.5})
    assert json.loads((tmp_path / "out.json").read_text()) == {"epe_mm": 1.5}
