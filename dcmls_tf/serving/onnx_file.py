"""An exported TFLite file as ONNX, by tf2onnx, compared with its source by ONNX Runtime.

Input `x` and output `joints` are those of the TFLite file, with any number of hands where it takes
that: crops `[N, S, S, 3]` in ±0.5, or keypoints `[N, 21, 2]` in ±0.5, → `[N, 21, 3]` in scale
bones, in the crop's frame. The file's metadata goes along, field by field, as `metadata_props`.
"""

import json
import os
import tempfile
from typing import Any

import numpy as np

from dcmls_tf import files, litert
from dcmls_tf.errors import UserError
from dcmls_tf.serving import lite_file

OPSET = 17
INPUT, OUTPUT = "x", "joints"
# Answers to random numbers may differ by this, in scale bones: by rounding, and of 8-bit weights by
# what LiteRT rounds in multiplying them, which ONNX does not.
MOST_OFF, MOST_OFF_8_BIT = 1e-3, 0.3
SAMPLES = 8


def convert(lite_path: str, onnx_path: str) -> float:
    """Writes a TFLite file as ONNX; returns by how much its answers differ, in scale bones.

    Raises `UserError` when it is no file of export/export.py, has 8-bit input, when the packages
    are not there, when the answers differ by more than they may, or nothing can be written.
    """
    content, metadata = lite_file.read(lite_path)
    if litert.interpreter(content).get_input_details()[0]["dtype"] != np.float32:
        raise UserError(f"--model={lite_path}: takes 8-bit input; give float32.tflite")
    converted = _converted(lite_path)
    _tell(converted, metadata)
    serialized = converted.SerializeToString()
    off = difference(content, serialized)
    if not off <= _most_off(content):
        raise UserError(f"--model={lite_path}: ONNX's answers are {off:.3g} scale bones off")
    try:
        files.write(onnx_path, serialized)
    except OSError as error:
        raise UserError(f"--out={onnx_path}: cannot be written ({error.strerror})") from None
    return off


def difference(lite: bytes, onnx: bytes) -> float:
    """The largest difference of two files' answers to the same random inputs, one at a time."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    ready = litert.interpreter(lite)
    (taken,), (given,) = ready.get_input_details(), ready.get_output_details()
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-0.5, 0.5, (SAMPLES, *taken["shape"][1:])).astype(np.float32)
    worst = 0.0
    for one in inputs:
        ready.set_tensor(taken["index"], one[None])
        ready.invoke()
        expected = ready.get_tensor(given["index"])
        (answer,) = session.run([OUTPUT], {INPUT: one[None]})
        worst = max(worst, float(np.abs(answer - expected).max()))
    return worst


def _most_off(lite: bytes) -> float:
    details = litert.interpreter(lite).get_tensor_details()
    has_8_bit = any(one["dtype"] == np.int8 for one in details)
    return MOST_OFF_8_BIT if has_8_bit else MOST_OFF


def _converted(lite_path: str) -> Any:
    try:
        import tf2onnx  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError(
            "ONNX needs tf2onnx and onnxruntime, in an environment of their own: "
            "pip install --require-hashes -r requirements/onnx.txt"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        # What tf2onnx names a graph after is a path, which is nobody's business.
        path = os.path.join(folder, "hands.tflite")
        with open(lite_path, "rb") as source:
            files.write(path, source.read())
        model, _ = tf2onnx.convert.from_tflite(path, opset=OPSET)
    return model


def _tell(model: Any, metadata: dict[str, Any]) -> None:
    """Names the one input and output, their number of hands, and adds metadata."""
    graph = model.graph
    names = {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    for value in (graph.input[0], graph.output[0]):
        value.name = names[value.name]
        count = value.type.tensor_type.shape.dim[0]
        if count.dim_param:  # which a file for one hand at a time has not
            count.dim_param = "hands"
    for node in graph.node:
        for places in (node.input, node.output):
            for number, name in enumerate(places):
                places[number] = names.get(name, name)
    graph.name = "hands"
    for name, value in metadata.items():
        prop = model.metadata_props.add()
        prop.key, prop.value = name, value if isinstance(value, str) else json.dumps(value)
