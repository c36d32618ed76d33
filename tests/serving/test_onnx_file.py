"""ONNX files answer as their TFLite files do. Runs where tf2onnx is: `--stack=onnx`."""

import hand_files
import numpy as np
import pytest

pytest.importorskip("tf2onnx", reason="is tested with requirements/onnx.txt installed")
onnxruntime = pytest.importorskip("onnxruntime")

from dcmls_tf.errors import UserError  # noqa: E402 (what comes before may skip all)
from dcmls_tf.serving import lite_file, onnx_file, shipped  # noqa: E402


@pytest.fixture(scope="module", params=["rgb", "2d"])
def exported(request, tmp_path_factory):
    """A run's float32 file."""
    folder = tmp_path_factory.mktemp("exported")
    run_dir = hand_files.write_run(folder / "run", modality=request.param)
    _, path = hand_files.write_exports(run_dir, folder)
    return path


def test_answers_are_the_tflite_files_whatever_the_number_of_hands(exported, tmp_path):
    path = str(tmp_path / "hands.onnx")
    assert onnx_file.convert(exported, path) < 1e-4
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, given.name) == ("x", "joints")
    assert taken.shape[0] == given.shape[0] == "hands"
    x = np.random.default_rng(1).uniform(-0.5, 0.5, (5, *taken.shape[1:])).astype(np.float32)
    (together,) = session.run(None, {"x": x})
    assert together.shape == (5, 21, 3)
    for one, answer in zip(x, together, strict=True):
        np.testing.assert_allclose(session.run(None, {"x": one[None]})[0][0], answer, atol=1e-5)


def test_metadata_goes_along(exported, tmp_path):
    path = str(tmp_path / "hands.onnx")
    onnx_file.convert(exported, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    _, metadata = lite_file.read(exported)
    assert told.keys() == metadata.keys()


def test_the_shipped_model_becomes_onnx(tmp_path):
    off = onnx_file.convert(shipped.path(shipped.KEYPOINTS), str(tmp_path / "hands.onnx"))
    assert off < onnx_file.MOST_OFF_8_BIT


def test_a_file_of_another_network_is_told(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "MOST_OFF", -1.0)
    with pytest.raises(UserError, match="scale bones off"):
        onnx_file.convert(exported, str(tmp_path / "hands.onnx"))
    assert not (tmp_path / "hands.onnx").exists()
