"""Runs and SavedModels behind the face of `backends`, which TensorFlow runs."""

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import logging

from dcmls_tf import checkpoints
from dcmls_tf.errors import UserError
from dcmls_tf.serving import checks, metadata, saved_model
from dcmls_tf.serving.names import SERVING_DEFAULT
from dcmls_tf.serving.signatures import ServedModel


class SavedModelBackend:
    """A SavedModel, which is a program: it is said so before it is loaded."""

    def __init__(self, path: str):
        logging.warning(
            "--model=%s: a SavedModel can read and write your files; load no stranger's, but ask "
            "for the .tflite file (SECURITY.md)",
            path,
        )
        self._loaded = saved_model.load(path)
        self.config = metadata.config_of(self._loaded.metadata, path)
        self.signatures = frozenset(self._loaded.signatures)
        if SERVING_DEFAULT not in self.signatures:
            raise UserError(f"--model={path}: has no {SERVING_DEFAULT}; export it again")

    def answer(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature; see `PoseBackend.answer`."""
        return self._loaded.answer(signature, **inputs)


class RunBackend:
    """A run's best model, behind the signatures that it would be exported with."""

    def __init__(self, path: str):
        self._path = path
        model, self.config, _ = checkpoints.load_model(path)
        self._served = ServedModel.from_run(model, path)
        self._functions = self._served.signatures()
        self.signatures = frozenset(self._functions)

    def answer(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature; see `PoseBackend.answer`."""
        function = self._functions[signature]
        specs = {spec.name: spec for spec in function.input_signature}
        tensors = {name: tf.cast(value, specs[name].dtype) for name, value in inputs.items()}
        with _refusals(self._path, signature):
            return {name: tensor.numpy() for name, tensor in function(**tensors).items()}


@contextlib.contextmanager
def _refusals(path: str, signature: str) -> Iterator[None]:
    """What the graph refuses, as a `UserError` of its sentence."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        said = checks.refusal(error)
        raise UserError(f"{path}: {signature} refuses its input: {said}") from None
