"""Requests that TensorFlow Serving answers while it loads a model, so that no user waits for it."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from dcmls_tf.errors import UserError
from dcmls_tf.serving.signatures import ServedModel, neutral_input

WARM_UP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
WARM_UP_BATCHES = (1, 8)


def write(path: str, served: ServedModel, model_name: str) -> None:
    """One request a signature and batch size, as `PredictionLog`s in a TFRecord file.

    Raises `UserError` without the protos that they are written in.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        raise UserError(
            "--warm_up: needs tensorflow-serving-api; pip install '.[export]', or --nowarm_up"
        ) from None
    os.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for signature, function in served.signatures().items():
            for rows in WARM_UP_BATCHES:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in example_inputs(function, rows).items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictLog(request=request)
                writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def example_inputs(function: Any, rows: int) -> dict[str, np.ndarray]:
    """Inputs of `rows` hands for a signature, a `tf.function` with its specifications, by name."""
    return {spec.name: _example_input(spec, rows) for spec in function.input_signature}


def _example_input(spec: tf.TensorSpec, rows: int) -> np.ndarray:
    if spec.name == "image":
        ramp = np.linspace(0, 255, 320).astype(np.uint8)
        image = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 128), -1).astype(np.uint8)
        return np.array([tf.io.encode_jpeg(image).numpy()] * rows, object)
    if spec.name == "keypoints":
        shape = [rows, *spec.shape[1:]]
        return np.random.default_rng(0).uniform(100, 200, shape).astype(np.float32)
    return neutral_input(spec, rows)
