"""Every metric of the protocol, of errors in mm, as a dict that JSON can hold."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from jaxtyping import Bool, Float

from dcmls_tf import hand
from dcmls_tf.evaluation import metrics, mpjpe
from dcmls_tf.evaluation.predictions import EvaluatedSplit

PROTOCOL = {
    "epe_mm": "mean error of visible joints, per joint first, then over joints",
    "epe_mm_mean": "plain mean over all visible joints",
    "epe_mm_median": "plain median over all visible joints",
    "auc_20_50": f"PCK from 20 to 50 mm in steps of {metrics.STEP_MM} mm, per joint first",
    "auc_0_50": f"PCK from 0 to 50 mm in steps of {metrics.STEP_MM} mm, per joint first",
    "auc_hand3d": "PCK at linspace(0, 50, 20)[8:], from 21.05 mm: published '20-50' numbers",
    "scale": "top level: the sample's true scale bone; scale_mean: the training set's mean bone",
    "aligned": "the same after Procrustes alignment of each pose: turn, scale, place (PA-EPE)",
    "per_finger": "mean of the finger's four joints' values; the root is in none",
    "mmpose": "as mmpose prints them: over all visible joints at once; MPJPE in mm, 3DPCK (under "
    "150 mm) and 3DAUC (0 to 150 mm) in %; P-: Procrustes alignment; N-: best scale",
}


class Scores(TypedDict):
    """The metrics that `PROTOCOL` explains.

    per_joint, per_finger: metric → name → value, of those that are ever visible.
    """

    epe_mm: float
    epe_mm_mean: float
    epe_mm_median: float
    auc_20_50: float
    auc_0_50: float
    auc_hand3d: float
    per_joint: dict[str, dict[str, float]]
    per_finger: dict[str, dict[str, float]]


class MeanScaleScores(Scores):
    """Scores at one length of the scale bone for all samples."""

    samples: int
    mean_scale_mm: float


class SplitScores(Scores):
    """A predictor's scores on a split: at the true scale bone, at the mean one, and aligned.

    visible_joints: how many joints count.
    """

    samples: int
    visible_joints: int
    scale_mean: MeanScaleScores
    aligned: Scores
    mmpose: dict[str, float]


def of_errors(
    errors_mm: Float[np.ndarray, "N 21"],
    visible: Bool[np.ndarray, "N 21"],
    joint_names: Sequence[str] = hand.JOINTS,
) -> Scores:
    """The scores of errors. Raises `ValueError` as `metrics` does."""
    by_joint = {
        "epe_mm": metrics.joint_epe_mm(errors_mm, visible),
        "epe_mm_median": metrics.joint_median_mm(errors_mm, visible),
        **{f"auc_{g}": metrics.joint_auc(errors_mm, visible, g) for g in metrics.GRIDS_MM},
    }
    return {
        "epe_mm": metrics.epe_mm(errors_mm, visible),
        "epe_mm_mean": metrics.epe_mm_mean(errors_mm, visible),
        "epe_mm_median": metrics.epe_mm_median(errors_mm, visible),
        "auc_20_50": metrics.auc(errors_mm, visible, "20_50"),
        "auc_0_50": metrics.auc(errors_mm, visible, "0_50"),
        "auc_hand3d": metrics.auc(errors_mm, visible, "hand3d"),
        "per_joint": {m: _named(joint_names, values) for m, values in by_joint.items()},
        "per_finger": {
            metric: _named(hand.FINGERS, metrics.by_finger(values))
            for metric, values in by_joint.items()
        },
    }


def of_split(evaluated: EvaluatedSplit, mean_scale_mm: float, root: str = "palm") -> SplitScores:
    """The scores of predictions. Joint 0 is named "palm" when `root` is."""
    visible = evaluated.visible
    names = hand.joint_names(root)
    return {
        "samples": len(evaluated),
        "visible_joints": int(visible.sum()),
        **of_errors(evaluated.errors_mm(), visible, names),
        "scale_mean": {
            "samples": len(evaluated),
            "mean_scale_mm": float(mean_scale_mm),
            **of_errors(evaluated.errors_mm(mean_scale_mm), visible, names),
        },
        "aligned": of_errors(evaluated.aligned_errors_mm(), visible, names),
        "mmpose": mpjpe.scores(evaluated.pred_mm(mean_scale_mm), evaluated.truth_mm, visible),
    }


def _named(names: Sequence[str], values: Float[np.ndarray, " n"]) -> dict[str, float]:
    return {
        name: float(value) for name, value in zip(names, values, strict=True) if np.isfinite(value)
    }
