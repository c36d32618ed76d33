"""Alignments, against SciPy's rotation and the least squares that they are defined by."""

import numpy as np
import pytest
import raw_trees
from scipy.optimize import minimize
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from dcmls_tf.evaluation import aligned

RNG = np.random.default_rng(0)
TRUTH = np.stack([raw_trees.random_hand(RNG) for _ in range(6)])
NOISY = TRUTH + RNG.normal(0, 8, TRUTH.shape)


def moved(poses, scale=1.7):
    turns = np.stack([raw_trees.random_rotation(RNG) for _ in poses])
    return scale * poses @ turns.transpose(0, 2, 1) + RNG.normal(0, 90, (len(poses), 1, 3))


def test_what_differs_in_place_turn_and_size_alone_is_the_same():
    np.testing.assert_allclose(aligned.procrustes(moved(TRUTH), TRUTH), TRUTH, atol=1e-9)


def test_the_rotation_is_scipys_and_the_scale_the_least_squares():
    pred = moved(NOISY)
    found = aligned.procrustes(pred, TRUTH)
    for one, truth, result in zip(pred, TRUTH, found, strict=True):
        a, b = one - one.mean(0), truth - truth.mean(0)
        turned = Rotation.align_vectors(b, a)[0].apply(a)
        scale = (turned * b).sum() / (turned**2).sum()
        np.testing.assert_allclose(result, scale * turned + truth.mean(0), atol=1e-6)


def test_squares_are_scipys_where_no_mirroring_helps():
    for one, truth in zip(moved(NOISY), TRUTH, strict=True):
        (result,) = aligned.procrustes(one[None], truth[None])
        _, _, disparity = procrustes(truth, one)
        assert ((result - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum() == (
            pytest.approx(disparity)
        )


def test_a_mirrored_hand_stays_another_one():
    mirrored = TRUTH * [-1, 1, 1]
    found = aligned.procrustes(mirrored, TRUTH)
    assert np.linalg.norm(found - TRUTH, axis=-1).mean() > 2

    def squares(v, pose, truth):
        turned = v[3] ** 2 * Rotation.from_rotvec(v[:3]).apply(pose - pose.mean(0)) + v[4:]
        return ((turned - truth) ** 2).sum()

    starts = [[*turn, 1, 0, 0, 0] for turn in Rotation.random(8, rng=RNG).as_rotvec()]
    best = min(minimize(squares, s, (mirrored[0], TRUTH[0])).fun for s in starts)
    assert ((found[0] - TRUTH[0]) ** 2).sum() == pytest.approx(best, rel=1e-3)


def test_a_prediction_of_one_point_becomes_the_mean():
    found = aligned.procrustes(np.ones_like(TRUTH), TRUTH)
    np.testing.assert_allclose(found, np.broadcast_to(TRUTH.mean(1, keepdims=True), TRUTH.shape))
    np.testing.assert_array_equal(aligned.scaled(np.zeros_like(TRUTH), TRUTH), 0)


def test_the_best_scale_leaves_less_than_its_neighbours():
    found = aligned.scaled(3 * NOISY, TRUTH)
    for other in (0.99, 1.01):
        assert (
            ((found - TRUTH) ** 2).sum((1, 2)) <= ((other * found - TRUTH) ** 2).sum((1, 2))
        ).all()
    np.testing.assert_allclose(aligned.scaled(5 * TRUTH, TRUTH), TRUTH)
