"""TFLite files for LiteRT: one network x → y, in four precisions, and how to run them.

    float32   the checkpoint's numbers
    float16   weights halved; computes in float32 on CPUs
    dynamic   int8 weights; activations are quantised as they come
    int8      int8 weights and activations, input and output too; calibrated on training data

Input `x` is what the model's encoder takes, `[1, S, S, 3]` in [-0.5, 0.5] (left hands mirrored
where the model was trained so) or `[1, 21, 2]`, and `side` `[1, 1]` for models with
--side=input. Output `joints` `[1, 21, 3]` is in scale bones, root-relative, in the crop's frame.
Preprocessing is not in the file: decoding and cropping are the device's own business.

Each file carries `metadata.json` as TFLite's associated files do: a zip archive at its end.
"""

import io
import json
import os
import shutil
import statistics
import time
import warnings
import zipfile

import numpy as np
import tensorflow as tf

from dcmls_tf import addons, files
from dcmls_tf.data import pipeline
from dcmls_tf.errors import UserError
from dcmls_tf.model import predict_pose, side_input, zeros_x
from dcmls_tf.serving import model_card

PRECISIONS = ("float32", "float16", "dynamic", "int8")
METADATA_FILE = "metadata.json"
OUTPUT = "joints"
CALIBRATION_EXAMPLES = 256
EVALUATION_BATCH = 64
WARM_UP_RUNS, TIMED_RUNS = 10, 200


def export(model, config, facts, folder, builder, split):
    """Writes every precision and the model card into `folder`, which is complete or absent.

    Args:
        model, config: what `runs.load_model` returns.
        facts: `saved_model.metadata`'s.
        folder: where to; it must not be there yet.
        builder: the prepared data that calibrates and evaluates.
        split: the split that the card tells of.
    """

    def measure(predict):
        batches = pipeline.evaluation_batches(builder, config, split, EVALUATION_BATCH)
        return model_card.measure(predict, batches, facts["mean_scale_mm"])

    partial = f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    checkpoint = measure(
        tf.function(lambda batch: predict_pose(model, batch), reduce_retracing=True)
    )
    calibration = calibration_inputs(builder, config)
    rows = {}
    for precision in PRECISIONS:
        name = f"{precision}.tflite"
        content = convert(model, config, precision, calibration)
        content = with_metadata(content, {**facts, "precision": precision})
        files.write(os.path.join(partial, name), content)
        rows[name] = {
            "bytes": len(content),
            **measure(LiteModel.of(content).predict),
            "latency_ms": {str(n): latency_ms(content, n) for n in model_card.THREADS},
        }
    model_card.write(partial, facts, split, checkpoint, rows)
    os.rename(partial, folder)


class _Network(tf.Module):
    """x → y with its weights tracked as `tf.Variable`s, which the converter can freeze.

    It must not see Keras's variables: files made from those fail when they run.
    """

    def __init__(self, model):
        super().__init__(name="dcmls")
        names = ("encoder_x", "translator", "decoder_y")
        networks = model.networks()
        self.weights = [addons.tf_variables(networks[n]) for n in names if n in networks]
        self._predict = lambda **inputs: model(**inputs, training=False)

    def function(self, config):
        """The concrete function of a batch of one."""
        specs = {
            name: tf.TensorSpec(value.shape, tf.float32, name)
            for name, value in zip(("x", "side"), zeros_x(config), strict=True)
            if value is not None
        }
        call = tf.function(lambda **inputs: {OUTPUT: self._predict(**inputs)})
        return call.get_concrete_function(**specs)


def convert(model, config, precision, calibration=None):
    """The bytes of a TFLite file.

    Args:
        model: what `runs.load_model` returns.
        config: its `Config`.
        precision: one of `PRECISIONS`.
        calibration: for `int8`, what `calibration_inputs` returns.
    """
    network = _Network(model)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.function(config)], network)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = lambda: iter(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        # The converter calibrates with TensorFlow's own interpreter, which is deprecated.
        warnings.simplefilter("ignore", UserWarning)
        return converter.convert()


def calibration_inputs(builder, config, count=CALIBRATION_EXAMPLES):
    """Inputs of `count` augmented training examples, each a dict of arrays with one row."""
    one_by_one = config.replace(batch_size=1)
    batches = pipeline.training_batches(builder, one_by_one)
    return [_inputs(config, batch) for batch in batches.take(count)]


def _inputs(config, batch):
    """What the network takes of a pipeline batch, name → array."""
    found = {"x": batch["x"], "side": side_input(config, batch)}
    return {name: np.asarray(value) for name, value in found.items() if value is not None}


def with_metadata(content, facts):
    """A TFLite file's bytes with `facts` in it as `metadata.json`; interpreters pass over it."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(METADATA_FILE, json.dumps(facts, indent=2, allow_nan=False))
    return file.getvalue()


class LiteModel:
    """A TFLite file in LiteRT's interpreter; quantised inputs and outputs are taken care of.

    `metadata` is what the file carries, `None` where that is nothing. Raises `UserError` when
    the file cannot be read or is none of this project's.
    """

    def __init__(self, path, num_threads=1):
        try:
            with open(path, "rb") as file:
                self._open(file.read(), num_threads)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"--model={path}: is no readable TFLite file ({error})") from None
        if "x" not in self._inputs or OUTPUT not in self._outputs:
            raise UserError(f"--model={path}: is not a TFLite file that export/export.py wrote")

    @classmethod
    def of(cls, content, num_threads=1):
        """The model of a file's bytes."""
        model = cls.__new__(cls)
        model._open(content, num_threads)
        return model

    def _open(self, content, num_threads):
        self._interpreter = interpreter(content, num_threads)  # The runner does not keep it.
        self._runner = self._interpreter.get_signature_runner()
        self._inputs = self._runner.get_input_details()
        self._outputs = self._runner.get_output_details()
        self.metadata = _metadata(content)

    def __call__(self, **inputs):
        """Arrays with one row each → `joints` `[1, 21, 3]`."""
        given = {name: _quantised(value, self._inputs[name]) for name, value in inputs.items()}
        return _dequantised(self._runner(**given)[OUTPUT], self._outputs[OUTPUT])

    def predict(self, batch):
        """A pipeline batch → y_pred `[B, 21, 3]`, in scale bones and the crop's frame."""
        rows = {name: np.asarray(batch[name], np.float32) for name in self._inputs}
        if "side" in rows:
            rows["side"] = rows["side"][:, None]
        each = ({n: v[i : i + 1] for n, v in rows.items()} for i in range(len(rows["x"])))
        return np.concatenate([self(**one) for one in each])


def interpreter(content, num_threads):
    """LiteRT's interpreter of a file's bytes, ready to run. Raises `UserError` without LiteRT."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError("TFLite files need ai-edge-litert: pip install '.[export]'") from None
    found = Interpreter(model_content=content, num_threads=num_threads)
    found.allocate_tensors()
    return found


def latency_ms(content, num_threads, runs=TIMED_RUNS):
    """Median time of one inference in ms, on zeros; a network's time does not depend on them."""
    ready = interpreter(content, num_threads)
    times_ms(ready, WARM_UP_RUNS)
    return statistics.median(times_ms(ready, runs))


def times_ms(ready, runs):
    """Times of `runs` inferences of an interpreter on zeros, a list in ms."""
    for details in ready.get_input_details():
        ready.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        ready.invoke()
        times.append(1000 * (time.perf_counter() - start))
    return times


def _metadata(content):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return json.loads(archive.read(METADATA_FILE))
    except (zipfile.BadZipFile, KeyError, ValueError):
        return None


def _quantised(value, details):
    scale, zero = details["quantization"]
    if not scale:
        return np.asarray(value, details["dtype"])
    limits = np.iinfo(details["dtype"])
    return np.clip(np.rint(value / scale + zero), limits.min, limits.max).astype(details["dtype"])


def _dequantised(value, details):
    scale, zero = details["quantization"]
    return value if not scale else np.float32(scale) * (np.float32(value) - zero)
