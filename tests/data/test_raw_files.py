"""Files of raw folders: kept as they are, and from nowhere else."""

import os

import pytest

from dcmls_tf.data import raw_files
from dcmls_tf.errors import UserError


def test_an_image_is_kept_as_it_is_on_disk(rhd_tree, tmp_path):
    path = rhd_tree / "training" / "color" / "00000.png"
    assert raw_files.read_image(str(path), str(rhd_tree)) == path.read_bytes()
    (tmp_path / "bad.png").write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"bad\.png: is damaged or no PNG"):
        raw_files.read_image(str(tmp_path / "bad.png"), str(tmp_path))


def test_links_of_files_lead_nowhere_else(tmp_path):
    root, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    for folder in (root, elsewhere):
        folder.mkdir()
        (folder / "a.png").write_bytes(b"some")
    links = {
        "out.png": elsewhere / "a.png",
        "up.png": "../elsewhere/a.png",
        "twice.png": root / "out.png",
        "within.png": root / "a.png",
        "loop.png": root / "loop.png",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / "folder").symlink_to(elsewhere)  # the user's own, and seen at once
    (elsewhere / "beside.png").symlink_to(elsewhere / "a.png")
    for name in ("a.png", "within.png", "folder/a.png", "folder/beside.png"):
        assert raw_files.read_file(str(root / name), str(root)) == b"some"
    for name in ("out.png", "up.png", "twice.png"):
        with pytest.raises(UserError, match=rf"{name}: is a link that leads out of .*cp -rL"):
            raw_files.read_file(str(root / name), str(root))
    with pytest.raises(UserError, match=r"loop\.png: cannot be read"):
        raw_files.read_file(str(root / "loop.png"), str(root))
    assert "leads nowhere" in raw_files.missing_image(str(root / "loop.png")).reason
    os.mkfifo(root / "pipe.png")
    for name, said in (("pipe.png", "is no file"), ("folder", "no file|directory")):
        with pytest.raises(UserError, match=said):
            raw_files.read_file(str(root / name), str(tmp_path))


def test_a_fingerprint_follows_contents_and_lists(tmp_path):
    (tmp_path / "labels").write_text("one")
    (tmp_path / "color").mkdir()

    def fingerprint():
        return raw_files.fingerprint([str(tmp_path / "labels")], [str(tmp_path / "color")])

    seen = [fingerprint()]
    (tmp_path / "color" / "0.png").write_bytes(b"0")
    seen.append(fingerprint())
    os.utime(tmp_path / "color" / "0.png", (1, 1))
    seen.append(fingerprint())
    (tmp_path / "labels").write_text("two")
    seen.append(fingerprint())
    assert len(set(seen)) == len(seen)
    assert fingerprint() == seen[-1]
    assert len(seen[0]) == 10
    (tmp_path / "color" / "loop.png").symlink_to(tmp_path / "color" / "loop.png")
    assert fingerprint() != seen[-1]
