"""Poses over time: what rests becomes steady, what moves hardly lags, against NumPy."""

from typing import Any

import numpy as np

from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.smoothing import BREADTH_MM, Smoother

FPS = 30.0
JOINTS: Any = np.float32(np.random.default_rng(1).normal(0, 40, (21, 3)))


def pose(joints_mm, track: int | None = 0, side=1):
    region = HandRegion(np.array([0, 0, 100, 80], np.float32), side, track=track)
    joints_mm = np.asarray(joints_mm, np.float32)
    return HandPose(region, joints_mm[:, :2] + 100, joints_mm, np.array([0, 0, 500], np.float32))


def one_euro(values, rate, cutoff, beta):
    """The filter's equations, in order."""

    def alpha(hz):
        return 1 / (1 + rate / (2 * np.pi * hz))

    steady, slope, out = None, None, []
    for value in values:
        change = np.zeros_like(value) if steady is None else (value - steady) * rate
        slope = change if slope is None else alpha(1.0) * change + (1 - alpha(1.0)) * slope
        a = alpha(cutoff + beta * np.abs(slope))
        steady = value if steady is None else a * value + (1 - a) * steady
        out.append(steady)
    return np.array(out)


def test_it_is_the_one_euro_filter_in_hands_breadths():
    noise = np.random.default_rng(2).normal(0, 5, (20, 21, 3))
    smoother = Smoother(1.2, 0.7)
    steady = [smoother([pose(JOINTS + n)], 1 + i / FPS)[0] for i, n in enumerate(noise)]
    expected = one_euro((JOINTS + noise) / BREADTH_MM, FPS, 1.2, 0.7) * BREADTH_MM
    np.testing.assert_allclose([s.joints_mm for s in steady], expected, atol=0.02)
    assert steady[3].uv.shape == (21, 2)
    assert steady[3].root_mm.shape == (3,)


def test_rest_is_steady_and_speed_does_not_lag():
    rng = np.random.default_rng(3)
    smoother = Smoother()
    resting = [
        smoother([pose(JOINTS + rng.normal(0, 3, (21, 3)))], i / FPS)[0].joints_mm
        for i in range(60)
    ]
    assert np.std(resting[20:], axis=0).mean() < 0.6 * 3
    smoother = Smoother()
    for i in range(60):
        truth = JOINTS + [600 * i / FPS, 0, 0]  # a hand's breadth in 4 frames
        (moving,) = smoother([pose(truth)], i / FPS)
    assert np.abs(moving.joints_mm - truth).max() < 25


def test_hands_do_not_mix_and_a_hand_that_was_gone_starts_anew():
    smoother = Smoother()
    first, second = JOINTS, JOINTS + 500
    for i in range(3):
        poses = [pose(first, 0), pose(second, 1)]
        for joints, smoothed in zip((first, second), smoother(poses, i / FPS), strict=True):
            np.testing.assert_allclose(smoothed.joints_mm, joints, atol=1e-3)
    (again,) = smoother([pose(JOINTS - 300, 0)], 5.0)
    np.testing.assert_allclose(again.joints_mm, JOINTS - 300, atol=1e-3)
    (other_side,) = smoother([pose(JOINTS + 40, 0, side=0)], 5.0 + 1 / FPS)
    np.testing.assert_allclose(other_side.joints_mm, JOINTS + 40, atol=1e-3)


def test_regions_without_a_track_are_told_by_their_place():
    smoother = Smoother()
    for i in range(2):
        poses = smoother([pose(JOINTS, None), pose(JOINTS + 500, None)], i / FPS)
    np.testing.assert_allclose(poses[1].joints_mm, JOINTS + 500, atol=1e-3)
