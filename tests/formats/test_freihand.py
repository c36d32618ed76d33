"""FreiHAND's `pred.json`: in the order of its numbers, in metres."""

import dataclasses

import answer_files
import numpy as np
import raw_trees

from dcmls_tf import hand
from dcmls_tf.formats import answers, freihand


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    rng = np.random.default_rng(0)
    poses = [raw_trees.random_hand(rng) + [0, 0, 600] for _ in range(3)]
    names = ["x/00000002.jpg", "x/00000000.jpg", "x/00000001.jpg"]
    content = [(name, [(xyz, hand.RIGHT, None)]) for name, xyz in zip(names, poses, strict=True)]
    pictures = answers.read(answer_files.write(tmp_path / "p.json", content))
    (xyz, vertices), without = freihand.predictions(pictures)
    assert without == 0
    np.testing.assert_allclose(xyz, np.array([poses[1], poses[2], poses[0]]) / 1000, atol=1e-5)
    assert np.shape(vertices) == (3, 778, 3)


def test_the_surest_hand_counts_and_none_is_zeros(tmp_path):
    rng = np.random.default_rng(1)
    hands = [(raw_trees.random_hand(rng) + [0, 0, 600], hand.RIGHT, None) for _ in range(2)]
    content = [("0.jpg", hands), ("1.jpg", [])]
    pictures = answers.read(answer_files.write(tmp_path / "p.json", content))
    surer = dataclasses.replace(pictures[0].hands[1], score=0.95)
    pictures[0].hands[1] = surer
    (xyz, _), without = freihand.predictions(pictures)
    assert without == 1
    np.testing.assert_allclose(xyz[0], hands[1][0] / 1000, atol=1e-5)
    np.testing.assert_array_equal(xyz[1], np.zeros((21, 3)))
