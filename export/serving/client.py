"""Sends a photo to a server of an exported model and draws the answer.

    python export/serving/client.py --image=photo.jpg --box=120,80,300,290
    python export/serving/client.py --image=photo.jpg --protocol=rest --server=localhost:8501

Writes `<photo>.hand.png`, the joints over the photo, and `<photo>.hand.json`, the answer. The
box is the hand's, left, top, right, bottom in px of the upright photo; without it the hand has to
fill the photo. The server takes upright PNG, JPEG and BMP alone: TIFF, WebP, AVIF and HEIC are
converted here, and photos that lie on their side are turned.
"""

import base64
import io
import json
import os
from typing import Any

import numpy as np
import requests
from absl import flags
from PIL import Image, ImageOps

from dcmls_tf import app, files, hand
from dcmls_tf.drawing import skeletons
from dcmls_tf.errors import UserError
from dcmls_tf.photos import boxes

FLAGS = flags.FLAGS
PORTS = {"grpc": 8500, "rest": 8501}

Arrays = dict[str, np.ndarray]  # by name, one row each


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
    box = boxes.four_numbers(",".join(FLAGS.box), label="--box=")
    inputs = request_inputs(photo, box, hand.SIDES.index(FLAGS.side), FLAGS.focal)
    answer = ask(server, FLAGS.model, inputs, FLAGS.timeout)
    out = FLAGS.out or f"{os.path.splitext(FLAGS.image)[0]}.hand"
    files.write_json(f"{out}.json", {name: value[0].tolist() for name, value in answer.items()})
    drawn = skeletons.draw_skeleton(np.array(photo), answer["uv"][0])
    content = io.BytesIO()
    Image.fromarray(drawn).save(content, format="png")
    files.write(f"{out}.png", content.getvalue())
    print(f"written: {out}.png and {out}.json")


def read_photo(path: str) -> Image.Image:
    """The photo as RGB, upright as its EXIF says, of any kind that `predict.py` reads.

    Raises `UserError`.
    """
    from dcmls_tf.photos import photo as photo_files

    with photo_files.opened(path, f"--image={path}") as image:
        if photo_files.several(image):
            raise UserError(f"--image={path}: holds several pictures; give one of them")
        return photo_files.to_rgb(ImageOps.exif_transpose(image))


def request_inputs(photo: Image.Image, box: list[float], side: int, focal: float) -> Arrays:
    """All inputs of `serving_default` for one hand, name → array with one row."""
    content = io.BytesIO()
    photo.save(content, format="png")
    width, height = photo.size
    K = np.zeros([3, 3], np.float32)
    if focal:
        K[:] = [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
    return {
        "image": np.array([content.getvalue()], object),
        "box": np.array([box], np.float32),
        "side": np.array([side], np.int32),
        "K": K[None],
    }


def ask_grpc(server: str, model: str, inputs: Arrays, timeout: float) -> Arrays:
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
        call: Any = error  # An error of a call is the call, too.
        raise UserError(f"--server={server}: {call.code().name}, {call.details()}") from None
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def ask_rest(server: str, model: str, inputs: Arrays, timeout: float) -> Arrays:
    """The answer of the REST API's predict, name → array. Raises `UserError`."""
    body = {"signature_name": "serving_default", "inputs": {n: _json(v) for n, v in inputs.items()}}
    url = f"http://{server}/v1/models/{model}:predict"
    try:
        response = requests.post(url, data=json.dumps(body), timeout=timeout)
        answer = response.json()
    except (requests.RequestException, ValueError) as error:
        raise UserError(f"--server={server}: gives no answer ({error})") from None
    if not response.ok:
        raise UserError(f"--server={server}: {response.status_code}, {answer.get('error')}")
    return {name: np.array(value) for name, value in answer["outputs"].items()}


def _json(value: np.ndarray) -> list[Any]:
    if value.dtype != object:
        return value.tolist()
    return [{"b64": base64.b64encode(entry).decode()} for entry in value]


if __name__ == "__main__":
    define_flags()
    app.run(main)
