"""What is written is whole or not there."""

import errno
import json
import os

import matplotlib.figure
import numpy as np
import pytest
import small_disks
from PIL import Image

from dcmls_tf import files
from dcmls_tf.errors import UserError


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write(path, "old ü")

    def fail(*_):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        files.write(path, b"new")
    assert path.read_text(encoding="utf-8") == "old ü"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_is_no_file_is_not_replaced(tmp_path):
    """Root could: a report named /dev/null would take the device's place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match=rf"Invalid argument: '{pipe}'"):
        files.write(pipe, "text")
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path, "text")
    assert os.listdir(tmp_path) == ["pipe"]
    assert pipe.is_fifo()


def test_no_more_is_read_than_may_be(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"123")
    assert files.read(path, 3) == b"123"
    for source in (path, "/dev/zero"):
        with pytest.raises(ValueError, match="more than 0 MB"):
            files.read(source, 2)


def test_on_a_full_disk_the_old_file_stays_alone_and_the_error_names_it(tmp_path):
    with small_disks.small_disk(tmp_path / "disk", kilobytes=64) as disk:
        path = disk / "a.txt"
        files.write(path, "old")
        small_disks.fill(disk)
        with pytest.raises(OSError, match="No space left on device") as raised:
            files.write(path, b"new" * 30_000)
        assert raised.value.filename == str(path)
        assert path.read_text() == "old"
        assert {p.name for p in disk.iterdir()} == {"a.txt", "filling"}


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "model"

    def be_interrupted():
        with files.whole_folder(path) as partial:
            os.mkdir(partial)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert os.listdir(tmp_path) == []
    os.mkdir(f"{path}.partial")
    with files.whole_folder(path) as partial:
        assert not os.path.exists(partial)
        os.mkdir(partial)
        files.write(f"{partial}/a", "x")
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "x", "a/b"), "a/b cannot be written (No space left on device); fr"),
        (OSError(errno.EDQUOT, "x", "a/b"), "a/b cannot be written (Disk quota exceeded); free"),
        (OSError(errno.EROFS, "x"), "cannot be written (Read-only file system); make it writable"),
        (RuntimeError("op: f; No space left on device [Op]"), "cannot be written (No space left"),
        (OSError(errno.ENOENT, "No such file", "a"), None),
        (ValueError("a mistake of ours"), None),
    ],
)
def test_what_cannot_be_written_is_told_from_other_errors(error, said):
    found = files.refusal(error)
    assert found == said or (found and said and found.startswith(said))
    with pytest.raises(UserError if said else type(error)), files.writing_to("--out_dir=x"):
        raise error


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
