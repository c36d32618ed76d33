"""TFLite files in LiteRT: the checkpoint's numbers, sizes, metadata; `lite_model`, `model_card`."""

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from dcmls_tf import litert, variants
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.errors import UserError
from dcmls_tf.model import predict_pose, side_input
from dcmls_tf.serving import answers, model_card, tflite
from dcmls_tf.serving.tflite import TFLiteModel

rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {
    "joint_width": 32,
    "disc_width": 8,
    "input_size": 32,
    "reconstruction_size": 16,
}


def model_of(**options):
    model = variants.from_config(Config(**{**SMALL, **options}))
    for weight in model.weights:
        weight.assign(weight + 0.03 * rng.normal(size=weight.shape))
    return model


def batch_of(config, count):
    size = [32, 32, 3] if config.modality == "rgb" else [21, 2]
    x = rng.uniform(-0.5, 0.5, (count, *size)).astype(np.float32)
    return {"x": tf.constant(x), "side": tf.constant(np.arange(count) % 2, tf.int64)}


def written(path, model, precision, calibration=(), facts=None):
    content = tflite.convert(model, precision, calibration)
    path.write_bytes(tflite.with_metadata(content, facts or {}))
    return TFLiteModel(str(path))


@pytest.mark.parametrize(
    "options",
    [
        {"modality": "2d"},
        {"modality": "2d", "latent": "none", "side": "input"},
        {"modality": "2d", "turns": "0,120,240", "rays": 0.3, "unit_bone": 0.5},
        {"encoder": "resnet18_small", "side": "input", "turns": "-30,0,30"},
        pytest.param({"side": "input"}, marks=pytest.mark.slow),
        pytest.param({"encoder": "mobilenet_v3_small"}, marks=pytest.mark.slow),
        pytest.param({"encoder": "mobilenet_v3_large"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_float_files_give_the_models_numbers_on_32_frames(options, tmp_path):
    model = model_of(**options)
    batch = batch_of(model.config, 32)
    expected = predict_pose(model, batch).numpy()
    y = written(tmp_path / "a.tflite", model, "float32").predict(batch)
    assert y.shape == (32, 21, 3)
    np.testing.assert_allclose(y, expected, atol=1e-3)


def test_an_int8_file_takes_and_gives_int8_and_stays_close(tmp_path):
    model = model_of(modality="2d")
    batch = batch_of(model.config, 64)
    calibration = [{"x": x[None]} for x in batch["x"].numpy()]
    model_file = written(tmp_path / "a.tflite", model, "int8", calibration)
    details = model_file._inputs["x"], model_file._outputs[tflite.OUTPUT]
    assert all(d["dtype"] == np.int8 for d in details)
    y, expected = model_file.predict(batch), predict_pose(model, batch).numpy()
    step = details[1]["quantization"][0]
    assert np.abs(y - expected).mean() < 3 * step
    levels = y / step
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)


def test_an_int8_file_goes_without_sums_that_its_numbers_are_too_few_for(tmp_path):
    model = model_of(modality="2d", rays=1.0, unit_bone=0.5)
    batch = batch_of(model.config, 64)
    calibration = [{"x": x[None]} for x in batch["x"].numpy()]
    model_file = written(tmp_path / "a.tflite", model, "int8", calibration)
    step = model_file._outputs[tflite.OUTPUT]["quantization"][0]
    away = np.abs(model_file.predict(batch) - model(batch["x"]).numpy()).mean()
    assert away < 3 * step
    assert np.abs(predict_pose(model, batch) - model(batch["x"])).mean() > 2 * away


@pytest.mark.parametrize(
    "options",
    [
        {"latent": "full"},
        {"latent": "unified", "side": "input"},
        {"turns": "0,30", "rays": 0.3, "unit_bone": 0.5},
    ],
)
def test_a_file_samples_the_models_poses(options, tmp_path):
    model = model_of(modality="2d", **options)
    batch = batch_of(model.config, 1)
    model_file = written(tmp_path / "a.tflite", model, "float32")
    assert model_file.can_sample
    y = model_file.sample(3, batch)
    size = [1, len(y), answers.noise_size(model)]
    noise = np.random.default_rng(3).normal(size=size).astype(np.float32)
    expected = answers.sampled_poses(
        model, batch["x"], side_input(model.config, batch), tf.constant(noise)
    )
    np.testing.assert_allclose(y, expected[0], atol=1e-4)
    assert np.ptp(y, axis=0).max() > 1e-2
    assert np.abs(model_file.sample(4, batch) - y).max() > 1e-3


def as_an_outsider(content, x):
    """The joints that LiteRT itself gives of rows, all at once: resized, quantised, invoked."""
    interpreter = Interpreter(model_content=content)
    (place,) = [d["index"] for d in interpreter.get_input_details() if "x" in d["name"]]
    interpreter.resize_tensor_input(place, x.shape, strict=True)
    interpreter.allocate_tensors()
    (given,), (told,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = given["quantization"]
    values = np.clip(np.rint(x / scale + zero), -128, 127) if scale else x
    interpreter.set_tensor(place, values.astype(given["dtype"]))
    interpreter.invoke()
    y = interpreter.get_tensor(told["index"])
    scale, zero = told["quantization"]
    return scale * (y.astype(np.float32) - zero) if scale else y


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ({"modality": "2d"}, "int8"),
        ({"modality": "2d"}, "float32"),
        pytest.param({"encoder": "mobilenet_v3_small"}, "int8", marks=pytest.mark.slow),
        pytest.param({"modality": "2d"}, "float16", marks=pytest.mark.slow),
        pytest.param({"modality": "2d"}, "dynamic", marks=pytest.mark.slow),
        pytest.param({"encoder": "mobilenet_v3_small"}, "dynamic", marks=pytest.mark.slow),
        pytest.param({"encoder": "resnet18"}, "float16", marks=pytest.mark.slow),
        pytest.param({"encoder": "resnet18"}, "float32", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_file_takes_any_number_of_hands_and_one_size_of_crops(options, precision, tmp_path):
    model = model_of(**options)
    batch = batch_of(model.config, 5)
    x = batch["x"].numpy()
    model_file = written(tmp_path / "a.tflite", model, precision, [{"x": row[None]} for row in x])
    content = (tmp_path / "a.tflite").read_bytes()
    one_by_one = np.concatenate([model_file(x=row[None]) for row in x])
    # Convolutions of several rows add up in another order.
    rounding = {"float32": 1e-4, "float16": 0.01, "dynamic": 0.05, "int8": 1e-4}[precision]
    for rows in (5, 1, 3):
        some = {"x": x[:rows], "side": np.ones(rows)}
        np.testing.assert_allclose(model_file.predict(some), one_by_one[:rows], atol=rounding)
        alone = as_an_outsider(content, x[:rows])
        np.testing.assert_allclose(alone, one_by_one[:rows], atol=rounding)
    noise = np.zeros([5, tflite.DEFAULT_HYPOTHESES, answers.noise_size(model)])
    spread = model_file._run(tflite.SPREAD, {"x": x, "noise": noise})
    assert spread.shape == (5, tflite.DEFAULT_HYPOTHESES, 21, 3)
    dtype = np.int8 if precision == "int8" else np.float32
    for size in (16, 33, 64) if model.config.modality == "rgb" else ():
        pose = Interpreter(model_content=content).get_signature_runner(tflite.SERVING_DEFAULT)
        with pytest.raises(RuntimeError, match="num_input_elements != num_output_elements"):
            pose(x=np.zeros([1, size, size, 3], dtype))


def test_what_runs_a_file_without_naming_a_signature_gets_a_pose(tmp_path):
    content = tflite.convert(model_of(modality="2d"), "float32")
    (details,) = litert.interpreter(content).get_output_details()
    assert details["shape"].tolist() == [1, 21, 3]


def test_direct_regression_does_not_sample(tmp_path):
    model = model_of(modality="2d", latent="none")
    assert not written(tmp_path / "a.tflite", model, "float32").can_sample


@pytest.mark.slow
def test_smaller_precisions_are_smaller(tmp_path):
    model = model_of(modality="2d", joint_width=128)
    calibration = [{"x": x[None]} for x in batch_of(model.config, 8)["x"].numpy()]
    sizes = [
        len(tflite.convert(model, precision, calibration))
        for precision in ("float32", "float16", "dynamic")
    ]
    assert sizes[0] > 1.8 * sizes[1] > 1.8 * 1.5 * sizes[2]


def test_a_file_carries_its_metadata_and_still_runs(tmp_path):
    model = model_of(modality="2d")
    facts = {"joint_names": ["palm"], "mean_scale_mm": 36.5}
    batch = batch_of(model.config, 2)
    bare = TFLiteModel.from_bytes(tflite.convert(model, "float32"))
    full = written(tmp_path / "full.tflite", model, "float32", facts=facts)
    assert facts.items() <= full.metadata.items()
    assert bare.metadata == {}
    np.testing.assert_array_equal(full.predict(batch), bare.predict(batch))


def test_a_file_without_the_signature_of_a_pose_is_named(tmp_path):
    double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([1, 2])])
    functions = [double.get_concrete_function()]
    content = tf.lite.TFLiteConverter.from_concrete_functions(functions).convert()
    (tmp_path / "a.tflite").write_bytes(tflite.with_metadata(content, {}))
    with pytest.raises(UserError, match=r"--model=.*a.tflite: .* no signature serving_default"):
        TFLiteModel(str(tmp_path / "a.tflite"))


def test_calibration_takes_augmented_training_examples(rhd_tree, data_dir):
    c = Config(raw_dir=str(rhd_tree), data_dir=data_dir, **SMALL, side="input")
    builder = preparation.from_config(c)
    inputs = tflite.calibration_inputs(builder, c, count=6)
    assert [i["x"].shape for i in inputs] == [(1, 32, 32, 3)] * 6
    assert {i["side"].shape for i in inputs} == {(1, 1)}
    plain = next(iter(pipeline.evaluation_batches(builder, c, "training", 12)))["x"].numpy()
    # Augmentation: none of them is the plain crop of a training frame.
    assert all(np.abs(plain - i["x"]).mean((1, 2, 3)).min() > 1e-3 for i in inputs)


@pytest.fixture(scope="module")
def exported(rhd_tree, data_dir, tmp_path_factory):
    """The folder of an export of a 2D model, and the model."""
    c = Config(raw_dir=str(rhd_tree), data_dir=data_dir, **SMALL, modality="2d")
    model = variants.from_config(c)
    facts = {
        "config": {"latent": "full", "encoder": "resnet18", "crop_margin": 1.5},
        "modality": "2d",
        "input_size": 32,
        "side": "mirror",
        "training_data": {"dataset": "rhd", "source": "rhd"},
        "checkpoint_step": 7,
        "created": "2026-01-01T00:00:00+00:00",
        "mean_scale_mm": 36.5,
        "meaning": {"joints": "in scale bones"},
        "joint_names": ["palm", "thumb_cmc"],
    }
    folder = tmp_path_factory.mktemp("lite") / "1"
    tflite.export(model, c, facts, str(folder), preparation.from_config(c), "evaluation")
    return folder, model, c


def test_the_card_has_every_file_beside_the_checkpoint(exported):
    folder, _, _ = exported
    card = json.loads((folder / model_card.CARD_JSON).read_text())
    names = {f"{precision}.tflite" for precision in tflite.PRECISIONS}
    assert {p.name for p in folder.glob("*.tflite")} == set(card["files"]) == names
    checkpoint = card["evaluation"]
    assert checkpoint["samples"] == 6
    for name, row in card["files"].items():
        assert row["bytes"] == (folder / name).stat().st_size
        assert set(row["latency_ms"]) == {"1", "2"}
        assert min(row["latency_ms"].values()) > 0
        assert TFLiteModel(str(folder / name)).metadata["checkpoint_step"] == 7
    files = card["files"]
    assert files["float32.tflite"]["epe_mm"] == pytest.approx(checkpoint["epe_mm"], abs=1e-2)
    assert files["int8.tflite"]["epe_mm"] == pytest.approx(checkpoint["epe_mm"], abs=1)
    text = (folder / model_card.CARD_MARKDOWN).read_text()
    row = next(line for line in text.splitlines() if "int8.tflite" in line)
    assert f"{files['int8.tflite']['epe_mm']:.2f}" in row
    assert f"{checkpoint['epe_mm']:.2f}" in text
    assert "6 samples" in text


def test_the_cards_epe_is_the_files_own(exported):
    folder, _, c = exported
    builder = preparation.from_config(c)
    batch = next(iter(pipeline.evaluation_batches(builder, c, "evaluation", 6)))
    y_pred = TFLiteModel(str(folder / "int8.tflite")).predict(batch)
    error = np.linalg.norm(y_pred - batch["y"], axis=-1) * batch["scale_mm"].numpy()[:, None]
    visible = batch["visible"].numpy()
    by_joint = [error[visible[:, j], j].mean() for j in range(21) if visible[:, j].any()]
    card = json.loads((folder / model_card.CARD_JSON).read_text())
    assert card["files"]["int8.tflite"]["epe_mm"] == pytest.approx(np.mean(by_joint), rel=1e-4)
