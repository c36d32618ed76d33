"""Runs a signature through TensorFlow's C API: no Python TensorFlow, no Keras, no dcmls_tf.

    python tests/c_api.py saved_model_folder request.npz answer.npz < tensors.json

`tensors.json` names the graph's tensor for each input and output, as the SignatureDef does:
`{"inputs": {"image": "serving_default_image:0"}, "outputs": {...}, "text": ["image"]}`; inputs
in `text` hold the bytes of one string a row, each preceded by its length as eight bytes. Text
is how TensorFlow Serving gets photos, and this is how it loads a model: a session of the graph.
"""

import ctypes
import importlib.util
import json
import os
import sys
from typing import Any

import numpy as np

TYPES = {np.dtype(np.float32): 1, np.dtype(np.int32): 3, np.dtype(np.uint8): 4}
NUMPY = {number: dtype for dtype, number in TYPES.items()}
TEXT, TEXT_BYTES = 7, 24


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def library() -> ctypes.CDLL:
    """TensorFlow's shared library, found without importing the package."""
    package = importlib.util.find_spec("tensorflow")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = package.submodule_search_locations[0]
    tensorflow = ctypes.CDLL(os.path.join(folder, "libtensorflow_cc.so.2"))
    for name in ("NewStatus", "NewGraph", "NewSessionOptions", "LoadSessionFromSavedModel",
                 "GraphOperationByName", "AllocateTensor", "TensorData"):  # fmt: skip
        getattr(tensorflow, f"TF_{name}").restype = ctypes.c_void_p
    tensorflow.TF_Message.restype = ctypes.c_char_p
    tensorflow.TF_Dim.restype = ctypes.c_int64
    tensorflow.TF_TensorByteSize.restype = ctypes.c_size_t
    return tensorflow


class Session:
    """A SavedModel's graph with its variables."""

    def __init__(self, folder: str):
        self.tf = library()
        self.status = ctypes.c_void_p(self.tf.TF_NewStatus())
        self.graph = ctypes.c_void_p(self.tf.TF_NewGraph())
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = ctypes.c_void_p(self.tf.TF_NewSessionOptions())
        self.session = ctypes.c_void_p(
            self.tf.TF_LoadSessionFromSavedModel(
                options, None, folder.encode(), tags, 1, self.graph, None, self.status
            )
        )
        self._check()

    def _check(self) -> None:
        if self.tf.TF_GetCode(self.status):
            raise RuntimeError(self.tf.TF_Message(self.status).decode())

    def run(
        self, inputs: dict[str, np.ndarray | list[bytes]], outputs: list[str]
    ) -> list[np.ndarray]:
        """Tensor name → array or list of bytes, and a list of tensor names → list of arrays."""
        given = (Output * len(inputs))(*(self._output(name) for name in inputs))
        values = (ctypes.c_void_p * len(inputs))(*(self._tensor(v) for v in inputs.values()))
        asked = (Output * len(outputs))(*(self._output(name) for name in outputs))
        answers = (ctypes.c_void_p * len(outputs))()
        self.tf.TF_SessionRun(
            self.session, None, given, values, len(inputs), asked, answers, len(outputs),
            None, 0, None, self.status,
        )  # fmt: skip
        self._check()
        return [self._array(ctypes.c_void_p(tensor)) for tensor in answers]

    def _output(self, name: str) -> Output:
        operation, index = name.split(":")
        node = self.tf.TF_GraphOperationByName(self.graph, operation.encode())
        return Output(node, int(index))

    def _tensor(self, value: np.ndarray | list[bytes]) -> int:
        if isinstance(value, list):
            return self._text(value)
        value = np.ascontiguousarray(value)
        dims = (ctypes.c_int64 * value.ndim)(*value.shape)
        size = ctypes.c_size_t(value.nbytes)
        tensor = self.tf.TF_AllocateTensor(TYPES[value.dtype], dims, value.ndim, size)
        data = self.tf.TF_TensorData(ctypes.c_void_p(tensor))
        ctypes.memmove(data, value.ctypes.data, value.nbytes)
        return tensor

    def _text(self, rows: list[bytes]) -> int:
        dims = (ctypes.c_int64 * 1)(len(rows))
        size = ctypes.c_size_t(TEXT_BYTES * len(rows))
        tensor = self.tf.TF_AllocateTensor(TEXT, dims, 1, size)
        data = self.tf.TF_TensorData(ctypes.c_void_p(tensor))
        for i, row in enumerate(rows):
            place = ctypes.c_void_p(data + i * TEXT_BYTES)
            self.tf.TF_StringInit(place)
            self.tf.TF_StringCopy(place, row, ctypes.c_size_t(len(row)))
        return tensor

    def _array(self, tensor: ctypes.c_void_p) -> np.ndarray:
        shape = [self.tf.TF_Dim(tensor, i) for i in range(self.tf.TF_NumDims(tensor))]
        size = self.tf.TF_TensorByteSize(tensor)
        content = ctypes.string_at(self.tf.TF_TensorData(tensor), size)
        return np.frombuffer(content, NUMPY[self.tf.TF_TensorType(tensor)]).reshape(shape)


def _rows_of_text(content: np.ndarray) -> list[bytes]:
    rows, at = [], 0
    while at < len(content):
        size = int(content[at : at + 8].view(np.int64)[0])
        rows.append(content[at + 8 : at + 8 + size].tobytes())
        at += 8 + size
    return rows


def main(folder: str, request_path: str, answer_path: str) -> None:
    """One request."""
    tensors = json.load(sys.stdin)
    inputs = {}
    with np.load(request_path) as request:
        for name, tensor in tensors["inputs"].items():
            value = request[name]
            inputs[tensor] = _rows_of_text(value) if name in tensors["text"] else value
    answers = Session(folder).run(inputs, list(tensors["outputs"].values()))
    by_name: dict[str, Any] = dict(zip(tensors["outputs"], answers, strict=True))
    np.savez(answer_path, **by_name)
    unwanted = {"tensorflow", "keras", "tf_keras", "dcmls_tf"} & set(sys.modules)
    assert not unwanted, unwanted


if __name__ == "__main__":
    main(*sys.argv[1:])
