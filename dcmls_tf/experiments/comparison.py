"""What an experiment's runs say together: Markdown tables, mean curves, a figure."""

import csv
import dataclasses
import io
import json
import os

import numpy as np

from dcmls_tf import files
from dcmls_tf.drawing import figures as visualization
from dcmls_tf.evaluation import published


@dataclasses.dataclass(frozen=True)
class Scores:
    """One row's reports, one a seed."""

    reports: tuple
    transfers: tuple

    @classmethod
    def read(cls, run_dirs):
        """From run folders."""
        return cls(*(_reports(run_dirs, name) for name in ("report.json", "transfer.json")))

    def mean_std(self, key, transfer=False):
        """Mean and standard deviation (n − 1) over seeds; the latter NaN for one seed."""
        values = [report[key] for report in (self.transfers if transfer else self.reports)]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def _reports(run_dirs, name):
    paths = [os.path.join(run_dir, name) for run_dir in run_dirs]
    return tuple(_json(path) for path in paths if os.path.exists(path))


def _json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def table(title, setting, scores):
    """A Markdown table of rows' `Scores`, measured rows first, published ones apart."""
    first = next(iter(scores.values())).reports[0]
    transfers = any(of.transfers for of in scores.values())
    head = ["", "EPE mm", "AUC 20–50", "AUC 0–50", "AUC hand3d", "seeds"]
    head += ["EPE mm, transfer"] if transfers else []
    mean_pose = ["mean training pose", f"{first['baselines']['mean_pose']['epe_mm']:.2f}"]
    lines = [f"## {title}", "", _measured_on(setting, first), ""]
    lines += [_markdown_row(head), _markdown_row(["---"] * len(head))]
    lines += [_markdown_row([name, *_cells(of, transfers)]) for name, of in scores.items()]
    lines.append(_markdown_row(mean_pose + [""] * (len(head) - len(mean_pose))))
    return "\n".join([*lines, *_published(setting)]) + "\n"


def _cells(scores, transfers):
    areas = [scores.mean_std(f"auc_{grid}") for grid in ("20_50", "0_50", "hand3d")]
    cells = [_plus_minus(scores.mean_std("epe_mm"), 2)]
    cells += [*(_plus_minus(area, 3) for area in areas), str(len(scores.reports))]
    if transfers:
        cells.append(_plus_minus(scores.mean_std("epe_mm", transfer=True), 2))
    return cells


def _measured_on(setting, report):
    return (
        f"Measured: {report['source']}, {report['samples']} samples of the {report['split']} "
        f"split, root {report['root']}, true scale bone, --scale={setting.scale}."
    )


def _published(setting):
    rows = published.rows(setting.dataset, setting.modality)
    if not rows:
        return []
    lines = ["", f"Published, on {setting.dataset.upper()}'s own splits:", ""]
    lines += [_markdown_row(["", "EPE mm", "AUC"]), _markdown_row(["---"] * 3)]
    for method, values in rows.items():
        lines.append(_markdown_row([method, *("" if v is None else str(v) for v in values)]))
    return lines


def _markdown_row(cells):
    return "| " + " | ".join(cells) + " |"


def _plus_minus(mean_std, digits):
    mean, std = mean_std
    return f"{mean:.{digits}f}" + ("" if np.isnan(std) else f" ± {std:.{digits}f}")


def pck_curves(row_dirs):
    """Row → (thresholds in mm `[T]`, mean PCK over seeds `[T]`), from the runs' CSV files."""
    curves = {}
    for name, run_dirs in row_dirs.items():
        tables = [_read_curve(os.path.join(d, "report.pck.csv")) for d in run_dirs]
        curves[name] = (tables[0][:, 0], np.mean([t[:, 1] for t in tables], axis=0))
    return curves


def _read_curve(path):
    with open(path, newline="", encoding="utf-8") as file:
        return np.array([[float(r["threshold_mm"]), float(r["pck"])] for r in csv.DictReader(file)])


def curves_csv(curves):
    """Curves on one grid as text: a column of thresholds and one a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["threshold_mm", *curves])
    thresholds_mm = next(iter(curves.values()))[0]
    for i, threshold_mm in enumerate(thresholds_mm):
        writer.writerow([f"{threshold_mm:.1f}", *(f"{pck[i]:.6f}" for _, pck in curves.values())])
    return text.getvalue()


def write(title, setting, row_dirs, stem):
    """Writes an experiment's table (.md), curves (.csv) and figure (.png); returns the paths.

    row_dirs: row → folders of its runs; stem: the paths without their extensions.
    """
    scores = {name: Scores.read(run_dirs) for name, run_dirs in row_dirs.items()}
    curves = pck_curves(row_dirs)
    labelled = {
        f"{name}: AUC {scores[name].mean_std('auc_20_50')[0]:.3f}": curve
        for name, curve in curves.items()
    }
    beside_ours = published.curves(setting.dataset) if setting.modality == "rgb" else {}
    first = next(iter(scores.values())).reports[0]
    caption = f"{title}\n{_measured_on(setting, first)}"
    text = table(title, setting, scores)
    files.write(f"{stem}.md", text)
    files.write(f"{stem}.csv", curves_csv(curves))
    files.write_figure(f"{stem}.png", visualization.pck_figure(labelled, caption, beside_ours))
    print(text)
    return [f"{stem}.{extension}" for extension in ("md", "csv", "png")]
