"""An experiment whole, in real processes; covers `experiments.showcase` too."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import raw_trees

from dcmls_tf.experiments import comparison
from dcmls_tf.experiments.jobs import Setting

ROOT = pathlib.Path(__file__).parents[2]


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
    assert made == {f"fig7-rhd-2d-quick.{e}" for e in ("png", "gif")} | {
        f"fig6-rhd-2d-quick.{e}" for e in ("png", "gif", "csv")
    }
    setting = Setting("rhd", "2d", "quick")
    comparison.write("t", setting, {"row": [str(report.parent)]}, str(tmp_path / "t"))
    fields = json.loads(report.read_text())
    text = (tmp_path / "t.md").read_text()
    assert f"| row | {fields['epe_mm']:.2f} |" in text
    assert f"| 1 | {fields['epe_mm']:.2f} |" in text  # the transfer is to the same data
