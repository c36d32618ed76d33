"""Poses laid over the true ones: what is left of their errors when size, place or turn is given.

Alignments are per sample and over all 21 joints, hidden ones too, as FreiHAND's scoring and mmpose
have them. Mirroring is no alignment (FreiHAND's scoring allows it).
"""

import numpy as np
from jaxtyping import Float

Poses = Float[np.ndarray, "N 21 3"]


def procrustes(pred: Poses, truth: Poses) -> Poses:
    """`pred` turned, scaled and moved to least squared distance from `truth`, in its unit.

    The solution in closed form of Umeyama, "Least-Squares Estimation of Transformation Parameters
    Between Two Point Patterns", PAMI 1991. A prediction of one point becomes the true mean.
    """
    pred_mean, truth_mean = pred.mean(1, keepdims=True), truth.mean(1, keepdims=True)
    a, b = pred - pred_mean, truth - truth_mean
    u, singular, vt = np.linalg.svd(np.einsum("nji,njk->nik", b, a))
    sign = np.ones_like(singular)
    sign[:, -1] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = (u * sign[:, None]) @ vt
    squares = (a**2).sum((1, 2))
    scale = np.divide(
        (singular * sign).sum(1), squares, out=np.zeros_like(squares), where=squares > 0
    )
    return scale[:, None, None] * np.einsum("nij,nkj->nki", rotation, a) + truth_mean


def scaled(pred: Poses, truth: Poses) -> Poses:
    """`pred` times the factor of least squared distance from `truth`, about their common root."""
    squares = (pred**2).sum((1, 2))
    factor = np.divide(
        (pred * truth).sum((1, 2)), squares, out=np.zeros_like(squares), where=squares > 0
    )
    return factor[:, None, None] * pred
