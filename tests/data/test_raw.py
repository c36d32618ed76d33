"""What readers share; also that the dicts of `examples` have the fields that are stored."""

import os

import numpy as np
import pytest
import raw_trees

from dcmls_tf.data import examples, raw, rhd, stb
from dcmls_tf.errors import UserError


@pytest.mark.parametrize("images", [True, False])
def test_what_is_read_is_what_is_stored(rhd_tree, stb_tree, images):
    folders: list[raw.RawFolder] = [
        rhd.RhdFolder(str(rhd_tree), images),
        stb.StbFolder(str(stb_tree), images, "left"),
    ]
    names = set(raw.features(images))
    for folder in folders:
        for split in folder.splits:
            stored = list(raw.examples(folder.open(split)))
            assert {name for example in stored for name in example} == names
    fields = set(examples.CanonicalExample.__annotations__) - {"window", "window_box"}
    assert fields == set(raw.features(True))
    assert set(examples.RawExample.__annotations__) == set(raw.features(True))


def test_points_project_as_elsewhere():
    points = np.random.default_rng(0).normal([0, 0, 500], 40, (7, 3))
    expected = raw_trees.project(points, raw_trees.RHD_K)
    np.testing.assert_allclose(raw.project(points, raw_trees.RHD_K), expected)


def test_an_image_is_kept_as_it_is_on_disk(rhd_tree, tmp_path):
    path = rhd_tree / "training" / "color" / "00000.png"
    assert raw.read_image(str(path)) == path.read_bytes()
    (tmp_path / "bad.png").write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"bad\.png is damaged or no PNG"):
        raw.read_image(str(tmp_path / "bad.png"))


def test_a_fingerprint_follows_contents_and_lists(tmp_path):
    (tmp_path / "labels").write_text("one")
    (tmp_path / "color").mkdir()

    def fingerprint():
        return raw.fingerprint([str(tmp_path / "labels")], [str(tmp_path / "color")])

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


def test_frames_left_out_are_counted(caplog):
    raw.warn_left_out(0, 5, "STB training")
    assert not caplog.records
    raw.warn_left_out(2, 5, "STB training")
    assert "STB training: 2 of 5 annotated frames have no image" in caplog.text
