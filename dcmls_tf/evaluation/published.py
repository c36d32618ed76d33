"""Figures that other papers print, to stand beside measured ones; never mixed with them.

`assets/published.json` holds them with their sources: PCK curves by dataset, rows of tables
(EPE in mm, AUC), Table 1's AUC by γ_z and the ablation of the latent space, both on RHD.
"""

import functools
import json
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float

from dcmls_tf.evaluation import metrics

FILE = pathlib.Path(__file__).parents[1] / "assets" / "published.json"
# The grid that the authors integrate over starts here or a little earlier.
FIRST_MM = 19.0


@functools.cache
def figures() -> dict[str, Any]:
    """Everything published, as the file has it."""
    with open(FILE, encoding="utf-8") as file:
        return json.load(file)


def curves(dataset: str) -> dict[str, tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]]:
    """Label → (thresholds in mm, PCK); every label says "published" and where.

    dataset: `rhd` or `stb`; nothing is published on rendered data, so that gives none.
    """
    by_name = figures()["curves"].get(dataset, {})
    return {
        f"{name}, published, {dataset.upper()}": (np.array(curve["mm"]), np.array(curve["pck"]))
        for name, curve in by_name.items()
    }


def integrated_auc(dataset: str, name: str) -> float:
    """AUC of a published curve from the first threshold of its authors' grid to 50 mm."""
    curve = figures()["curves"][dataset][name]
    mm, pck = np.array(curve["mm"]), np.array(curve["pck"])
    counted = mm >= FIRST_MM
    return float(metrics.area_under_curve(mm[counted], pck[counted]))


def rows(dataset: str, modality: str) -> dict[str, tuple[float | None, float | None]]:
    """Method → (EPE in mm or `None`, AUC or `None`) for `rgb` or `2d`; empty if unpublished."""
    return {
        method: tuple(values)
        for method, values in figures()["rows"].get(f"{dataset} {modality}", {}).items()
    }
