"""What readers share; also that the dicts of `examples` have the fields that are stored."""

import pickle
import shutil

import numpy as np
import pytest
import raw_trees

from dcmls_tf.data import examples, raw, raw_files, rhd, stb
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
    fields = set(examples.CanonicalExample.__annotations__)
    assert fields == set(raw.features(True))
    assert set(examples.RawExample.__annotations__) == set(raw.features(True))


def test_points_project_as_elsewhere():
    points = np.random.default_rng(0).normal([0, 0, 500], 40, (7, 3))
    expected = raw_trees.project(points, raw_trees.RHD_K)
    np.testing.assert_allclose(raw.project(points, raw_trees.RHD_K), expected)


def test_a_generator_stops_at_the_first_bad_sample_and_names_all_ways_on(rhd_tree, tmp_path):
    tree = shutil.copytree(rhd_tree, tmp_path / "raw")
    path = tree / "training" / "color" / "00002.png"
    path.write_bytes(path.read_bytes()[:200])
    split = rhd.RhdFolder(str(tree), images=True).open("training")
    found = raw.examples(split)
    assert [next(found)["id"] for _ in range(2)] == ["rhd/training/00000", "rhd/training/00001"]
    with pytest.raises(raw_files.BadSample, match=r"00002\.png: is damaged.*--check.*--skip_bad"):
        next(found)
    assert raw.example(split, 3)["id"] == "rhd/training/00003"
    with pytest.raises(raw_files.BadSample):
        raw.example(split, 2)
    is_bad = [isinstance(one, UserError) for one in raw.judged(split, raw.keys(split))]
    assert is_bad == [False, False, True, *[False] * 9]


def test_a_bad_sample_reaches_other_processes_whole():
    bad = pickle.loads(pickle.dumps(raw_files.BadSample("a.png", "is none")))
    assert (bad.where, bad.reason) == ("a.png", "is none")
    assert str(bad).startswith("--raw_dir: a.png: is none; ")
