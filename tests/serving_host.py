"""A small stand-in for TensorFlow Serving, in a process of its own: its protos, its REST API.

    python tests/serving_host.py models.config

Reads a ModelServerConfig, loads the newest version of each model, replays its warm-up requests
and serves it over gRPC and HTTP on free ports, which it prints as one line of JSON. As strict
as older servers: every input must be there, of the signature's type. It knows nothing of this
package, so what it serves stands on its own.
"""

import base64
import json
import os
import sys
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

# TensorFlow's codes are gRPC's, and TensorFlow Serving answers with what the graph says.
CODES = {code.value[0]: code for code in grpc.StatusCode}
WARM_UP = os.path.join("assets.extra", "tf_serving_warmup_requests")


class Refused(Exception):
    """A request that TensorFlow Serving would answer with INVALID_ARGUMENT or NOT_FOUND."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


class Servable:
    """One version of one model."""

    def __init__(self, base_path: str):
        self.version = max(int(name) for name in os.listdir(base_path) if name.isdecimal())
        self.folder = os.path.join(base_path, str(self.version))
        self.root = tf.saved_model.load(self.folder)
        self.warmed_up = self._replay()

    def _replay(self) -> list[str]:
        path = os.path.join(self.folder, WARM_UP)
        records = tf.data.TFRecordDataset(path) if os.path.exists(path) else ()
        answered = []
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            self.predict(request.model_spec.signature_name, _arrays(request))
            answered.append(request.model_spec.signature_name)
        return answered

    def predict(self, signature: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Arrays by name → arrays by name."""
        function = self.root.signatures.get(signature or "serving_default")
        if function is None:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"no signature {signature!r}")
        wanted = function.structured_input_signature[1]
        if set(inputs) != set(wanted):
            message = f"input size does not match signature: {sorted(inputs)} != {sorted(wanted)}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        for name, spec in wanted.items():
            if tf.as_dtype(inputs[name].dtype) != spec.dtype:
                message = f"{name} is {inputs[name].dtype}, expected {spec.dtype.name}"
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            answer = function(**{name: tf.constant(value) for name, value in inputs.items()})
        except tf.errors.OpError as error:
            raise Refused(CODES[error.error_code], error.message) from None
        except ValueError as error:  # Of a shape.
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
        return {name: value.numpy() for name, value in answer.items()}


def _arrays(request: Any) -> dict[str, Any]:
    return {name: tf.make_ndarray(value) for name, value in request.inputs.items()}


class Grpc(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """PredictionService.Predict and ModelService.GetModelStatus."""

    def __init__(self, servables: dict[str, Servable]):
        self.servables = servables

    def Predict(self, request: Any, context: Any) -> Any:
        servable = self._servable(request, context)
        signature = request.model_spec.signature_name
        try:
            answer = servable.predict(signature, _arrays(request))
        except Refused as refused:
            context.abort(refused.code, str(refused))
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.model_spec.version.value = servable.version
        for name, value in answer.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelStatus(self, request: Any, context: Any) -> Any:
        response = get_model_status_pb2.GetModelStatusResponse()
        status = response.model_version_status.add()
        status.version = self._servable(request, context).version
        status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return response

    def _servable(self, request: Any, context: Any) -> Servable:
        name = request.model_spec.name
        if name not in self.servables:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {name}")
        return self.servables[name]


class Rest(BaseHTTPRequestHandler):
    """`POST /v1/models/<name>:predict`, rows (`instances`) or columns (`inputs`)."""

    servables: dict[str, Servable] = {}

    def do_POST(self) -> None:
        name = self.path.removeprefix("/v1/models/").removesuffix(":predict")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if name not in self.servables:
            self._send(404, {"error": f"Servable not found for request: {name}"})
            return
        try:
            self._send(200, self._answer(self.servables[name], body))
        except Refused as refused:
            bad = refused.code == grpc.StatusCode.INVALID_ARGUMENT
            self._send(400 if bad else 500, {"error": str(refused)})
        except (KeyError, ValueError) as error:  # Of JSON that is no request.
            self._send(400, {"error": repr(error)})

    def _answer(self, servable: Servable, body: dict[str, Any]) -> dict[str, Any]:
        signature = body.get("signature_name", "serving_default")
        wanted = servable.root.signatures[signature].structured_input_signature[1]
        rows = body.get("instances")
        columns = body["inputs"] if rows is None else {n: [r[n] for r in rows] for n in rows[0]}
        inputs = {n: _from_json(v, wanted[n]) for n, v in columns.items() if n in wanted}
        answer = {n: v.tolist() for n, v in servable.predict(signature, inputs).items()}
        if rows is None:
            return {"outputs": answer}
        return {"predictions": [{n: v[i] for n, v in answer.items()} for i in range(len(rows))]}

    def _send(self, status: int, fields: dict[str, Any]) -> None:
        content = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def _from_json(value: Any, spec: Any) -> np.ndarray:
    if spec.dtype == tf.string:
        return np.array([base64.b64decode(entry["b64"]) for entry in value], object)
    return np.array(value, spec.dtype.as_numpy_dtype)


def main(config_path: str) -> None:
    """Serves until its standard input is closed."""
    config = model_server_config_pb2.ModelServerConfig()
    with open(config_path) as file:
        text_format.Parse(file.read(), config)
    servables = {c.name: Servable(c.base_path) for c in config.model_config_list.config}
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Grpc(servables), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Grpc(servables), server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    Rest.servables = servables
    http = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    futures.ThreadPoolExecutor(1).submit(http.serve_forever)
    facts = {
        "grpc": grpc_port,
        "rest": http.server_port,
        "warmed_up": {name: servable.warmed_up for name, servable in servables.items()},
        "knows_the_package": "dcmls_tf" in sys.modules,
    }
    print(json.dumps(facts), flush=True)
    sys.stdin.read()
    http.shutdown()
    server.stop(0)


if __name__ == "__main__":
    main(sys.argv[1])
