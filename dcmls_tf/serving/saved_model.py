"""SavedModels on disk, as TensorFlow Serving wants them: written, found, loaded.

    <out_dir>/<version>/saved_model.pb, variables/    the signatures of `serving`
                        assets/metadata.json          where the model comes from, how good it is
                        assets.extra/                 requests that a server warms up with

They load without Keras and without this package: `tf.saved_model.load`, TensorFlow Serving.
"""

import dataclasses
import datetime
import json
import os
import shutil
import tempfile

import numpy as np
import tensorflow as tf

from dcmls_tf import files
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import report as evaluation

METADATA_FILE = "metadata.json"
# Beside the versions, of which TensorFlow Serving sees only names that are numbers.
LITE_FOLDER = "lite"
WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
WARMUP_BATCHES = (1, 8)
# What a report says about a model, for its metadata.
REPORTED = ("dataset", "source", "split", "samples", "joints", "epe_mm", "auc_20_50", "scale_mean")
MEANING = {
    "joints": "relative to the root, in lengths of the scale bone (middle MCP to PIP)",
    "joints_mm": "joints times mean_scale_mm: a hand of the training set's mean size",
    "frame": "the photo's camera: x right, y down, z forward",
}


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A SavedModel in this process: `signatures` by name, `metadata`, and its folder."""

    signatures: dict
    metadata: dict
    path: str
    # Owns the variables.
    root: object = dataclasses.field(repr=False)

    def answer(self, signature, **inputs):
        """Runs a signature on arrays; inputs that are not given are neutral. Name → array.

        Raises `UserError` with what the graph says when it refuses an input.
        """
        function = self.signatures[signature]
        wanted = function.structured_input_signature[1]
        rows = len(next(iter(inputs.values())))
        given = {name: inputs.get(name) for name in wanted}
        tensors = {
            name: _neutral(wanted[name], rows) if value is None else tf.constant(value)
            for name, value in given.items()
        }
        try:
            found = function(**{n: tf.cast(v, wanted[n].dtype) for n, v in tensors.items()})
        except tf.errors.InvalidArgumentError as error:
            raise UserError(
                f"{self.path}: {signature} refuses its input: {error.message}"
            ) from None
        return {name: value.numpy() for name, value in found.items()}


def metadata(config, statistics, run_dir, step):
    """What goes with an export: configuration, training data, joint names, the run's report."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "checkpoint_step": step,
        "modality": config.modality,
        "input_size": config.input_size,
        "side": config.side,
        "root": config.root,
        "joint_names": list(evaluation.joint_names(config.root)),
        "mean_scale_mm": statistics.mean_scale_mm,
        "meaning": MEANING,
        "training_data": {"dataset": config.dataset, "source": _source(config)},
        "report": _report(run_dir),
        "config": dataclasses.asdict(config),
        "versions": evaluation.versions(),
    }


def _source(config):
    """Where the training data came from; it has to be there still to say so."""
    return evaluation.source_of(config) if os.path.isdir(config.raw_dir) else "not known"


def _report(run_dir):
    """The run's evaluation in short, or `None` when it has none."""
    path = os.path.join(run_dir, "report.json")
    if not os.path.exists(path):
        return None
    try:
        with open(path) as file:
            found = json.load(file)
        kept = {key: found[key] for key in REPORTED if key in found}
        kept["scale_mean"] = {k: found["scale_mean"][k] for k in ("epe_mm", "auc_20_50")}
        return kept
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"--run_dir: {path} is damaged ({error}); evaluate the run again") from None


def save(served, facts, out_dir, version, warm_up=True):
    """Writes `<out_dir>/<version>/` and returns it; the folder is complete or absent.

    Args:
        served: a `serving.Served`.
        facts: what `metadata` returns.
        out_dir: the model's folder; its name is the model's in warm-up requests.
        version: what `new_version` returns.
        warm_up: whether to write requests for TensorFlow Serving to warm up with.

    Raises `UserError` without the protos that warm-up requests are written in.
    """
    folder = os.path.join(out_dir, str(version))
    partial = f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, METADATA_FILE)
        files.write_json(path, facts)
        served.metadata = tf.saved_model.Asset(path)
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(served, partial, signatures=served.signatures(), options=options)
    if warm_up:
        name = os.path.basename(os.path.abspath(out_dir))
        _write_warm_up(os.path.join(partial, WARMUP_FILE), served, name)
    os.rename(partial, folder)
    return folder


def new_version(out_dir, version=None):
    """A version's number: `version` if it is free, or one more than the highest there.

    Makes `out_dir`. Raises `UserError` when it cannot be made or the version exists.
    """
    try:
        os.makedirs(out_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out_dir={out_dir}: cannot be made ({error.strerror})") from None
    there = [*_versions(out_dir), *_versions(os.path.join(out_dir, LITE_FOLDER))]
    if version in there:
        raise UserError(f"--version={version}: {out_dir} has it already; give another one")
    return version or max(there, default=0) + 1


def _versions(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [int(name) for name in names if name.isdecimal()]


def find(path):
    """The SavedModel's folder: `path` itself, or the highest version in it. Raises `UserError`."""
    if tf.saved_model.contains_saved_model(path):
        return path
    folder = os.path.join(path, str(max(_versions(path), default=0)))
    if not tf.saved_model.contains_saved_model(folder):
        raise UserError(f"--model={path}: holds no SavedModel; make one with export/export.py")
    return folder


def load(path):
    """The SavedModel in `path`, or its highest version, as `Loaded`. Raises `UserError`."""
    folder = find(path)
    try:
        with open(os.path.join(folder, "assets", METADATA_FILE)) as file:
            facts = json.load(file)
        root = tf.saved_model.load(folder)
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--model={folder}: is damaged or of another make ({reason})") from None
    return Loaded(dict(root.signatures), facts, folder, root)


def example_inputs(function, rows):
    """Inputs of a signature (a `tf.function` with its specifications): name → array of `rows`."""
    given = {spec.name: spec for spec in function.input_signature}
    return {name: _example_input(name, spec, rows) for name, spec in given.items()}


def _example_input(name, spec, rows):
    if name == "image":
        ramp = np.linspace(0, 255, 320).astype(np.uint8)
        image = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 128), -1).astype(np.uint8)
        return np.array([tf.io.encode_jpeg(image).numpy()] * rows, object)
    if name == "keypoints":
        shape = [rows, *spec.shape[1:]]
        return np.random.default_rng(0).uniform(100, 200, shape).astype(np.float32)
    return _neutral(spec, rows)


def _neutral(spec, rows):
    """What stands for an input that is not given: a right hand, zeros for anything else."""
    fill = np.ones if spec.name == "side" else np.zeros
    return fill([rows, *spec.shape[1:]], spec.dtype.as_numpy_dtype)


def _write_warm_up(path, served, model_name):
    """One request a signature and batch size, as `PredictionLog`s in a TFRecord file."""
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        raise UserError(
            "--warm_up: needs tensorflow-serving-api; pip install '.[export]', or --nowarm_up"
        ) from None
    os.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for signature, function in served.signatures().items():
            for rows in WARMUP_BATCHES:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in example_inputs(function, rows).items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictLog(request=request)
                entry = prediction_log_pb2.PredictionLog(predict_log=log)
                writer.write(entry.SerializeToString())
