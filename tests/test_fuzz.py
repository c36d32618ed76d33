"""`benchmarks/fuzz.py`: what it makes, what it calls a failure, and that readers have none."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_inputs_follow_from_the_seed_and_differ(fuzz):
    seeds = [bytes(range(200)), b"another" * 9]
    made = list(fuzz["inputs"](seeds, 50, seed=3))
    assert made == list(fuzz["inputs"](seeds, 50, seed=3))
    assert made != list(fuzz["inputs"](seeds, 50, seed=4))
    assert len(set(made)) > 45


@pytest.mark.parametrize("name", ["annotations", "matlab", "keypoints_json", "keypoints_csv"])
def test_readers_take_a_few_hundred(fuzz, tmp_path, capsys, name):
    reader = fuzz["READERS"][name]()
    for seed in reader.seeds[:1]:
        path = tmp_path / f"good{reader.ending}"
        path.write_bytes(seed)
        reader.read(str(path))
    assert fuzz["fuzz"](name, reader, 200, 0, 10, str(tmp_path))
    assert f"| {name} | 200 |" in capsys.readouterr().out


def test_what_is_not_documented_is_kept_and_named(fuzz, tmp_path, capsys):
    def read(path: str) -> None:
        if Path(path).read_bytes()[0] % 2:
            raise KeyError("odd")

    reader = fuzz["Reader"](read, (ValueError,), [bytes(np.arange(40, dtype=np.uint8))], ".bin")
    assert not fuzz["fuzz"]("odd", reader, 60, 0, 10, str(tmp_path))
    kept = sorted((tmp_path / "odd").glob("0-*.bin"))
    assert kept
    assert all(path.read_bytes()[0] % 2 for path in kept)
    assert f"{kept[0]}: KeyError: 'odd'" in capsys.readouterr().out


@pytest.mark.slow
def test_a_thousand_inputs_a_reader(tmp_path):
    options = ("--inputs=1000", f"--out_dir={tmp_path}")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SCRIPT.parents[1])},
    )
    assert done.returncode == 0, done.stdout
