"""Sends a photo to a server of an exported model and draws the answer.

    python export/serving/client.py --image=photo.jpg --box=120,80,300,290
    python export/serving/client.py --image=photo.jpg --protocol=rest --server=localhost:8501

Writes `<photo>.hand.png`, the joints over the photo, and `<photo>.hand.json`, the answer. The
box is the hand's, left, top, right, bottom in px; without it the hand has to fill the photo.
"""

import base64
import io
import json
import os

import numpy as np
import requests
from absl import flags
from PIL import Image, ImageOps, UnidentifiedImageError

from dcmls_tf import app, files, hand
from dcmls_tf.drawing import figures as visualization
from dcmls_tf.errors import UserError

FLAGS = flags.FLAGS
PORTS = {"grpc": 8500, "rest": 8501}


def define_flags():
    """The options of a request."""
    flags.DEFINE_string("image", None, "The photo.", required=True)
    flags.DEFINE_list("box", ["0"] * 4, "left,top,right,bottom px (the whole photo).")
    flags.DEFINE_enum("side", "right", hand.SIDES, "Which hand it is.")
    flags.DEFINE_float("focal", 0.0, "The camera's focal length in px (not known).", lower_bound=0)
    flags.DEFINE_enum("protocol", "grpc", tuple(PORTS), "How to speak to the server.")
    flags.DEFINE_string("server", None, "Host and port (localhost:8500, or 8501 for rest).")
    flags.DEFINE_string("model", "hands", "The model's name on the server.")
    flags.DEFINE_string("out", None, "Where to, without extension (the photo's name + .hand).")
    flags.DEFINE_float("timeout", 10.0, "Seconds to wait for the answer.", lower_bound=0)


def main(_):
    """Flags → one request, a picture and a JSON file."""
    photo = read_photo(FLAGS.image)
    server = FLAGS.server or f"localhost:{PORTS[FLAGS.protocol]}"
    ask = {"grpc": ask_grpc, "rest": ask_rest}[FLAGS.protocol]
    inputs = request_inputs(photo, parse_box(FLAGS.box), hand.SIDES.index(FLAGS.side), FLAGS.focal)
    answer = ask(server, FLAGS.model, inputs, FLAGS.timeout)
    out = FLAGS.out or f"{os.path.splitext(FLAGS.image)[0]}.hand"
    files.write_json(f"{out}.json", {name: value[0].tolist() for name, value in answer.items()})
    drawn = visualization.draw_skeleton(np.array(photo), answer["uv"][0])
    content = io.BytesIO()
    Image.fromarray(drawn).save(content, format="png")
    files.write(f"{out}.png", content.getvalue())
    print(f"written: {out}.png and {out}.json")


def read_photo(path):
    """The photo as RGB, upright as its EXIF says. Raises `UserError`."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise UserError(f"--image={path}: cannot be read ({error}); give a PNG or JPEG") from None


def parse_box(values):
    """Four numbers. Raises `UserError`."""
    try:
        left, top, right, bottom = (float(v) for v in values)
    except ValueError:
        raise UserError(f"--box={','.join(values)}: give left,top,right,bottom in px") from None
    return [left, top, right, bottom]


def request_inputs(photo, box, side, focal):
    """All inputs of `serving_default` for one hand, name → array with one row."""
    content = io.BytesIO()
    photo.save(content, format="png")
    width, height = photo.size
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]) if focal else 0
    return {
        "image": np.array([content.getvalue()], object),
        "box": np.float32([box]),
        "side": np.int32([side]),
        "K": np.float32(K) + np.zeros([1, 3, 3], np.float32),
    }


def ask_grpc(server, model, inputs, timeout):
    """The answer of PredictionService.Predict, name → array. Raises `UserError`."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_default"
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    try:
        with grpc.insecure_channel(server) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            response = stub.Predict(request, timeout=timeout)
    except grpc.RpcError as error:
        raise UserError(f"--server={server}: {error.code().name}, {error.details()}") from None
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def ask_rest(server, model, inputs, timeout):
    """The answer of the REST API's predict, name → array. Raises `UserError`."""
    body = {"signature_name": "serving_default", "inputs": {n: _json(v) for n, v in inputs.items()}}
    url = f"http://{server}/v1/models/{model}:predict"
    try:
        response = requests.post(url, data=json.dumps(body), timeout=timeout)
        found = response.json()
    except (requests.RequestException, ValueError) as error:
        raise UserError(f"--server={server}: gives no answer ({error})") from None
    if not response.ok:
        raise UserError(f"--server={server}: {response.status_code}, {found.get('error')}")
    return {name: np.array(value) for name, value in found["outputs"].items()}


def _json(value):
    if value.dtype != object:
        return value.tolist()
    return [{"b64": base64.b64encode(entry).decode()} for entry in value]


if __name__ == "__main__":
    define_flags()
    app.run(main)
