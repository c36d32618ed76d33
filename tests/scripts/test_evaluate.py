"""The script that evaluates a run; `tests/evaluation` has the evaluation itself."""

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_script_names_a_run_that_is_not_there(tmp_path):
    script = pathlib.Path(__file__).parents[2] / "scripts" / "evaluate.py"
    command = [sys.executable, script, f"--run_dir={tmp_path / 'nowhere'}"]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "nowhere/config.json does not exist" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not os.listdir(tmp_path)
