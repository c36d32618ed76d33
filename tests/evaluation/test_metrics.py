"""Metrics against loops, cases derived by hand, and invariances."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.evaluation import metrics

N = 40


@pytest.fixture
def poses():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 40, (N, hand.NUM_JOINTS, 3))
    return truth + rng.normal(0, 15, truth.shape), truth


@pytest.fixture
def visible():
    return np.random.default_rng(1).random((N, hand.NUM_JOINTS)) < 0.7


@pytest.fixture
def errors(poses):
    return metrics.joint_errors_mm(*poses)


def loop_errors(pred, truth):
    return [
        [
            sum((a - b) ** 2 for a, b in zip(p, t, strict=True)) ** 0.5
            for p, t in zip(*s, strict=True)
        ]
        for s in zip(pred, truth, strict=True)
    ]


def loop_per_joint(errors, visible, value):
    """Mean over joints of the mean of `value(error)` over the samples where it is visible."""
    means = []
    for j in range(hand.NUM_JOINTS):
        seen = [value(errors[n][j]) for n in range(len(errors)) if visible[n][j]]
        if seen:
            means.append(sum(seen) / len(seen))
    return sum(means) / len(means)


def one_error(*values):
    """Errors `[N, 21]` with `values` for joint 0; the other joints are to be hidden."""
    errors = np.zeros((len(values), hand.NUM_JOINTS))
    errors[:, 0] = values
    visible = np.zeros(errors.shape, bool)
    visible[:, 0] = True
    return errors, visible


def test_errors_equal_a_loop(poses):
    np.testing.assert_allclose(metrics.joint_errors_mm(*poses), loop_errors(*poses))


def test_a_345_triangle():
    truth = np.zeros((1, hand.NUM_JOINTS, 3))
    pred = truth + [3.0, 0.0, -4.0]
    np.testing.assert_allclose(metrics.joint_errors_mm(pred, truth), 5.0)


def test_epe_equals_a_loop(errors, visible):
    expected = loop_per_joint(errors, visible, lambda e: e)
    assert metrics.epe_mm(errors, visible) == pytest.approx(expected)


def test_plain_mean_and_median_equal_a_loop(errors, visible):
    seen = sorted(errors[n, j] for n in range(N) for j in range(21) if visible[n, j])
    half = len(seen) // 2
    middle = seen[half] if len(seen) % 2 else (seen[half - 1] + seen[half]) / 2
    assert metrics.epe_mm_mean(errors, visible) == pytest.approx(sum(seen) / len(seen))
    assert metrics.epe_mm_median(errors, visible) == pytest.approx(middle)


def test_a_joints_own_values_are_over_the_samples_where_it_is_visible(errors, visible):
    thresholds = [10.0, 25.5]
    for j in range(hand.NUM_JOINTS):
        seen = errors[visible[:, j], j]
        within = [sum(e <= t for e in seen) / len(seen) for t in thresholds]
        assert metrics.joint_epe_mm(errors, visible)[j] == pytest.approx(sum(seen) / len(seen))
        assert metrics.joint_median_mm(errors, visible)[j] == pytest.approx(np.median(seen))
        np.testing.assert_allclose(metrics.joint_pck(errors, visible, thresholds)[j], within)


def test_float32_is_judged_in_double_precision(poses, visible):
    pred, truth = (p.astype(np.float32) for p in poses)
    errors = metrics.joint_errors_mm(pred, truth)
    wide = metrics.joint_errors_mm(pred.astype(np.float64), truth.astype(np.float64))
    np.testing.assert_array_equal(errors, wide)
    single = errors.astype(np.float32)
    assert metrics.epe_mm(single, visible) == metrics.epe_mm(single.astype(float), visible)


def test_visibility_may_be_zeros_and_ones(errors, visible):
    assert metrics.epe_mm(errors, visible.astype(int)) == metrics.epe_mm(errors, visible)


def test_pck_equals_a_loop(errors, visible):
    thresholds = [0.0, 10.0, 20.0, 25.5, 50.0]
    expected = [loop_per_joint(errors, visible, lambda e, t=t: e <= t) for t in thresholds]
    np.testing.assert_allclose(metrics.pck_curve(errors, visible, thresholds), expected)


def test_pck_counts_an_error_equal_to_the_threshold():
    errors, visible = one_error(10.0, 20.0)
    np.testing.assert_array_equal(
        metrics.pck_curve(errors, visible, [9.9, 10, 19.9, 20]), [0, 0.5, 0.5, 1]
    )


def test_per_joint_first_differs_from_the_plain_mean():
    """Joint 0: 3 samples of 10 mm. Joint 1: one of 30 mm, else hidden."""
    errors, visible = one_error(10.0, 10.0, 10.0)
    errors[0, 1], visible[0, 1] = 30.0, True
    assert metrics.epe_mm(errors, visible) == pytest.approx((10 + 30) / 2)
    assert metrics.epe_mm_mean(errors, visible) == pytest.approx((3 * 10 + 30) / 4)
    assert metrics.epe_mm_median(errors, visible) == pytest.approx(10)
    assert metrics.pck_curve(errors, visible, [20.0]) == pytest.approx((1 + 0) / 2)


def test_area_is_of_trapezoids_by_the_range():
    """From 0 to 10 the curve rises evenly to 1/2, from 10 to 40 to 1."""
    expected = (10 * (0 + 0.5) / 2 + 30 * (0.5 + 1) / 2) / 40
    assert metrics.area_under_curve([0, 10, 40], [0, 0.5, 1]) == pytest.approx(expected)
    assert metrics.area_under_curve([0, 10], [0, 0.5]) == pytest.approx(0.25)
    assert metrics.area_under_curve([0, 10, 20], [False, True, True]) == pytest.approx(0.75)


def test_auc_of_a_step():
    """One error of 35 mm: PCK is 0 below and 1 from there on."""
    errors, visible = one_error(35.0)
    one_step = metrics.STEP_MM
    assert metrics.auc(errors, visible, "20_50") == pytest.approx(15 / 30, abs=one_step / 30)
    assert metrics.auc(errors, visible, "0_50") == pytest.approx(15 / 50, abs=one_step / 50)
    # hand3d: thresholds k * 50/19, k = 8..19. 35 mm lies between k = 13 (34.2) and 14, so
    # the trapezoids are 5 of 0, one of half and 5 of 1, out of 11.
    assert metrics.auc(errors, visible, "hand3d") == pytest.approx((0.5 + 5) / 11)


def test_auc_of_evenly_spread_errors():
    """Errors even over 0..50 mm: PCK(t) = t/50, so the mean over a grid is its middle."""
    errors, visible = one_error(*np.linspace(0, 50, 5001))
    assert metrics.auc(errors, visible, "0_50") == pytest.approx(25 / 50, abs=1e-3)
    assert metrics.auc(errors, visible, "20_50") == pytest.approx(35 / 50, abs=1e-3)
    middle = (8 * 50 / 19 + 50) / 2
    assert metrics.auc(errors, visible, "hand3d") == pytest.approx(middle / 50, abs=1e-3)


def test_grids_cover_what_their_names_say():
    ends = {name: (grid[0], grid[-1]) for name, grid in metrics.GRIDS_MM.items()}
    assert ends["20_50"] == (20, 50)
    assert ends["0_50"] == (0, 50)
    assert ends["hand3d"] == (pytest.approx(21.0526, abs=1e-4), 50)
    assert len(metrics.GRIDS_MM["hand3d"]) == 12


@pytest.mark.parametrize("grid", metrics.GRIDS_MM)
def test_auc_is_a_fraction_and_reaches_its_ends(errors, visible, grid):
    assert 0 < metrics.auc(errors, visible, grid) < 1
    assert metrics.auc(np.zeros_like(errors), visible, grid) == pytest.approx(1)
    assert metrics.auc(np.full_like(errors, 51.0), visible, grid) == 0


def test_auc_of_the_curve_is_the_mean_of_the_joints_aucs(errors, visible):
    for grid, thresholds in metrics.GRIDS_MM.items():
        curve = metrics.pck_curve(errors, visible, thresholds)
        assert metrics.auc(errors, visible, grid) == pytest.approx(
            metrics.area_under_curve(thresholds, curve)
        )


def test_pck_rises(errors, visible):
    curve = metrics.pck_curve(errors, visible, np.linspace(0, 100, 200))
    assert np.all(np.diff(curve) >= 0)
    assert curve[0] >= 0
    assert curve[-1] <= 1


def test_moving_or_turning_both_poses_changes_nothing(poses, errors):
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    moved = [pose @ turn.T + [5.0, -70.0, 300.0] for pose in poses]
    np.testing.assert_allclose(metrics.joint_errors_mm(*moved), errors)


def test_scaling_both_scales_every_error(poses, errors):
    np.testing.assert_allclose(metrics.joint_errors_mm(2 * poses[0], 2 * poses[1]), 2 * errors)


def test_order_of_samples_does_not_matter(errors, visible):
    order = np.random.default_rng(3).permutation(N)
    assert metrics.epe_mm(errors[order], visible[order]) == pytest.approx(
        metrics.epe_mm(errors, visible)
    )


def test_invisible_joints_are_ignored(errors, visible):
    spoiled = np.where(visible, errors, np.nan)
    assert metrics.epe_mm(spoiled, visible) == metrics.epe_mm(errors, visible)
    assert metrics.epe_mm_mean(spoiled, visible) == metrics.epe_mm_mean(errors, visible)
    for grid in metrics.GRIDS_MM:
        assert metrics.auc(spoiled, visible, grid) == metrics.auc(errors, visible, grid)


def test_a_joint_that_is_never_visible_is_left_out():
    errors, visible = one_error(12.0, 12.0)
    assert metrics.epe_mm(errors, visible) == 12
    assert np.isnan(metrics.joint_epe_mm(errors, visible)[1:]).all()
    assert np.isnan(metrics.joint_median_mm(errors, visible)[1:]).all()
    assert np.isnan(metrics.joint_auc(errors, visible, "0_50")[1:]).all()


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_is_not_finite_is_named(poses, which, value):
    poses[which][7, hand.INDEX["ring_tip"], 1] = value
    with pytest.raises(ValueError, match=r"(pred|truth)_mm: sample 7, ring_tip is not finite"):
        metrics.joint_errors_mm(*poses)


def test_bad_shapes_and_emptiness_are_named(poses, errors, visible):
    pred, truth = poses
    with pytest.raises(ValueError, match="truth_mm is"):
        metrics.joint_errors_mm(pred, truth[:3])
    with pytest.raises(ValueError, match=r"pred_mm is \(40, 20, 3\)"):
        metrics.joint_errors_mm(pred[:, :20], truth[:, :20])
    with pytest.raises(ValueError, match="holds no samples"):
        metrics.joint_errors_mm(pred[:0], truth[:0])
    with pytest.raises(ValueError, match="visible is"):
        metrics.epe_mm(errors, visible[:, :5])
    with pytest.raises(ValueError, match="no joint is visible"):
        metrics.epe_mm(errors, np.zeros_like(visible))
    for value in (np.nan, np.inf, -1.0):
        with pytest.raises(ValueError, match=r"^errors_mm has a negative or non-finite value"):
            metrics.epe_mm(np.full_like(errors, value), visible)


@pytest.mark.parametrize("thresholds", [[1], [1, 1], [0, 2, 1], np.array([50, 20], np.uint8)])
def test_thresholds_must_rise(thresholds):
    with pytest.raises(ValueError, match=r"^thresholds_mm must be at least two rising numbers"):
        metrics.area_under_curve(thresholds, np.zeros(len(thresholds)))


def test_a_curve_has_a_value_for_each_threshold():
    with pytest.raises(ValueError, match=r"^pck is \(2,\) for 3 thresholds"):
        metrics.area_under_curve([0, 1, 2], [0, 1])


def test_scales_by_the_bone_and_by_least_squares(poses, visible):
    pred, truth = poses
    expected = np.linalg.norm(pred[:, hand.SCALE_BONE[0]] - pred[:, hand.SCALE_BONE[1]], axis=-1)
    np.testing.assert_allclose(metrics.scale_bone(pred), expected, rtol=1e-6)
    best = metrics.best_scale(pred, truth, visible)

    def squares(factor):
        return (np.square(factor[:, None, None] * pred - truth) * visible[..., None]).sum((1, 2))

    for other in (best * 1.01, best * 0.99):
        assert (squares(best) <= squares(other)).all()
    np.testing.assert_allclose(metrics.best_scale(pred, 3 * pred, visible), 3, rtol=1e-5)
