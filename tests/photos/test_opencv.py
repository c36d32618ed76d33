"""OpenCV as it is loaded: the range that `setup.py` declares is the one that the stacks test."""

import re
from pathlib import Path

import pytest

from dcmls_tf.photos import opencv

ROOT = Path(__file__).parents[2]
NAME = "opencv-python-headless"


def locked(file):
    (version,) = re.findall(rf"^{NAME}==([\d.]+)", (ROOT / file).read_text(), re.MULTILINE)
    return [int(part) for part in version.split(".")]


def test_both_ends_of_the_range_are_a_stacks():
    (low, high) = re.findall(rf'"{NAME}>=([\d.]+),<(\d+)"', (ROOT / "setup.py").read_text())[0]
    assert ".".join(map(str, locked("requirements-addons.txt")[:2])) == low
    assert locked("requirements.txt")[0] + 1 == int(high)


def test_it_is_loaded_silent():
    cv2 = pytest.importorskip("cv2")
    assert opencv.load() is cv2
    where = getattr(cv2.utils, "logging", cv2)
    assert where.getLogLevel() == opencv.SILENT
