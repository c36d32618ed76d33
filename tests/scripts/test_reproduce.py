"""Experiments and probes whole, in real processes; covers `experiments.showcase` too."""

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

pytestmark = pytest.mark.slow


def run_script(name, *arguments):
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def reproduce(experiment, folder):
    run_script(
        "reproduce",
        *(f"--experiment={experiment}", "--dataset=rhd", "--modality=2d", "--scale=quick"),
        *(f"--{name}={folder / name}" for name in ("data_dir", "runs_dir", "out_dir")),
        *(f"--{name}={folder / 'rhd'}" for name in ("raw_dir", "transfer_dir")),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Figure 7 reproduced, on a tree of annotations in RHD's layout."""
    folder = tmp_path_factory.mktemp("reproduce")
    raw_trees.write_rhd(folder / "rhd", training=80, evaluation=12, images=False)
    reproduce("fig7", folder)
    return folder


@pytest.fixture(scope="module")
def report(folder):
    """The path of its one run's report."""
    (report,) = folder.rglob("report.json")
    return report


def test_an_experiment_reads_the_run_that_another_has_trained(folder, report):
    written = report.stat().st_mtime_ns
    reproduce("fig6", folder)
    assert report.stat().st_mtime_ns == written
    made = {path.name for path in (folder / "out_dir").iterdir()}
    pictures = {f"fig{n}-rhd-2d-quick.{kind}" for n in (6, 7) for kind in ("png", "gif")}
    assert made == pictures | {"fig6-rhd-2d-quick.csv"}


def test_a_table_has_the_runs_report_and_its_transfer(report, tmp_path):
    setting = Setting("rhd", "2d", "quick")
    comparison.write("t", setting, {"row": [str(report.parent)]}, str(tmp_path / "t"))
    epe_mm = json.loads(report.read_text())["epe_mm"]
    text = (tmp_path / "t.md").read_text()
    assert f"| row | {epe_mm:.2f} |" in text
    assert f"| 1 | {epe_mm:.2f} |" in text  # the transfer is to the same data


def test_probes_of_a_run_lie_in_its_folder(folder, report):
    printed = run_script("probe", f"--run_dir={report.parent}", "--samples=40")
    fields = json.loads((report.parent / "probes.json").read_text())
    assert list(fields) == [
        *("run_dir", "split", "samples", "pose_r2", "disc_h_accuracy", "modality_accuracy"),
        *("epe_mm", "reconstruction_epe_mm"),
    ]
    assert fields["split"] == "training[:40]"
    assert f"{fields['pose_r2']['z_h']:.3f}" in printed
    assert f"reconstructions {fields['reconstruction_epe_mm']:.2f} mm" in printed
    assert (report.parent / "projector" / "metadata.tsv").exists()
