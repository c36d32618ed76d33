"""A data set in RHD's layout: its files, interrupted and extended runs, wrong flags."""

import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.rendering import dataset, frame, scene

ROOT = pathlib.Path(__file__).parents[2]
COUNTS = {"training": 4, "evaluation": 2}


def render(folder, counts=COUNTS, **options):
    options = {"seed": 3, "workers": 2, "progress": False, **options}
    dataset.render_dataset(str(folder), counts, **options)


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    render(folder, workers=1)
    return folder


def load(folder, split):
    with open(folder / split / f"anno_{split}.pickle", "rb") as file:
        return pickle.load(file)


def read(path):
    """The pixels of an image file as they are in it, `[H, W]` or BGR `[H, W, 3]`."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def test_layout_is_rhds(rendered):
    annotations = load(rendered, "training")
    assert list(annotations) == [0, 1, 2, 3]
    shapes = {name: (value.shape, value.dtype.name) for name, value in annotations[0].items()}
    assert shapes == {
        "xyz": ((42, 3), "float32"),
        "uv_vis": ((42, 3), "float32"),
        "K": ((3, 3), "float32"),
    }
    for kind, shape in (("color", (320, 320, 3)), ("mask", (320, 320)), ("depth", (320, 320, 3))):
        assert read(rendered / "evaluation" / kind / "00001.png").shape == shape


def test_depth_file_is_in_metres_where_the_person_is(rendered):
    folder = rendered / "training"
    depth = frame.decode_depth(read(folder / "depth" / "00000.png")[:, :, ::-1])
    mask = read(folder / "mask" / "00000.png")
    assert depth[mask > 0].max() < 4
    assert (depth[mask == 0] == 5).all()


def test_interrupted_extended_and_mended_sets_have_the_same_bytes(rendered, tmp_path):
    render(tmp_path, {"training": 3, "evaluation": 2})
    (tmp_path / "training" / "mask" / "00001.png").unlink()
    kept = tmp_path / "training" / "color" / "00000.png"
    before = kept.stat().st_mtime_ns
    render(tmp_path)
    assert kept.stat().st_mtime_ns == before
    assert files(tmp_path) == files(rendered)


def test_annotations_only_are_those_of_the_scenes(rendered, tmp_path):
    render(tmp_path, {"training": 3}, annotations_only=True)
    assert not list(tmp_path.rglob("*.png"))
    for folder, shared in ((tmp_path, True), (rendered, False)):
        written = load(folder, "training")
        agree = []
        for index in range(3):
            drawn = scene.sample_scene(3, "training", index, shared=shared).annotation
            for name in ("xyz", "K"):
                np.testing.assert_array_equal(written[index][name], getattr(drawn, name))
            pairs = written[index]["uv_vis"], drawn.uv_vis
            np.testing.assert_array_equal(pairs[0][:, :2], pairs[1][:, :2])
            agree.append(np.mean(pairs[0][:, 2] == pairs[1][:, 2]))
        # Flags come from a coarse copy of the body, those of frames from their masks.
        assert np.mean(agree) > 0.97


def test_finished_set_is_left_alone(rendered, monkeypatch):
    monkeypatch.setattr(dataset, "results", None)
    render(rendered)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 4}, "seed=3, not 4"),
        ({"annotations_only": True}, "annotations_only=False, not True"),
        ({"counts": {"training": 2}}, "--training=2: .* already holds frame 3"),
    ],
)
def test_other_settings_in_the_same_folder(rendered, options, message):
    with pytest.raises(UserError, match=message):
        render(rendered, **options)


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--out_dir="):
        render(tmp_path / "file" / "out")


def start(folder, *flags):
    command = [sys.executable, ROOT / "scripts" / "render.py", f"--out_dir={folder}", "--seed=3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*command, *flags], env=environment, stderr=subprocess.PIPE, text=True)


def test_script_says_what_is_wrong_with_a_flag(tmp_path):
    flags = ("--training=0", "--evaluation=0")
    run = start(tmp_path, *flags)
    errors = run.communicate()[1]
    assert run.returncode == 1
    assert errors.startswith("error: --training=0")
    assert len(errors.splitlines()) == 1


def test_killed_run_goes_on(rendered, tmp_path):
    flags = ("--training=4", "--evaluation=2", "--workers=1")
    run = start(tmp_path, *flags)
    color = tmp_path / "training" / "color"
    deadline = time.time() + 60
    while not (color.is_dir() and any(color.glob("*.png"))) and time.time() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert any(color.glob("*.png"))
    time.sleep(0.5)  # the worker sees that its parent is gone
    assert not (tmp_path / "training" / "anno_training.pickle").exists()
    render(tmp_path)
    left = {path: data for path, data in files(tmp_path).items() if path.suffix != ".partial"}
    assert left == files(rendered)
