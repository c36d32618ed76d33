"""Error bars: factors that hold on other hands, and what counts."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import geometry
from dcmls_tf.serving import calibration
from dcmls_tf.serving.calibration import Spread

rng = np.random.default_rng(0)


def _spread(hands, scale):
    std = rng.uniform(0.5, 2, (hands, 21)) * 0.01
    error = np.abs(rng.normal(size=(hands, 21))) * std * scale
    error[:, 0] = 0
    return Spread(error, std, np.ones((hands, 21), bool))


def test_factors_make_normal_errors_lie_within_their_bars():
    scale = rng.uniform(20, 200, 21)
    spread = _spread(4000, scale)
    factors = calibration.std_factors(spread)
    assert factors[0] == 1
    np.testing.assert_allclose(factors[1:], scale[1:], rtol=0.06)
    for others in (_spread(4000, scale), spread):
        assert calibration.coverage(others, factors) == pytest.approx(0.683, abs=0.01)
        assert calibration.coverage(others, factors, 2.0) == pytest.approx(0.954, abs=0.01)
    assert calibration.on_others(spread) == pytest.approx(0.683, abs=0.01)
    assert calibration.on_others(spread, 2.0) == pytest.approx(0.954, abs=0.01)


def test_factors_are_worth_what_they_are_on_hands_that_they_do_not_know():
    """Every second hand's errors are twice as large: each half is judged by the other's bars."""
    spread = _spread(8000, np.full(21, 10.0))
    spread.error[1::2] *= 2
    ratio = spread.error[:, 1:] / spread.std[:, 1:]
    known, wide = (np.quantile(ratio[start::2], [0.683]) for start in (0, 1))
    expected = np.mean([(ratio[1::2] < known).mean(), (ratio[::2] < wide).mean()])
    assert calibration.on_others(spread) == pytest.approx(expected, abs=0.02)
    assert calibration.coverage(spread, calibration.std_factors(spread)) > expected + 0.02


def test_errors_with_long_tails_are_off_by_as_much_at_one_bar_as_at_two():
    std = rng.uniform(0.5, 2, (8000, 21))
    error = np.abs(rng.standard_t(3, size=(8000, 21))) * std
    error[:, 0] = 0
    spread = Spread(error, std, np.ones((8000, 21), bool))
    one, two = (calibration.on_others(spread, times) for times in (1.0, 2.0))
    assert one - 0.683 == pytest.approx(0.954 - two, abs=0.01)
    assert one - 0.683 > 0.01


def test_joints_that_are_not_seen_do_not_count():
    spread = _spread(2000, np.full(21, 10.0))
    visible = rng.random((2000, 21)) < 0.5
    wild = np.where(visible, spread.error, 99.0)
    factors = calibration.std_factors(Spread(wild, spread.std, visible))
    np.testing.assert_allclose(factors[1:], 10, rtol=0.12)
    assert calibration.coverage(Spread(wild, spread.std, visible), factors) < 0.7


def _batch(off_px):
    xyz_mm = tf.constant(rng.normal(0, 40, (6, 21, 3)) + [0, 0, 600], tf.float32)
    K = tf.constant(np.tile([[300.0, 0, 160], [0, 300, 160], [0, 0, 1]], (6, 1, 1)), tf.float32)
    uv = geometry.project(xyz_mm, K) + tf.constant(off_px, tf.float32)[:, None, None]
    return {
        "x": tf.constant(rng.normal(size=(6, 21, 2)), tf.float32),
        "y": tf.constant(rng.normal(size=(6, 21, 3)), tf.float32),
        "side": tf.zeros([6], tf.int64),
        "visible": tf.ones([6, 21], tf.bool),
        "uv": uv,
        "xyz_mm": xyz_mm,
        "K": K,
    }


class _File:
    """Says x and its sum for a pose, and samples that lie around it."""

    def predict(self, batch):
        x = np.asarray(batch["x"])
        return np.concatenate([x, x.sum(-1, keepdims=True)], -1)

    def sample(self, seed, batch):
        noise = np.random.default_rng(seed).normal(size=(4, 21, 3))
        return self.predict(batch) + 0.1 * noise


def test_detected_hands_alone_count_where_there_are_any():
    model = _File()
    mixed = _batch([0, 3, 0, 3, 3, 0])
    spread = calibration.measure(model, [mixed, mixed])
    assert spread.error.shape == (6, 21)
    expected = np.linalg.norm(model.predict(mixed) - mixed["y"], axis=-1)[[1, 3, 4]]
    np.testing.assert_allclose(spread.error[:3], expected, rtol=1e-4)
    noise = np.random.default_rng(0).normal(size=(4, 21, 3))
    std = 0.1 * np.sqrt(noise.var(0).sum(-1))
    np.testing.assert_allclose(spread.std, np.tile(std, (6, 1)), rtol=1e-4)
    exact = calibration.measure(model, [_batch(np.zeros(6))])
    assert exact.error.shape == (6, 21)
