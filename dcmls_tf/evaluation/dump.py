"""Every sample's prediction, truth and errors, as a table (CSV) or as arrays (NPZ).

Poses are root-relative, in mm, in the camera's frame (x right, y down, z forward); predictions at
the true scale bone. `errors_mm` are theirs, `aligned_errors_mm` those after Procrustes alignment.
NPZ has `[N, …]` arrays of the names in `arrays`; CSV has a row a joint.
"""

import csv
import io
import os
from collections.abc import Sequence

import numpy as np

from dcmls_tf import files
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation.predictions import EvaluatedSplit

COLUMNS = (
    *("id", "joint", "name", "visible", "x_mm", "y_mm", "z_mm"),
    *("true_x_mm", "true_y_mm", "true_z_mm", "error_mm", "aligned_error_mm"),
)


def check(path: str) -> None:
    """Raises `UserError` for a file of another kind, or one that cannot be written."""
    if not path.endswith((".csv", ".npz")):
        raise UserError(f"--dump={path}: give a file that ends in .csv or .npz")
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.path.isdir(folder):
        raise UserError(f"--dump={path}: cannot be written; give a file in a folder that is there")


def arrays(evaluated: EvaluatedSplit, joint_names: Sequence[str]) -> dict[str, np.ndarray]:
    """What a dump holds."""
    return {
        "ids": evaluated.ids.astype(str),
        "joint_names": np.array(joint_names),
        "visible": evaluated.visible,
        "pred_mm": evaluated.pred_mm(),
        "truth_mm": evaluated.truth_mm,
        "errors_mm": evaluated.errors_mm(),
        "aligned_errors_mm": evaluated.aligned_errors_mm(),
        "root_mm": evaluated.root_mm,
        "scale_mm": evaluated.scale_mm,
        "K": evaluated.K,
    }


def write(path: str, evaluated: EvaluatedSplit, joint_names: Sequence[str]) -> None:
    """Writes a dump atomically. Raises `UserError` as `check`, and `OSError`."""
    check(path)
    content = arrays(evaluated, joint_names)
    if path.endswith(".csv"):
        files.write(path, _csv(content))
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)  # pyright: ignore[reportArgumentType] (takes any name)
    files.write(path, buffer.getvalue())


def _csv(content: dict[str, np.ndarray]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    numbers = np.concatenate(
        [
            content["pred_mm"], content["truth_mm"],
            content["errors_mm"][..., None], content["aligned_errors_mm"][..., None],
        ],
        axis=-1,
    )  # fmt: skip
    for sample, name in enumerate(content["ids"]):
        for joint, joint_name in enumerate(content["joint_names"]):
            seen = int(content["visible"][sample, joint])
            row = (f"{value:.4f}" for value in numbers[sample, joint])
            writer.writerow([name, joint, joint_name, seen, *row])
    return text.getvalue()
