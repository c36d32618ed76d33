"""Inputs as users give them: files, folders, globs, camera numbers."""

import os

import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.photos import sources


def test_inputs_are_files_folders_globs_and_cameras(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", "v.mp4", "a.hands.png"):
        (tmp_path / name).write_bytes(b"")
    named = [(s.kind, s.name.split("/")[-1]) for s in sources.find([str(tmp_path)])]
    assert named == [("picture", "a.JPG"), ("picture", "b.png"), ("video", "v.mp4")]
    globbed = sources.find([str(tmp_path / "*.png"), str(tmp_path / "b.png"), "0"])
    assert [s.name.split("/")[-1] for s in globbed] == ["a.hands.png", "b.png", "0"]
    assert globbed[-1].kind == "camera"
    for missing in (tmp_path / "c.png", tmp_path / "*.gif"):
        with pytest.raises(UserError, match="--input="):
            sources.find([str(missing)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        sources.find([str(tmp_path / "empty")])


def test_pictures_alone(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    assert sources.pictures([str(tmp_path)]) == [str(tmp_path / n) for n in ("a.png", "b.png")]
    (tmp_path / "v.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"v\.mp4 is a video; give pictures here"):
        sources.pictures([str(tmp_path)])


def test_links_that_lead_nowhere_stay_to_be_named(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "none")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    assert sources.pictures([str(tmp_path)]) == [str(tmp_path / n) for n in ("a.png", "b.png")]


def test_names_are_shown_as_text():
    assert sources.shown("Hände/手.png") == "Hände/手.png"
    assert sources.shown(os.fsdecode(b"a\xff\xc3.png")) == "a\\xff\\xc3.png"
