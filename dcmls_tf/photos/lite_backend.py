"""TFLite files behind the face of `backends`: what a graph does around a network, in NumPy."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.serving import checks, frames, metadata, preprocessing
from dcmls_tf.serving.lite_model import TFLiteModel
from dcmls_tf.serving.names import HYPOTHESES, SERVING_DEFAULT


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
        try:
            with np.errstate(all="ignore"):  # What is not finite is refused by a sentence.
                return self._answer(signature, inputs, int(seed[0]))
        except checks.Refused as refused:
            raise UserError(f"{self._path}: {signature} refuses its input: {refused}") from None

    @property
    def _takes_photos(self) -> bool:
        return self.config.modality == "rgb"

    def _answer(
        self, signature: str, inputs: Mapping[str, np.ndarray], seed: int
    ) -> dict[str, np.ndarray]:
        network_inputs: Any = self._network_inputs(inputs)
        if signature == HYPOTHESES:
            y = self._model.sample(seed, network_inputs)[None]
            answer = frames.sample_answer(y, network_inputs, self._mean_scale_mm)
            return answer | {name: self._std_factors * answer[name] for name in ("std", "std_mm")}
        y = self._model.predict(network_inputs)
        return frames.pose_answer(y, network_inputs, self._mean_scale_mm)

    def _network_inputs(self, inputs: Mapping[str, np.ndarray]) -> preprocessing.NetworkInputs:
        if not self._takes_photos:
            return preprocessing.from_keypoints(self.config, **inputs)
        others = {name: value for name, value in inputs.items() if name != "image"}
        pixels = [_decoded(content, row) for row, content in enumerate(inputs["image"])]
        return preprocessing.from_pixels(self.config, pixels, **others)


def _decoded(content: bytes, row: int) -> np.ndarray:
    """An encoded picture's pixels `[h, w, 3]`; it comes from `predictor`, which has checked it."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP")) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        problem = f"image: row {row} is no PNG, JPEG or BMP; give one ({error})"
        raise checks.Refused(problem) from None
