"""Rows, run folders, and tables from reports; one experiment whole, in real processes."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import raw_trees
from PIL import Image

from dcmls_tf import config, experiments
from dcmls_tf.experiments import Scores, Setting

ROOT = pathlib.Path(__file__).parents[1]
SETTING = Setting("stb", "2d", "quick")


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_rows_are_valid_and_differ(name):
    _, rows = experiments.EXPERIMENTS[name]
    configs = [config.Config(**options) for options in rows.values()]
    defaults = sum(c == config.Config() for c in configs)
    assert len(set(configs)) == len(rows)
    assert defaults == 1  # each table has the method as it is


def test_shared_rows_share_a_run():
    dirs = {
        name: SETTING.run_dir(rows[experiments.FULL], seed=1)
        for name, (_, rows) in experiments.EXPERIMENTS.items()
        if experiments.FULL in rows
    }
    assert len(set(dirs.values())) == 1
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) != SETTING.run_dir({"gamma_z": 0.4}, 0)
    assert SETTING.run_dir({"gamma_z": 0.2}, 0) != SETTING.run_dir({"gamma_z": 0.2}, 1)


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
    written = experiments.write("A title", Setting("stb", "rgb", "full"), dirs, str(tmp_path / "t"))
    text = (tmp_path / "t.md").read_text()
    assert "| one seed | 8.00 | 0.900 |" in text
    assert f"| three seeds | 6.00 ± {np.std([5, 6, 7], ddof=1):.2f} | 0.900 ± 0.000 |" in text
    assert "| mean training pose | 30.00 |" in text
    measured, apart = text.split("Published")
    assert "7.27" in apart and "7.27" not in measured
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["three seeds"]) == pytest.approx(0.6)
    with Image.open(tmp_path / "t.png") as figure:
        assert np.asarray(figure.convert("L")).std() > 10
    assert [pathlib.Path(p).suffix for p in written] == [".md", ".csv", ".png"]


def test_transfers_get_a_column(tmp_path):
    run_dir = write_run(tmp_path / "a", 8.0, 0.5)
    (tmp_path / "a" / "transfer.json").write_text(json.dumps({"epe_mm": 12.5}))
    text = experiments.table("t", SETTING, {"row": Scores.read([run_dir])})
    assert "EPE mm, transfer" in text
    assert "| 1 | 12.50 |" in text


@pytest.mark.slow
def test_experiments_run_whole_and_are_read_the_second_time(tmp_path):
    """Figures 7 and 6 from their commands, on a tree of annotations in RHD's layout."""
    tree = raw_trees.write_rhd(tmp_path / "rhd", training=80, evaluation=12, images=False)

    def reproduce(experiment):
        command = [sys.executable, str(ROOT / "scripts" / "reproduce.py")]
        command += [f"--experiment={experiment}", "--dataset=rhd", "--modality=2d"]
        command += ["--scale=quick", f"--raw_dir={tree}", f"--data_dir={tmp_path / 'data'}"]
        command += [f"--runs_dir={tmp_path / 'runs'}", f"--out_dir={tmp_path / 'out'}"]
        command += [f"--transfer_dir={tree}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    reproduce("fig7")
    (report,) = (tmp_path / "runs").rglob("report.json")
    written = report.stat().st_mtime_ns
    reproduce("fig6")
    assert report.stat().st_mtime_ns == written
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"fig7-rhd-2d-quick.png"} | {
        f"fig6-rhd-2d-quick.{e}" for e in ("png", "gif", "csv")
    }
    setting = Setting("rhd", "2d", "quick")
    experiments.write("t", setting, {"row": [str(report.parent)]}, str(tmp_path / "t"))
    fields = json.loads(report.read_text())
    text = (tmp_path / "t.md").read_text()
    assert f"| row | {fields['epe_mm']:.2f} |" in text
    assert f"| 1 | {fields['epe_mm']:.2f} |" in text  # the transfer is to the same data
