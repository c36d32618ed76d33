"""Models of every kind behind one face: the signatures that a model is exported with.

`serving.signatures` says what they take and give. A TFLite file needs no TensorFlow.
"""

import os
from typing import Protocol

import numpy as np

from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.serving import shipped


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
        from dcmls_tf.photos.graph_backends import RunBackend

        return RunBackend(path)
    if os.path.isfile(path):
        from dcmls_tf.photos.lite_backend import TFLiteBackend

        return TFLiteBackend(path)
    if os.path.isdir(path):
        from dcmls_tf.photos.graph_backends import SavedModelBackend

        return SavedModelBackend(path)
    others = "".join(f", or {name}" for name in shipped.available())
    raise UserError(
        f"--model={path}: does not exist; give a run, a SavedModel or a .tflite file{others}"
    )
