"""Scores of a split: per finger and aligned. `test_report` has those of the protocol."""

import numpy as np
import pytest
from toy_batches import MEAN_SCALE_MM, batches_of, examples, noisy

from dcmls_tf import hand
from dcmls_tf.evaluation import metrics, predictions, scores


def test_a_finger_is_the_mean_of_its_joints():
    rng = np.random.default_rng(0)
    errors, visible = rng.uniform(0, 60, (30, 21)), rng.random((30, 21)) < 0.5
    result = scores.of_errors(errors, visible)
    for metric, fingers in result["per_finger"].items():
        for finger, value in fingers.items():
            joints = [v for n, v in result["per_joint"][metric].items() if n.startswith(finger)]
            assert len(joints) == 4
            assert value == pytest.approx(np.mean(joints))
    assert list(result["per_finger"]["epe_mm"]) == list(hand.FINGERS)


def test_a_finger_that_is_never_seen_is_left_out():
    values = np.arange(21.0)
    values[5:9] = np.nan
    values[9] = np.nan
    found = metrics.by_finger(values)
    np.testing.assert_allclose(found, [2.5, np.nan, 11, 14.5, 18.5])
    visible = np.ones((3, 21), bool)
    visible[:, 5:9] = False
    fingers = scores.of_errors(np.ones((3, 21)), visible)["per_finger"]["epe_mm"]
    assert list(fingers) == ["thumb", "middle", "ring", "little"]


def test_aligned_errors_are_of_any_scale_and_smaller():
    data = examples()
    evaluated = predictions.collect(noisy, batches_of(data))
    small = predictions.collect(lambda batch: 0.5 * noisy(batch), batches_of(data))
    result, of_small = (scores.of_split(e, MEAN_SCALE_MM) for e in (evaluated, small))
    assert result["aligned"]["epe_mm"] < result["epe_mm"]
    assert of_small["aligned"]["epe_mm"] == pytest.approx(result["aligned"]["epe_mm"], rel=1e-4)
    assert abs(of_small["epe_mm"] - result["epe_mm"]) > 1
    assert result["mmpose"]["MPJPE"] == pytest.approx(result["scale_mean"]["epe_mm_mean"])
