"""Models of every kind behind one face: the signatures that a model is exported with.

`serving.signatures` says what they take and give.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf
from absl import logging

from dcmls_tf import checkpoints, hand
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.serving import answers, checks, metadata, preprocessing, saved_model, shipped
from dcmls_tf.serving.signatures import HYPOTHESES, SERVING_DEFAULT, ServedModel
from dcmls_tf.serving.tflite import TFLiteModel


class PoseBackend(Protocol):
    """A model that answers through signatures."""

    @property
    def config(self) -> Config:
        """The `Config` that the model was trained with."""
        ...

    @property
    def signatures(self) -> frozenset[str]:
        """The names of the signatures that the model has."""
        ...

    def answer(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature on arrays of one row a hand; inputs not given are neutral.

        Raises `UserError` when the model refuses an input.
        """
        ...


def load(path: str) -> PoseBackend:
    """The model in a run's folder, in a SavedModel's or in a `.tflite` file.

    A name in `shipped.NAMES` is that of a shipped one. Raises `UserError`.
    """
    if path in shipped.NAMES and not os.path.exists(path):
        path = shipped.path(path)
    if os.path.isfile(os.path.join(path, config_lib.CONFIG_FILE)):
        return RunBackend(path)
    if os.path.isfile(path):
        return TFLiteBackend(path)
    if os.path.isdir(path):
        return SavedModelBackend(path)
    others = "".join(f", or {name}" for name in shipped.available())
    raise UserError(
        f"--model={path}: does not exist; give a run, a SavedModel or a .tflite file{others}"
    )


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
            return _arrays(function(**tensors))


class TFLiteBackend:
    """A TFLite file; what a SavedModel has in its graph is done around it."""

    def __init__(self, path: str):
        self._path, self._model = path, TFLiteModel(path)
        self.config = metadata.config_of(self._model.metadata, path)
        self._mean_scale_mm = metadata.mean_scale_mm_of(self._model.metadata, path)
        size = self.config.input_size
        if self._model.x_shape != (
            (1, size, size, 3) if self._takes_photos else (1, hand.NUM_JOINTS, 2)
        ):
            raise UserError(f"--model={path}: its metadata is of another network; export it again")
        # By how much each joint's spread is too small to be an error bar, where that was measured.
        self._std_factors = np.float32(self._model.metadata.get("std_factors", 1.0))
        self.signatures = frozenset(
            {SERVING_DEFAULT} | ({HYPOTHESES} if self._model.can_sample else set())
        )

    def answer(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature for one hand; see `PoseBackend.answer`."""
        seed = inputs.pop("seed", np.zeros(1, int))
        with _refusals(self._path, signature):
            return self._answer(signature, inputs, int(seed[0]))

    @property
    def _takes_photos(self) -> bool:
        return self.config.modality == "rgb"

    def _answer(
        self, signature: str, inputs: Mapping[str, np.ndarray], seed: int
    ) -> dict[str, np.ndarray]:
        network_inputs = self._network_inputs(inputs)
        if signature == HYPOTHESES:
            y = tf.constant(self._model.sample(seed, network_inputs)[None])
            answer = _arrays(answers.sample_answer(y, network_inputs, self._mean_scale_mm))
            return answer | {name: self._std_factors * answer[name] for name in ("std", "std_mm")}
        y = tf.constant(self._model.predict(network_inputs))
        return _arrays(answers.pose_answer(y, network_inputs, self._mean_scale_mm))

    def _network_inputs(self, inputs: Mapping[str, np.ndarray]) -> preprocessing.NetworkInputs:
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        if self._takes_photos:
            return preprocessing.from_photos(self.config, **tensors)
        return preprocessing.from_keypoints(self.config, **tensors)


@contextlib.contextmanager
def _refusals(path: str, signature: str) -> Iterator[None]:
    """What the graph refuses, as a `UserError` of its sentence."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        said = checks.refusal(error)
        raise UserError(f"{path}: {signature} refuses its input: {said}") from None


def _arrays(tensors: answers.Answer) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
