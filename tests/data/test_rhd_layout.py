"""RHD's names, against a tree that was written without them."""

import pickle

import numpy as np
import pytest

from dcmls_tf.data import rhd_layout


@pytest.mark.parametrize("split", ["training", "evaluation"])
def test_names_are_those_of_the_official_folder(rhd_tree, split):
    assert rhd_layout.image_path("raw", split, "depth", 42) == f"raw/{split}/depth/00042.png"
    assert (rhd_tree / split / "mask" / "00003.png").samefile(
        rhd_layout.image_path(rhd_tree, split, "mask", 3)
    )
    with open(rhd_layout.annotation_path(rhd_tree, split), "rb") as file:
        annotation = pickle.load(file)[0]
    assert {name: np.shape(value) for name, value in annotation.items()} == rhd_layout.FIELDS
