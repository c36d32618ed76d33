"""What one stack saves, the other reads and goes on with: the order that `addons` gives variables.

The other stack's Python is `.venv-addons/bin/python` beside Keras 3 and `.venv/bin/python` beside
Keras 2, as `scripts/test.sh` makes them, or the one that `OTHER_STACK_PYTHON` names.
"""

import os
import pathlib
import subprocess

import hand_files
import numpy as np
import other_stack
import pytest

from dcmls_tf import addons, checkpoints, config

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ".venv-addons" if addons.KERAS_3 else ".venv"
PYTHON = pathlib.Path(os.environ.get("OTHER_STACK_PYTHON", ROOT / FOLDER / "bin" / "python"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no other stack in {FOLDER}"),
]

# Numbers that a batch normalisation here averages over, at the least: 8 images of 2 by 2.
LEAST = 32


def on_the_other_stack(*arguments):
    command = [PYTHON, ROOT / "tests" / "other_stack.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def values(owners):
    return {n: [v.numpy() for v in of] for n, of in addons.variables_by_name(owners).items()}


def pairs(ours, theirs):
    return [p for n in ours for p in zip(ours[n], theirs[n], strict=True)]


@pytest.mark.parametrize(
    "options",
    [
        {"modality": "2d"},
        {"modality": "2d", "optimizer": "lamb", "spectral_norm": True},
        {"modality": "rgb", "encoder": "resnet18"},
        {"modality": "rgb", "encoder": "mobilenet_v3_small"},
    ],
    ids=["2d", "lamb, spectral", "resnet18", "mobilenet"],
)
def test_a_run_goes_there_and_back(options, tmp_path):
    c = config.Config(run_dir=str(tmp_path), **{**other_stack.SMALL, **options})
    here = other_stack.trainer(c)
    other_stack.take_steps(here, other_stack.STEPS)
    other_stack.save(here)
    pose = checkpoints.pose_function(here.model)({"x": other_stack.batch(c)["x"]})
    on_the_other_stack("go_on", tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / other_stack.PREDICTIONS), pose, atol=1e-5)

    back = other_stack.restored(c)
    before = values(here.networks)
    other_stack.take_steps(here, 1)
    assert int(back.step) == int(here.step) == other_stack.STEPS + 1
    for owners in "networks", "optimizers":
        for a, b in pairs(values(getattr(here, owners)), values(getattr(back, owners))):
            # Two TensorFlows round gradients differently; those of what a batch normalisation
            # takes away again are nothing but rounding. Of variances, Keras 2's fused
            # normalisation keeps the unbiased estimate, by 1 / (n - 1) larger.
            rtol = 1 / (LEAST - 1) if a.ndim == 1 and (a > 0.5).all() else 1e-5
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5)
    # Without its moments, Adam's step would have been of another size.
    assert max(np.abs(a - b).max() for a, b in pairs(values(here.networks), before)) > 1e-4


@pytest.mark.parametrize("modality", ["2d", "rgb"])
def test_exports_and_runs_answer_there_as_here(modality, tmp_path):
    run = hand_files.write_run(tmp_path / "run", modality=modality)
    paths = [run, *hand_files.write_exports(run, tmp_path)]
    on_the_other_stack("answer", modality, *paths)
    for path in paths:
        here = other_stack.answer(path, modality)
        np.testing.assert_allclose(np.load(f"{path}.npy"), here, atol=1e-3)
