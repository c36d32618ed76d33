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
    with pytest.raises(UserError, match=r"--input=/dev/zero: is no file;"):
        sources.find(["/dev/zero"])
    with pytest.raises(UserError, match=r"--input=9{20}: does not exist"):
        sources.find(["9" * 20])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        sources.find([str(tmp_path / "empty")])


def test_folders_in_folders_and_all_that_cameras_write(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    kinds = {
        "picture": ["a.avif", "a.heic", "a.jfif", "a.JP2"],
        "video": ["a.3gp", "a.flv", "a.mts", "a.webm"],
    }
    for folder in ("b", "b/c", ".hidden"):
        for name in (*kinds["picture"], *kinds["video"]):
            (tmp_path / folder / name).write_bytes(b"")
    found = sources.find([str(tmp_path)])
    for kind, names in kinds.items():
        paths = sorted(str(tmp_path / folder / n) for folder in ("b", "b/c") for n in names)
        assert [s.name for s in found if s.kind == kind] == paths


def test_a_ts_file_is_a_video_or_a_program(tmp_path):
    (tmp_path / "program.ts").write_text("const hand = 5;\n" * 99)
    (tmp_path / "goes.ts").write_text("GOES = 7\n" * 99)
    (tmp_path / "video.ts").write_bytes((b"G" + bytes(187)) * 3)
    (found,) = sources.find([str(tmp_path)])
    assert (found.kind, found.name) == ("video", str(tmp_path / "video.ts"))


def test_addresses_are_inputs():
    given = ["https://a.org/x/hand.jpg?size=9", "rtsp://user:pass@host:554/", "HTTP://a.org/v.mp4"]
    found = sources.find(given)
    assert [s.kind for s in found] == ["address", "stream", "address"]
    assert [s.name for s in found] == given
    assert [sources.file_name(name) for name in given] == ["hand.jpg", "host", "v.mp4"]
    with pytest.raises(UserError, match="is a stream; give files of pictures here"):
        sources.pictures(given[1:2])


def test_pictures_alone(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    assert sources.pictures([str(tmp_path)]) == [str(tmp_path / n) for n in ("a.png", "b.png")]
    (tmp_path / "v.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"v\.mp4 is a video; give files of pictures here"):
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
