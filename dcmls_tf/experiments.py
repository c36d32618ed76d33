"""The paper's tables and figures as sets of runs: with which options, where, how well.

An experiment is a set of rows, a row is some options on top of a data set's flagfile, and each
row is trained with several seeds. A run lies in a folder named after its options, so that rows
which experiments share are trained once; what is there already is read, not trained again.
"""

import csv
import dataclasses
import io
import json
import os
import re
import subprocess
import sys

import numpy as np

from dcmls_tf import files, published, visualization
from dcmls_tf.errors import UserError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FULL = "full (DCMLS)"
UNIFIED = "unified (ULS)"
DIRECT = "direct regression"

LATENT_SPACES = {
    DIRECT: {"latent": "none"},
    UNIFIED: {"latent": "unified"},
    "context of x split off": {"latent": "rgb_context"},
    FULL: {},
}
PARTS = {
    FULL: {},
    "without D_h": {"use_disc_h": False},
    "without D_c": {"use_disc_c": False},
    "without D_h and D_c": {"use_disc_h": False, "use_disc_c": False},
    "without T": {"use_translator": False},
}
SHARES = {f"γ_z = {share}": {"gamma_z": share} for share in (0.2, 0.4, 0.5, 0.6, 0.8)}
METHODS = {name: LATENT_SPACES[name] for name in (DIRECT, UNIFIED, FULL)}

# Experiment → (title, rows). Figures 6 and 7 show one run of the last kind.
EXPERIMENTS = {
    "table1": ("Table 1: the share of z_h in the code", SHARES),
    "table2": ("Table 2: methods compared", METHODS),
    "fig2": ("Figure 2: what is split off as context", LATENT_SPACES),
    "fig3": ("Figure 3: discriminators and translator", PARTS),
    "fig4": ("Figure 4: PCK beside published curves (RHD)", METHODS),
    "fig5": ("Figure 5: PCK beside published curves (STB)", METHODS),
    "fig6": ("Figure 6: walks in the latent space", {FULL: {}}),
    "fig7": ("Figure 7: predictions beside the truth", {FULL: {}}),
}
# Options for a look at the whole chain, not for numbers.
QUICK = {"epochs": 2}
SEEDS = {"quick": 1, "full": 3}


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where and on what an experiment runs.

    dataset: `rendered`, `rhd` or `stb`; modality: `rgb` or `2d`; scale: `quick` or `full`;
    raw_dir: the data set's folder, or `None` for the flagfile's; transfer_dir: a folder in
    RHD's layout to evaluate on as well, or `None`; seeds: runs a row, 0 for the scale's own.
    """

    dataset: str
    modality: str
    scale: str
    raw_dir: str = None
    data_dir: str = "data"
    runs_dir: str = "runs/reproduce"
    transfer_dir: str = None
    seeds: int = 0

    @property
    def flagfile(self):
        """The data set's flagfile."""
        name = self.dataset + ("_2d" if self.modality == "2d" else "")
        return os.path.join(ROOT, "configs", f"{name}.cfg")

    @property
    def name(self):
        """`rendered-2d-quick`."""
        return f"{self.dataset}-{self.modality}-{self.scale}"

    @property
    def num_seeds(self):
        return self.seeds or SEEDS[self.scale]

    def run_dir(self, options, seed):
        """The folder of one run: its options by name, then its seed."""
        text = "_".join(f"{key}={value}" for key, value in sorted(options.items()))
        slug = re.sub(r"[^\w=.-]+", "", text) or "default"
        return os.path.join(self.runs_dir, self.name, f"{slug}-seed{seed}")


def run(setting, options, seed):
    """Trains and evaluates one run unless it is there; returns its folder.

    Raises `UserError` when training or evaluation fails; their own message is on stderr.
    """
    run_dir = setting.run_dir(options, seed)
    if not os.path.exists(os.path.join(run_dir, "report.json")):
        _script("train.py", f"--flagfile={setting.flagfile}", *_options(setting, options, seed))
        _script("evaluate.py", f"--run_dir={run_dir}", f"--data_dir={setting.data_dir}")
    transfer = os.path.join(run_dir, "transfer.json")
    if setting.transfer_dir and not os.path.exists(transfer):
        where = f"--raw_dir={setting.transfer_dir}"
        common = (f"--run_dir={run_dir}", f"--data_dir={setting.data_dir}", f"--report={transfer}")
        _script("evaluate.py", *common, "--dataset=rhd", where)
    return run_dir


def run_rows(setting, rows):
    """Runs all seeds of all rows; row → list of run folders."""
    seeds = range(setting.num_seeds)
    return {name: [run(setting, options, seed) for seed in seeds] for name, options in rows.items()}


def _options(setting, options, seed):
    chosen = {
        **(QUICK if setting.scale == "quick" else {}),
        **options,
        "seed": seed,
        "run_dir": setting.run_dir(options, seed),
        "data_dir": setting.data_dir,
        **({"raw_dir": setting.raw_dir} if setting.raw_dir else {}),
    }
    return [f"--{key}={str(v).lower() if v in (True, False) else v}" for key, v in chosen.items()]


def _script(name, *arguments):
    command = [sys.executable, os.path.join(ROOT, "scripts", name), *arguments]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    if subprocess.run(command, env=environment, check=False).returncode:
        shown = " ".join(["python", os.path.join("scripts", name), *arguments])
        raise UserError(f"this step failed, see above; the same command goes on from here: {shown}")


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
