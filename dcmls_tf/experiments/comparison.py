"""An experiment's runs compared: Markdown tables, mean PCK curves, a figure."""

import csv
import dataclasses
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from dcmls_tf import files
from dcmls_tf.drawing import figures
from dcmls_tf.evaluation import published
from dcmls_tf.experiments.jobs import Setting

Report = dict[str, Any]  # as in `report.json`
# Thresholds in mm and the PCK at each.
Curve = tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]


@dataclasses.dataclass(frozen=True)
class Scores:
    """One row's reports, one a seed."""

    reports: tuple[Report, ...]
    transfers: tuple[Report, ...]

    @classmethod
    def read(cls, run_dirs: Iterable[str]) -> "Scores":
        """Reads the reports in run folders."""
        return cls(*(_reports(run_dirs, name) for name in ("report.json", "transfer.json")))

    def mean_std(self, key: str, transfer: bool = False) -> tuple[float, float]:
        """Mean and standard deviation (n − 1) over seeds; the latter NaN for one seed."""
        values = [report[key] for report in (self.transfers if transfer else self.reports)]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def _reports(run_dirs: Iterable[str], name: str) -> tuple[Report, ...]:
    paths = [os.path.join(run_dir, name) for run_dir in run_dirs]
    return tuple(_json(path) for path in paths if os.path.exists(path))


def _json(path: str) -> Report:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def table(title: str, setting: Setting, scores: Mapping[str, Scores]) -> str:
    """A Markdown table of rows' `Scores`, measured rows first, published ones apart."""
    first = next(iter(scores.values())).reports[0]
    transfers = any(row_scores.transfers for row_scores in scores.values())
    head = ["", "EPE mm", "AUC 20–50", "AUC 0–50", "AUC hand3d", "seeds"]
    head += ["EPE mm, transfer"] if transfers else []
    mean_pose = ["mean training pose", f"{first['baselines']['mean_pose']['epe_mm']:.2f}"]
    lines = [f"## {title}", "", _measured_on(setting, first), ""]
    lines += [_markdown_row(head), _markdown_row(["---"] * len(head))]
    lines += [_markdown_row([name, *_cells(row, transfers)]) for name, row in scores.items()]
    lines.append(_markdown_row(mean_pose + [""] * (len(head) - len(mean_pose))))
    return "\n".join([*lines, *_published(setting)]) + "\n"


def _cells(scores: Scores, transfers: bool) -> list[str]:
    areas = [scores.mean_std(f"auc_{grid}") for grid in ("20_50", "0_50", "hand3d")]
    cells = [_plus_minus(scores.mean_std("epe_mm"), 2)]
    cells += [*(_plus_minus(area, 3) for area in areas), str(len(scores.reports))]
    if transfers:
        cells.append(_plus_minus(scores.mean_std("epe_mm", transfer=True), 2))
    return cells


def _measured_on(setting: Setting, report: Report) -> str:
    return (
        f"Measured: {report['source']}, {report['samples']} samples of the {report['split']} "
        f"split, root {report['root']}, true scale bone, --scale={setting.scale}."
    )


def _published(setting: Setting) -> list[str]:
    rows = published.rows(setting.dataset, setting.modality)
    if not rows:
        return []
    lines = ["", f"Published, on {setting.dataset.upper()}'s own splits:", ""]
    lines += [_markdown_row(["", "EPE mm", "AUC"]), _markdown_row(["---"] * 3)]
    for method, values in rows.items():
        lines.append(_markdown_row([method, *("" if v is None else str(v) for v in values)]))
    return lines


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plus_minus(mean_std: tuple[float, float], digits: int) -> str:
    mean, std = mean_std
    return f"{mean:.{digits}f}" + ("" if np.isnan(std) else f" ± {std:.{digits}f}")


def pck_curves(row_dirs: Mapping[str, Sequence[str]]) -> dict[str, Curve]:
    """Row → `Curve` with the mean PCK over seeds, from the runs' CSV files."""
    curves = {}
    for name, run_dirs in row_dirs.items():
        seeds = [_read_curve(os.path.join(run_dir, "report.pck.csv")) for run_dir in run_dirs]
        curves[name] = (seeds[0][:, 0], np.mean([seed[:, 1] for seed in seeds], axis=0))
    return curves


def _read_curve(path: str) -> Float[np.ndarray, "T 2"]:
    with open(path, newline="", encoding="utf-8") as file:
        return np.array([[float(r["threshold_mm"]), float(r["pck"])] for r in csv.DictReader(file)])


def curves_csv(curves: Mapping[str, Curve]) -> str:
    """Curves on one grid as CSV: a column of thresholds, then one for each row of the table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["threshold_mm", *curves])
    thresholds_mm = next(iter(curves.values()))[0]
    for i, threshold_mm in enumerate(thresholds_mm):
        writer.writerow([f"{threshold_mm:.1f}", *(f"{pck[i]:.6f}" for _, pck in curves.values())])
    return text.getvalue()


def write(
    title: str, setting: Setting, row_dirs: Mapping[str, Sequence[str]], stem: str
) -> list[str]:
    """Writes an experiment's table (.md), curves (.csv) and figure (.png); returns the paths.

    row_dirs: row → folders of its runs; stem: the paths without their extensions.
    """
    scores = {name: Scores.read(run_dirs) for name, run_dirs in row_dirs.items()}
    curves = pck_curves(row_dirs)
    labelled = {
        f"{name}: AUC {scores[name].mean_std('auc_20_50')[0]:.3f}": curve
        for name, curve in curves.items()
    }
    published_curves = published.curves(setting.dataset) if setting.modality == "rgb" else {}
    first = next(iter(scores.values())).reports[0]
    caption = f"{title}\n{_measured_on(setting, first)}"
    text = table(title, setting, scores)
    files.write(f"{stem}.md", text)
    files.write(f"{stem}.csv", curves_csv(curves))
    files.write_figure(f"{stem}.png", figures.pck_figure(labelled, caption, published_curves))
    print(text)
    return [f"{stem}.{extension}" for extension in ("md", "csv", "png")]
