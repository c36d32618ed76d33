"""The hand detector's networks in the user's cache."""

import hashlib
import importlib.machinery
import os
import shutil
import subprocess
import sys
import zipfile

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


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Commands that were run, which download a wheel of other networks that are expected."""
    networks = {
        n: (place, hashlib.sha256(n.encode()).hexdigest())
        for n, (place, _) in detector_files.NETWORKS.items()
    }
    monkeypatch.setattr(detector_files, "NETWORKS", networks)
    commands = []

    def run(command, **_):
        commands.append(command)
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(os.path.join(folder, "mediapipe.whl"), "w") as archive:
            for name, (place, _) in networks.items():
                archive.writestr(place, name)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return commands


def test_networks_are_downloaded_once_and_kept(wheel):
    for _ in range(2):
        contents = detector_files.networks()
        assert contents == {name: name.encode() for name in detector_files.NETWORKS}
    assert len(wheel) == 1


def test_without_a_folder_to_keep_them_they_work_from_memory(wheel, tmp_path, capsys):
    (tmp_path / "cache").write_text("no folder")
    contents = detector_files.networks()
    assert contents == {name: name.encode() for name in detector_files.NETWORKS}
    assert "cannot be kept there (Not a directory)" in capsys.readouterr().err


def test_without_pip_uv_downloads_them(wheel, monkeypatch):
    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", {"uv": "/bin/uv"}.get)
    assert detector_files.networks()
    assert wheel[0][:6] == ["/bin/uv", "--quiet", "--no-cache", "tool", "run", "pip"]


def test_without_either_it_is_said_how_to_get_pip(wheel, monkeypatch):
    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"has no pip: install it by .* -m ensurepip") as raised:
        detector_files.networks()
    assert "uv pip install pip" in str(raised.value)
    assert not wheel
