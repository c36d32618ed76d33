"""Every command's `--help`: of its options, and at once, since nothing heavy is imported for it."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from dcmls_tf import api
from dcmls_tf.experiments import tuning

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    path
    for folder in ("scripts", "export")
    for path in sorted((ROOT / folder).glob("*.py"))
    if path.stem not in ("__init__", "bake_body")
]
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "scipy", "apache_beam"}
ASKED = """
import runpy, sys
sys.argv.remove("-c")
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_help_tells_the_options_and_imports_nothing_heavy(path):
    command = [sys.executable, "-c", ASKED, str(path), "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "--" in done.stdout
    modules = set(done.stderr.split())
    assert "absl" in modules
    assert not HEAVY & modules


def test_what_the_flags_offer_is_what_there_is():
    tune, export = (runpy.run_path(str(ROOT / p)) for p in ("scripts/tune.py", "export/export.py"))
    assert tune["METHODS"] == tuple(tuning.SPACES)
    assert export["FORMATS"] == api.FORMATS
