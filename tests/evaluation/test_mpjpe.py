"""mmpose's names, recomputed joint by joint."""

import numpy as np
import pytest
import raw_trees

from dcmls_tf.evaluation import aligned, mpjpe

RNG = np.random.default_rng(0)
TRUTH = np.stack([raw_trees.random_hand(RNG) for _ in range(9)])
PRED = 1.2 * TRUTH + RNG.normal(0, 40, TRUTH.shape)
VISIBLE = RNG.random((9, 21)) < 0.7


@pytest.mark.parametrize(
    ("prefix", "pose"),
    [("", PRED), ("P-", aligned.procrustes(PRED, TRUTH)), ("N-", aligned.scaled(PRED, TRUTH))],
)
def test_values_are_those_of_single_joints(prefix, pose):
    distances = [
        float(np.sqrt(((pose[n, j] - TRUTH[n, j]) ** 2).sum()))
        for n, j in zip(*np.nonzero(VISIBLE), strict=True)
    ]
    curve = [sum(d < 5 * step for d in distances) / len(distances) for step in range(31)]
    found = mpjpe.scores(PRED, TRUTH, VISIBLE)
    assert found[f"{prefix}MPJPE"] == pytest.approx(sum(distances) / len(distances))
    assert found[f"{prefix}3DPCK"] == pytest.approx(100 * curve[-1])
    assert found[f"{prefix}3DAUC"] == pytest.approx(100 * sum(curve) / 31)


def test_a_perfect_prediction_is_short_of_its_first_threshold_alone():
    """mmpose counts errors under a threshold, of which the first is 0."""
    found = mpjpe.scores(TRUTH, TRUTH, VISIBLE)
    assert found["MPJPE"] == 0
    assert found["3DPCK"] == 100
    assert found["3DAUC"] == pytest.approx(100 * 30 / 31)
