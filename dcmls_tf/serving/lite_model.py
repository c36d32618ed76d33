"""TFLite files, which `tflite` writes and describes, run by LiteRT without TensorFlow."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from jaxtyping import Float

from dcmls_tf import litert
from dcmls_tf.errors import UserError
from dcmls_tf.serving import lite_file
from dcmls_tf.serving.metadata import Metadata
from dcmls_tf.serving.names import SERVING_DEFAULT

OUTPUT = "joints"
# Named so that it comes after `serving_default`: what runs a file without naming a signature runs
# the first in the alphabet.
SPREAD, NOISE = "spread", "noise"

Inputs = dict[str, np.ndarray]  # by name, one row each


class TFLiteModel:
    """A TFLite file in LiteRT's interpreter; quantised inputs and outputs are taken care of.

    `metadata` is what the file carries; empty in a model of bytes. Raises `UserError` when the
    file cannot be read, is damaged or is none of this project's.
    """

    metadata: Metadata

    def __init__(self, path: str, num_threads: int = 1):
        content, self.metadata = lite_file.read(path)
        try:
            self._open(content, num_threads)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"--model={path}: is no readable TFLite file ({error})") from None
        if "x" not in self._inputs or OUTPUT not in self._outputs:
            raise UserError(f"--model={path}: is not a TFLite file that export/export.py wrote")

    @classmethod
    def from_bytes(cls, content: bytes, num_threads: int = 1) -> Self:
        """The model of a file's bytes."""
        model = cls.__new__(cls)
        model.metadata = {}
        model._open(content, num_threads)
        return model

    def _open(self, content: bytes, num_threads: int) -> None:
        self._interpreter = litert.interpreter(content, num_threads)  # The runner needs it.
        names = self._interpreter.get_signature_list()
        if SERVING_DEFAULT not in names:
            raise ValueError(f"it has no signature {SERVING_DEFAULT}")
        self._runners = {name: self._interpreter.get_signature_runner(name) for name in names}
        self._inputs: dict[str, Any] = self._runners[SERVING_DEFAULT].get_input_details()
        self._outputs: dict[str, Any] = self._runners[SERVING_DEFAULT].get_output_details()

    @property
    def x_shape(self) -> tuple[int, ...]:
        """The shape of `x`, with its row."""
        return tuple(int(size) for size in self._inputs["x"]["shape"])

    @property
    def can_sample(self) -> bool:
        """Whether the file has the signature `spread`."""
        return SPREAD in self._runners

    def __call__(self, **inputs: np.ndarray) -> Float[np.ndarray, "B 21 3"]:
        """The `joints` of arrays with a row a hand; older files take one hand."""
        return self._run(SERVING_DEFAULT, inputs)

    def sample(self, seed: int, batch: Mapping[str, Any]) -> Float[np.ndarray, "K 21 3"]:
        """Poses that the model holds possible for a batch of one; the same seed, the same poses."""
        _, count, dim = self._runners[SPREAD].get_input_details()[NOISE]["shape"]
        noise = np.random.default_rng(seed).normal(size=[1, count, dim]).astype(np.float32)
        y = self._run(SPREAD, {**self._columns(batch), NOISE: noise})
        return y.reshape(count, *y.shape[-2:])  # Older files leave out the row.

    def _columns(self, batch: Mapping[str, Any]) -> Inputs:
        columns = {name: np.asarray(batch[name], np.float32) for name in self._inputs}
        if "side" in columns:
            columns["side"] = columns["side"][:, None]
        return columns

    def _run(self, signature: str, inputs: Inputs) -> np.ndarray:
        runner = self._runners[signature]
        details = runner.get_input_details()
        given = {name: _quantised(value, details[name]) for name, value in inputs.items()}
        return _dequantised(runner(**given)[OUTPUT], runner.get_output_details()[OUTPUT])

    def predict(self, batch: Mapping[str, Any]) -> Float[np.ndarray, "B 21 3"]:
        """The poses of a pipeline batch, in scale bones and the crop's frame."""
        columns = self._columns(batch)
        if self._inputs["x"]["shape_signature"][0] < 0:
            return self(**columns)
        rows = (
            {name: values[i : i + 1] for name, values in columns.items()}
            for i in range(len(columns["x"]))
        )
        return np.concatenate([self(**row) for row in rows])


def _quantised(value: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    if not scale:
        return np.asarray(value, details["dtype"])
    limits = np.iinfo(details["dtype"])
    return np.clip(np.rint(value / scale + zero), limits.min, limits.max).astype(details["dtype"])


def _dequantised(value: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    return value if not scale else np.float32(scale) * (value.astype(np.float32) - zero)
