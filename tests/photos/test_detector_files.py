"""The hand detector's networks in the user's cache."""

import os
import subprocess
import sys

import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.photos import detector_files


def test_damaged_networks_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    os.makedirs(detector_files.cache_folder())
    for name in detector_files.NETWORKS:
        with open(os.path.join(detector_files.cache_folder(), name), "wb") as file:
            file.write(b"damaged")
    asked = []
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, **_: (
            asked.append(command) or subprocess.CompletedProcess(command, 1, "", "no network")
        ),
    )
    with pytest.raises(UserError, match="pip: no network") as raised:
        detector_files.networks()
    assert asked[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert "--box" in str(raised.value)
    assert detector_files.cache_folder() in str(raised.value)
