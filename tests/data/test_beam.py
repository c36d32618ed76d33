"""What Apache Beam prepares is what is prepared one by one, in its order."""

import pytest

pytest.importorskip("apache_beam", reason="is tested with requirements/beam.txt installed")

import shutil

import numpy as np

from dcmls_tf import beam
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.errors import UserError

HERE = beam.options("DirectRunner", ["--direct_running_mode=in_memory"])
TWO_PROCESSES = beam.options("DirectRunner", ["--direct_num_workers=2"])


def prepared(raw_dir, data_dir, beam_options=None, dataset="rhd", images=True):
    builder = preparation.prepare(
        dataset, str(raw_dir), str(data_dir), images, beam_options=beam_options
    )
    splits = builder.info.splits
    return {
        split: list(pipeline.canonical_examples(builder, split, images=images).as_numpy_iterator())
        for split in splits
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for split in expected:
        assert [e["id"] for e in found[split]] == [e["id"] for e in expected[split]]
        for one, other in zip(found[split], expected[split], strict=True):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("dataset", ["rhd", "stb"])
def test_joints_in_the_same_order(dataset, rhd_tree, stb_tree, tmp_path):
    tree = rhd_tree if dataset == "rhd" else stb_tree
    expected = prepared(tree, tmp_path / "one", None, dataset, images=False)
    found = prepared(tree, tmp_path / "beam", HERE, dataset, images=False)
    assert_same(found, expected)
    assert len(found["training"]) >= 12


@pytest.mark.slow
def test_two_processes_store_the_same_images_but_for_those_missing(rhd_tree, tmp_path):
    tree = shutil.copytree(rhd_tree, tmp_path / "raw")
    (tree / "training" / "color" / "00003.png").unlink()
    expected = prepared(tree, tmp_path / "one")
    assert_same(prepared(tree, tmp_path / "beam", TWO_PROCESSES), expected)
    assert len(expected["training"]) == 11


@pytest.mark.slow
def test_a_damaged_image_is_named_and_nothing_is_left_half_done(rhd_tree, tmp_path):
    tree = shutil.copytree(rhd_tree, tmp_path / "raw")
    image = tree / "training" / "color" / "00007.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:99])
    with pytest.raises(UserError, match=r"^--raw_dir: .*00007\.png: is damaged or no PNG"):
        prepared(tree, tmp_path / "data", TWO_PROCESSES)
    image.write_bytes(whole)
    assert len(prepared(tree, tmp_path / "data", TWO_PROCESSES)["training"]) == 12
