"""Tables, curves and figures from runs' reports."""

import csv
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from dcmls_tf.experiments import comparison
from dcmls_tf.experiments.comparison import Scores
from dcmls_tf.experiments.jobs import Setting

SETTING = Setting("stb", "2d", "quick")


def write_run(folder, epe_mm, pck):
    folder.mkdir(parents=True)
    areas = {f"auc_{grid}": 0.9 for grid in ("20_50", "0_50", "hand3d")}
    facts = {"source": "stb", "split": "evaluation", "samples": 7, "root": "palm"}
    report = {**facts, "epe_mm": epe_mm, **areas, "baselines": {"mean_pose": {"epe_mm": 30.0}}}
    (folder / "report.json").write_text(json.dumps(report))
    lines = ["threshold_mm,pck,other", "0.0,0,0", f"50.0,{pck},0"]
    (folder / "report.pck.csv").write_text("\n".join(lines))
    return str(folder)


def test_tables_hold_means_deviations_and_published_rows_apart(tmp_path):
    dirs = {
        "one seed": [write_run(tmp_path / "a0", 8.0, 0.5)],
        "three seeds": [write_run(tmp_path / f"b{i}", e, e / 10) for i, e in enumerate((5, 6, 7))],
    }
    written = comparison.write("A title", Setting("stb", "rgb", "full"), dirs, str(tmp_path / "t"))
    text = (tmp_path / "t.md").read_text()
    assert "| one seed | 8.00 | 0.900 |" in text
    assert f"| three seeds | 6.00 ± {np.std([5, 6, 7], ddof=1):.2f} | 0.900 ± 0.000 |" in text
    assert "| mean training pose | 30.00 |" in text
    measured, apart = text.split("Published")
    assert "7.27" in apart
    assert "7.27" not in measured
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["three seeds"]) == pytest.approx(0.6)
    with Image.open(tmp_path / "t.png") as figure:
        assert np.asarray(figure.convert("L")).std() > 10
    assert [pathlib.Path(p).suffix for p in written] == [".md", ".csv", ".png"]


def test_transfers_get_a_column(tmp_path):
    run_dir = write_run(tmp_path / "a", 8.0, 0.5)
    (tmp_path / "a" / "transfer.json").write_text(json.dumps({"epe_mm": 12.5}))
    text = comparison.table("t", SETTING, {"row": Scores.read([run_dir])})
    assert "EPE mm, transfer" in text
    assert "| 1 | 12.50 |" in text
