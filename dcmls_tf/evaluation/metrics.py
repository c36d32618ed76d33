"""EPE, PCK and AUC of 3D joints: pure NumPy functions of arrays.

Conventions, after the evaluation of Zimmermann & Brox, "Learning to Estimate 3D Hand Pose
from Single RGB Images" (ICCV 2017), which the compared papers share:

- Only visible joints count. A joint that is visible in no sample is left out.
- Per joint first: a joint's value is taken over the samples in which it is visible, then
  the mean over joints. A joint that is often hidden weighs as much as any other.
- PCK at t is the fraction of joints with an error of at most t.
- AUC is the trapezoid rule over a grid of thresholds, divided by the grid's range, so a
  perfect predictor scores 1.

Published "AUC 20-50" numbers were integrated over the last 12 of 20 thresholds from 0 to
50 mm, the first of which is 21.05 mm. That is the grid `hand3d`; `20_50` and `0_50` cover
exactly the range in their names. Leaving out the lowest millimetre raises the score by
about 0.01 for a PCK curve that is still steep there, so the grids are never mixed.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from dcmls_tf import hand

Thresholds = Float[np.ndarray, " T"] | Sequence[float]

STEP_MM = 0.1
GRIDS_MM = {
    "20_50": np.linspace(20, 50, round(30 / STEP_MM) + 1),
    "0_50": np.linspace(0, 50, round(50 / STEP_MM) + 1),
    "hand3d": np.linspace(0, 50, 20)[8:],
}


def scale_bone(joints: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, " N"]:
    """Length of the scale bone of poses, in their unit."""
    near, far = hand.SCALE_BONE
    return np.linalg.norm(joints[:, near] - joints[:, far], axis=-1)


def best_scale(
    pred: Float[np.ndarray, "N 21 3"],
    truth: Float[np.ndarray, "N 21 3"],
    visible: Bool[np.ndarray, "N 21"],
) -> Float[np.ndarray, " N"]:
    """Least-squares factor of `pred` for `truth` over visible joints, both root-relative."""
    weight = visible[..., None]
    return (weight * pred * truth).sum(axis=(1, 2)) / (weight * pred**2).sum(axis=(1, 2))


def joint_errors_mm(
    pred_mm: Float[np.ndarray, "N 21 3"], truth_mm: Float[np.ndarray, "N 21 3"]
) -> Float[np.ndarray, "N 21"]:
    """Euclidean distance of each joint in mm; both poses share frame and root.

    Raises `ValueError` when shapes differ, when there are no samples, or when a coordinate is
    not finite, naming the array, sample and joint.
    """
    pred_mm, truth_mm = _poses("pred_mm", pred_mm), _poses("truth_mm", truth_mm)
    if pred_mm.shape != truth_mm.shape:
        raise ValueError(f"pred_mm is {pred_mm.shape} but truth_mm is {truth_mm.shape}")
    return np.linalg.norm(pred_mm - truth_mm, axis=-1)


def joint_epe_mm(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]
) -> Float[np.ndarray, "21"]:
    """Mean error of each joint over the samples where it is visible, NaN if it never is."""
    return _by_joint(errors_mm, visible, np.mean)


def joint_median_mm(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]
) -> Float[np.ndarray, "21"]:
    """Median error of each joint over the samples where it is visible, NaN if it never is."""
    return _by_joint(errors_mm, visible, np.median)


def joint_pck(
    errors_mm: Float[np.ndarray, "N 21"],
    visible: Bool[np.ndarray, "N 21"],
    thresholds_mm: Thresholds,
) -> Float[np.ndarray, "21 T"]:
    """PCK of each joint; NaN rows for joints that are never visible."""
    thresholds_mm = np.asarray(thresholds_mm, float)

    def curve(errors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " T"]:
        return np.searchsorted(np.sort(errors), thresholds_mm, side="right") / len(errors)

    return _by_joint(errors_mm, visible, curve, thresholds_mm.shape)


def by_finger(values: Float[np.ndarray, "21"]) -> Float[np.ndarray, "5"]:
    """The mean of each finger's four joints' values, of those that are numbers; NaN for none."""
    of_fingers = np.reshape(values[1:], (len(hand.FINGERS), -1))
    known = np.isfinite(of_fingers)
    sums = np.where(known, of_fingers, 0).sum(1)
    return np.divide(sums, known.sum(1), out=np.full(len(sums), np.nan), where=known.any(1))


def epe_mm(errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]) -> float:
    """Mean end-point error in mm, per joint first.

    Raises `ValueError` when nothing is visible, or an error is negative or not finite.
    """
    return float(np.nanmean(joint_epe_mm(errors_mm, visible)))


def epe_mm_mean(errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]) -> float:
    """Plain mean error over all visible joints of all samples, in mm."""
    return float(np.mean(_visible_errors(errors_mm, visible)))


def epe_mm_median(errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]) -> float:
    """Plain median error over all visible joints of all samples, in mm."""
    return float(np.median(_visible_errors(errors_mm, visible)))


def pck_curve(
    errors_mm: Float[np.ndarray, "N 21"],
    visible: Bool[np.ndarray, "N 21"],
    thresholds_mm: Thresholds,
) -> Float[np.ndarray, " T"]:
    """Fraction of joints within each threshold, in 0..1, per joint first."""
    return np.nanmean(joint_pck(errors_mm, visible, thresholds_mm), axis=0)


def area_under_curve(
    thresholds_mm: Thresholds, pck: Float[np.ndarray, "*curves T"] | Sequence[float]
) -> Float[np.ndarray, "*curves"]:
    """Trapezoid rule over rising thresholds, divided by their range.

    Raises `ValueError` when thresholds do not rise, or a curve has another number of points.
    """
    thresholds_mm, pck = np.asarray(thresholds_mm, float), np.asarray(pck, float)
    widths = np.diff(thresholds_mm)
    if widths.size == 0 or not np.all(widths > 0):
        raise ValueError("thresholds_mm must be at least two rising numbers")
    if pck.shape[-1:] != thresholds_mm.shape:
        raise ValueError(f"pck is {pck.shape} for {thresholds_mm.size} thresholds")
    return np.sum(widths * (pck[..., 1:] + pck[..., :-1]) / 2, axis=-1) / widths.sum()


def joint_auc(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"], grid: str
) -> Float[np.ndarray, "21"]:
    """AUC of each joint on the named grid of `GRIDS_MM`, NaN if the joint is never visible."""
    thresholds_mm = GRIDS_MM[grid]
    return area_under_curve(thresholds_mm, joint_pck(errors_mm, visible, thresholds_mm))


def auc(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"], grid: str
) -> float:
    """AUC in 0..1 on the named grid of `GRIDS_MM`, per joint first."""
    return float(np.nanmean(joint_auc(errors_mm, visible, grid)))


def _by_joint(
    errors_mm: Float[np.ndarray, "N 21"],
    visible: Bool[np.ndarray, "N 21"],
    statistic: Callable[..., Float[np.ndarray, "*shape"] | np.floating],
    shape: tuple[int, ...] = (),
) -> Float[np.ndarray, "21 *shape"]:
    """`statistic` of each joint's errors over the samples where it is visible, NaN if it never is.

    `shape`: that of what `statistic` returns.
    """
    errors_mm, visible = _checked(errors_mm, visible)
    result = np.full((errors_mm.shape[1], *shape), np.nan)
    for joint in np.flatnonzero(visible.any(axis=0)):
        result[joint] = statistic(errors_mm[visible[:, joint], joint])
    return result


def _visible_errors(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]
) -> Float[np.ndarray, " n"]:
    errors_mm, visible = _checked(errors_mm, visible)
    return errors_mm[visible]


def _checked(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"]
) -> tuple[Float[np.ndarray, "N 21"], Bool[np.ndarray, "N 21"]]:
    """The arrays themselves. Raises `ValueError` where no metric can be taken."""
    errors_mm, visible = np.asarray(errors_mm, float), np.asarray(visible, bool)
    if errors_mm.ndim != 2 or errors_mm.shape != visible.shape:
        raise ValueError(f"errors_mm is {errors_mm.shape} but visible is {visible.shape}")
    if not visible.any():
        raise ValueError(f"no joint is visible in {len(visible)} samples: nothing to average")
    if not np.all(errors_mm[visible] >= 0) or np.isinf(errors_mm[visible]).any():
        raise ValueError("errors_mm has a negative or non-finite value at a visible joint")
    return errors_mm, visible


def _poses(name: str, poses: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "N 21 3"]:
    """The poses themselves. Raises as `joint_errors_mm` does."""
    poses = np.asarray(poses, float)
    if poses.ndim != 3 or poses.shape[1:] != (hand.NUM_JOINTS, 3):
        raise ValueError(f"{name} is {poses.shape}, expected (samples, {hand.NUM_JOINTS}, 3)")
    if not len(poses):
        raise ValueError(f"{name} holds no samples")
    wrong = np.argwhere(~np.isfinite(poses).all(axis=-1))
    if len(wrong):
        sample, joint = wrong[0]
        raise ValueError(f"{name}: sample {sample}, {hand.JOINTS[joint]} is not finite")
    return poses
