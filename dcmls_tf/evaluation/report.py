"""The protocol: a predictor on a split → errors in mm, a report and its figures.

All errors are root-relative, in mm, in the camera's frame; the root, where it is joint 0, is
one of the 21 joints that count, as in the compared papers. Predictions come in units of the
scale bone and are brought back to mm in one of two ways:

- `scale=gt`: times the length of the sample's true scale bone, as the papers compared with
  do (Zimmermann & Brox, ICCV 2017; Spurr et al., CVPR 2018). Only this product is taken: the
  predicted scale bone is not normalised to length 1 first.
- `scale=mean`: times the mean scale bone of the training set, which is what a deployed model
  has. The truth keeps its own size.

Every report holds both, the second under `scale_mean`, what Procrustes alignment leaves under
`aligned`, and the same for the constant prediction of the mean training pose under `baselines`.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from dcmls_tf import files, hand
from dcmls_tf.config import Config
from dcmls_tf.data.examples import Batch
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.drawing import figures
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import (
    dump,
    metrics,
    overlays,
    predictions,
    provenance,
    published,
    scores,
)
from dcmls_tf.evaluation.predictions import Predict

# Key of `Scores` → column title and digits in the terminal's table.
COLUMNS = {
    "epe_mm": ("EPE", 2),
    "epe_mm_mean": ("mean", 2),
    "epe_mm_median": ("median", 2),
    "auc_20_50": ("AUC 20-50", 3),
    "auc_0_50": ("0-50", 3),
    "auc_hand3d": ("hand3d", 3),
}


class Report(provenance.Facts, scores.SplitScores):
    """What `evaluate` writes.

    joints: `visible`, or `all` when hidden ones count too.
    hands_by: what said which hand of a frame is its sample; empty where there is one, or all are.
    baselines: trivial predictor → its scores on the same samples.
    """

    joints: str
    hands_by: str
    baselines: dict[str, scores.SplitScores]
    protocol: dict[str, str]


def evaluate(
    predict: Predict,
    open_batches: Callable[[], Iterable[Batch]],
    config: Config,
    split: str,
    statistics: TrainingStatistics,
    report_path: str,
    run: Mapping[str, Any] | None = None,
    joints: str = "visible",
    hands_by: str = "",
    dump_path: str | None = None,
) -> Report:
    """Evaluates a predictor on a split; writes and returns the report.

    Args:
        predict: batch → y_pred, in scale-bone units and the crop's frame.
        open_batches: called without arguments, gives the split's batches from the start. It is
            called twice: the pictures of a few samples are fetched when it is known of which.
        config: the run's `Config`, with the data set that is evaluated.
        split: name of the split, for the report.
        statistics: the run's `TrainingStatistics`.
        report_path: where the JSON goes; `.pck.csv`, `.pck.png`, `.overlays.png` go to its side.
        run: further facts about the model for the report, such as its checkpoint's step.
        joints: `visible`, or `all` to count hidden ones too.
        hands_by: as in `Report`.
        dump_path: where every sample's prediction and error goes (see `dump`).

    Raises `UserError` when the report cannot be written, when no joint counts, and as `collect`.
    """
    check_writable(report_path)
    if dump_path:
        dump.check(dump_path)
    evaluated = predictions.collect(predict, open_batches(), progress=True)
    if not evaluated.visible.any():
        raise UserError(f"--split={split}: no joint of its {len(evaluated)} samples is visible")
    if joints == "all":
        evaluated = evaluated.counting_hidden()
    constant = evaluated.with_constant(statistics.mean_pose)
    scale_mm = statistics.mean_scale_mm
    result: Report = {
        **provenance.facts(config, split, run),
        "joints": joints,
        "hands_by": hands_by,
        **scores.of_split(evaluated, scale_mm, config.root),
        "baselines": {"mean_pose": scores.of_split(constant, scale_mm, config.root)},
        "protocol": scores.PROTOCOL,
    }
    errors_mm = {
        "model": evaluated.errors_mm(),
        "model, mean bone": evaluated.errors_mm(scale_mm),
        "mean pose": constant.errors_mm(),
    }
    _write_curves(errors_mm, evaluated.visible, result, report_path)
    picked = overlays.pick(evaluated)
    pictures = overlays.crops(open_batches(), picked.values(), config.input_size)
    page = overlays.page(evaluated, picked, pictures, _title(result))
    files.write_figure(sibling_path(report_path, "overlays.png"), page)
    if dump_path:
        dump.write(dump_path, evaluated, hand.joint_names(config.root))
    files.write_json(report_path, result)
    return result


def check_writable(report_path: str) -> None:
    """Makes the report's folder. Raises `UserError` when the report cannot be written there."""
    folder = os.path.dirname(os.path.abspath(report_path))
    if os.path.isdir(report_path):
        raise UserError(f"--report={report_path}: is a folder; give a file name, such as out.json")
    if os.path.exists(report_path) and not os.path.isfile(report_path):
        raise UserError(f"--report={report_path}: is no file; give a file name, such as out.json")
    try:
        os.makedirs(folder, exist_ok=True)
        probe = f"{os.path.abspath(report_path)}.partial"
        with open(probe, "w"):
            pass
        os.remove(probe)
    except OSError as error:
        raise UserError(f"--report={report_path}: cannot be written ({error.strerror})") from None


def sibling_path(report_path: str, suffix: str) -> str:
    """The path of a file that goes with a report: `out.json`, `pck.csv` → `out.pck.csv`."""
    stem, extension = os.path.splitext(report_path)
    return f"{stem if extension == '.json' else report_path}.{suffix}"


def table(result: Report) -> str:
    """A report as text for the terminal: one row a predictor and scale."""
    baseline = result["baselines"]["mean_pose"]
    rows: dict[str, Mapping[str, Any]] = {
        "model, true scale bone": result,
        "model, mean scale bone": result["scale_mean"],
        "model, Procrustes (PA)": result["aligned"],
        "mean pose, true scale bone": baseline,
        "mean pose, mean scale bone": baseline["scale_mean"],
        "mean pose, Procrustes (PA)": baseline["aligned"],
    }
    heads = "".join(f"{title:>11}" for title, _ in COLUMNS.values())
    lines = [_title(result), f"{'mm':<28}{heads}"]
    for name, row in rows.items():
        values = "".join(f"{row[key]:>11.{digits}f}" for key, (_, digits) in COLUMNS.items())
        lines.append(f"{name:<28}{values}")
    lines += [_fingers(result), _mmpose(result)]
    gain = 1 - result["epe_mm"] / baseline["epe_mm"]
    lines.append(f"EPE is {abs(gain):.0%} {'below' if gain > 0 else 'above'} the mean pose's")
    return "\n".join(lines)


def _fingers(result: Report) -> str:
    aligned = result["aligned"]["per_finger"]["epe_mm"]
    of_fingers = result["per_finger"]["epe_mm"].items()
    said = (f"{name} {epe:.1f}/{aligned[name]:.1f}" for name, epe in of_fingers)
    return f"EPE/aligned: {', '.join(said)}"


def _mmpose(result: Report) -> str:
    names = ("MPJPE", "P-MPJPE", "N-MPJPE", "3DPCK", "3DAUC")
    said = (f"{name} {result['mmpose'][name]:.2f}" for name in names)
    return f"mmpose, mean scale bone: {', '.join(said)}"


def _title(result: Report) -> str:
    joints = "visible joints" if result["joints"] == "visible" else "joints, hidden ones too"
    hands = f" (hands by {result['hands_by']})" if result["hands_by"] else ""
    return (
        f"{result['source']}, {result['split']}: {result['samples']} samples{hands}, "
        f"{result['visible_joints']} {joints}, root {result['root']}, "
        f"EPE {result['epe_mm']:.2f} mm"
    )


def _write_curves(
    errors_mm: Mapping[str, Float[np.ndarray, "N 21"]],
    visible: Bool[np.ndarray, "N 21"],
    result: Report,
    report_path: str,
) -> None:
    """PCK curves of label → errors: a figure, and a table with a column for each.

    Published curves are drawn in the figure only.
    """
    thresholds_mm = metrics.GRIDS_MM["0_50"]
    pck, labelled = {}, {}
    for name, errors in errors_mm.items():
        pck[name] = metrics.pck_curve(errors, visible, thresholds_mm)
        areas = (f"{metrics.auc(errors, visible, grid):.3f}" for grid in metrics.GRIDS_MM)
        labelled[f"{name}: {' / '.join(areas)}"] = (thresholds_mm, pck[name])
    caption = "AUC over 20–50 mm / 0–50 mm / linspace(0, 50, 20)[8:] (hand3d, from 21.05 mm)"
    published_curves = published.curves(result["source"]) if result["modality"] == "rgb" else {}
    figure = figures.pck_figure(labelled, f"{_title(result)}\n{caption}", published_curves)
    files.write_figure(sibling_path(report_path, "pck.png"), figure)
    files.write(sibling_path(report_path, "pck.csv"), _curves_csv(thresholds_mm, *pck.values()))


def _curves_csv(*columns: Float[np.ndarray, " T"]) -> str:
    """Thresholds and the PCK of each of the three predictors as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["threshold_mm", "pck", "pck_scale_mean", "pck_mean_pose"])
    for threshold_mm, *values in zip(*columns, strict=True):
        writer.writerow([f"{threshold_mm:.1f}", *(f"{value:.6f}" for value in values)])
    return text.getvalue()
