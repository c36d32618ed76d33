"""One picture by a TFLite file: without TensorFlow, at once, and with the numbers of its graph."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dcmls_tf import geometry, placement
from dcmls_tf.photos import detector_files, photo
from dcmls_tf.serving import frames, metadata, preprocessing, shipped
from dcmls_tf.serving.lite_model import TFLiteModel

pytest.importorskip("ai_edge_litert")
ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "keras", "tf_keras", "tensorflow_probability", "tensorflow_datasets"}
RUN = """
import runpy, sys
sys.argv.remove("-c")
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("modules:", *sys.modules)
"""
CPU_SECONDS = 2.0


def predicted(folder, *arguments):
    """The picture's record; checks what was imported, said and taken of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = str(ROOT / "scripts" / "predict.py")
    command = [sys.executable, "-c", RUN, script, f"--out_dir={folder}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not HEAVY & set(done.stdout.split("modules:")[1].split())
    assert "XNNPACK" not in done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_SECONDS
    (record,) = json.loads((folder / "predictions.json").read_text())["pictures"]
    return record


def test_keypoints_by_the_shipped_model(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    uv = np.random.default_rng(1).normal([150, 120], 30, (21, 2)).astype(np.float32)
    (tmp_path / "uv.json").write_text(json.dumps(uv.tolist()))
    asked = (f"--input={tmp_path}/photo.png", f"--keypoints={tmp_path}/uv.json", "--side=left")
    (pose,) = predicted(tmp_path / "out", *asked)["hands"]

    model = TFLiteModel(shipped.path(shipped.KEYPOINTS))
    config = metadata.config_of(model.metadata, "")
    K, _ = photo.camera((320, 240))
    given: Any = {"keypoints": uv, "K": K, "side": np.int32(0)}
    tensors = {name: tf.constant(value)[None] for name, value in given.items()}
    inputs: Any = preprocessing.from_keypoints(config, **tensors)
    scale_mm = metadata.mean_scale_mm_of(model.metadata, "")
    y = tf.constant(model.predict(inputs))
    joints_mm = frames.pose_answer(y, inputs, scale_mm)["joints_mm"][0]
    first = 1 if config.root == "palm" else 0
    root_mm = placement.place_over(joints_mm[first:], tensors["keypoints"][0, first:], K)
    np.testing.assert_allclose(pose["joints_mm"], joints_mm, atol=0.01)
    np.testing.assert_allclose(pose["root_mm"], root_mm, atol=0.02)
    np.testing.assert_allclose(pose["uv"], geometry.project(joints_mm + root_mm, K), atol=0.01)


def test_hands_that_the_detector_finds(tmp_path):
    try:
        detector_files.networks()
    except Exception as error:
        pytest.skip(f"no hand detector: {error}")
    record = predicted(tmp_path, f"--input={ROOT}/docs/hand.jpg")
    assert len(record["hands"]) == 1
