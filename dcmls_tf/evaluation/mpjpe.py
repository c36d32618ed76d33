"""Errors of 3D joints as mmpose prints them, beside the field's of hands (`metrics`).

All are over the visible joints of all samples at once, not per joint first. MPJPE is the mean error
in mm, 3DPCK the percentage of errors under 150 mm, 3DAUC the mean of that percentage at 31
thresholds from 0 to 150 mm. P- is after Procrustes alignment, N- after the best scale (`aligned`).
Root-relative poses are compared, predictions at their own scale.
"""

import numpy as np
from jaxtyping import Bool, Float

from dcmls_tf.evaluation import aligned, metrics

PCK_MM = 150.0
AUC_MM = np.linspace(0, 150, 31)


def scores(
    pred_mm: Float[np.ndarray, "N 21 3"],
    truth_mm: Float[np.ndarray, "N 21 3"],
    visible: Bool[np.ndarray, "N 21"],
) -> dict[str, float]:
    """Name as mmpose prints it → value, in mm or percent. Raises as `metrics` does."""
    found = {}
    poses = {
        "": pred_mm,
        "P-": aligned.procrustes(pred_mm, truth_mm),
        "N-": aligned.scaled(pred_mm, truth_mm),
    }
    for prefix, pose_mm in poses.items():
        errors_mm = metrics.joint_errors_mm(pose_mm, truth_mm)
        found[f"{prefix}MPJPE"] = metrics.epe_mm_mean(errors_mm, visible)
        found[f"{prefix}3DPCK"] = 100 * within(errors_mm, visible, PCK_MM)
        percent = [100 * within(errors_mm, visible, t) for t in AUC_MM]
        found[f"{prefix}3DAUC"] = float(np.mean(percent))
    return found


def within(
    errors_mm: Float[np.ndarray, "N 21"], visible: Bool[np.ndarray, "N 21"], threshold_mm: float
) -> float:
    """The fraction of visible joints with an error under a threshold."""
    return float(np.mean(errors_mm[visible] < threshold_mm))
