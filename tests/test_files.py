"""What is written is whole or not there."""

import json
import os

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

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


def test_text_and_bytes_replace_what_was_there_and_leave_nothing_beside(tmp_path):
    path = tmp_path / "a.bin"
    for content, expected in (("ü", b"\xc3\xbc"), (b"\x00\xff", b"\x00\xff"), ("", b"")):
        files.write(str(path), content)
        assert path.read_bytes() == expected
    assert os.listdir(tmp_path) == ["a.bin"]


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            files.write_json(tmp_path / "out.json", {"epe_mm": number})
    assert not os.listdir(tmp_path)
    files.write_json(tmp_path / "out.json", {"epe_mm": 1.5})
    assert (tmp_path / "out.json").read_text() == files.as_json({"epe_mm": 1.5})
    assert json.loads((tmp_path / "out.json").read_text()) == {"epe_mm": 1.5}
    assert files.as_json({"a": 1}) == '{\n  "a": 1\n}\n'


def test_a_figure_is_a_png_of_its_size(tmp_path):
    figure = matplotlib.figure.Figure(figsize=(3, 2), dpi=50, facecolor=(1, 0, 0))
    files.write_figure(tmp_path / "red.png", figure)
    with Image.open(tmp_path / "red.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (100, 150, 3)
    assert (pixels == [255, 0, 0]).all()
