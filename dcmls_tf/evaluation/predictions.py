"""A split with its predictions, collected from a predictor over the pipeline's batches."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Self

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float, Shaped
from tqdm import tqdm

from dcmls_tf import geometry
from dcmls_tf.data.examples import Batch
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.evaluation import aligned, metrics

# A predictor: a batch → y_pred, in scale-bone units and the crop's frame.
Predict = Callable[[Batch], Float[np.ndarray, "B 21 3"] | Float[tf.Tensor, "B 21 3"]]


@dataclasses.dataclass(frozen=True)
class EvaluatedSplit:
    """A split's predictions and the truth, `N` samples in the order of the data.

    y_pred, y: in scale-bone units and the crop's frame.
    visible: which joints count.
    root_mm, scale_mm, A, H, K: as in `ModelExample`.
    ids: text.
    """

    y_pred: Float[np.ndarray, "N 21 3"]
    y: Float[np.ndarray, "N 21 3"]
    visible: Bool[np.ndarray, "N 21"]
    root_mm: Float[np.ndarray, "N 3"]
    scale_mm: Float[np.ndarray, " N"]
    A: Float[np.ndarray, "N 3 3"]
    H: Float[np.ndarray, "N 3 3"]
    K: Float[np.ndarray, "N 3 3"]
    ids: Shaped[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def truth_mm(self) -> Float[np.ndarray, "N 21 3"]:
        """True poses, root-relative, mm, camera frame."""
        return self._camera_frame(self.y, self.scale_mm)

    def pred_mm(self, scale_mm: float | None = None) -> Float[np.ndarray, "N 21 3"]:
        """Predicted poses, root-relative, mm, camera frame.

        `scale_mm`: length of the scale bone for all samples; default each sample's true one.
        """
        return self._camera_frame(self.y_pred, self.scale_mm if scale_mm is None else scale_mm)

    def errors_mm(self, scale_mm: float | None = None) -> Float[np.ndarray, "N 21"]:
        """Error of each joint in mm; `scale_mm` as in `pred_mm`."""
        return metrics.joint_errors_mm(self.pred_mm(scale_mm), self.truth_mm)

    def aligned_errors_mm(self) -> Float[np.ndarray, "N 21"]:
        """Error of each joint in mm after Procrustes alignment, which no scale changes."""
        truth_mm = self.truth_mm
        pose_mm = aligned.procrustes(self.pred_mm(), truth_mm)
        return metrics.joint_errors_mm(pose_mm, truth_mm)

    def uv_in_crop(self, y: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "N 21 2"]:
        """Crop px of poses like `y_pred`, at the true scale and root."""
        arrays = (y, self.root_mm, self.scale_mm, self.A, self.K, self.H)
        pose, root_mm, scale_mm, A, K, H = (tf.cast(array, tf.float32) for array in arrays)
        uv = geometry.project(geometry.denormalise(pose, root_mm, scale_mm, A), K)
        return geometry.apply_homography(uv, H).numpy()

    def with_constant(self, pose: Float[np.ndarray, "21 3"]) -> Self:
        """The same samples, `pose` being predicted for each."""
        return dataclasses.replace(self, y_pred=np.broadcast_to(pose, self.y.shape))

    def counting_hidden(self) -> Self:
        """The same samples with hidden joints counted as visible."""
        return dataclasses.replace(self, visible=np.ones_like(self.visible))

    def _camera_frame(
        self, y: Float[np.ndarray, "N 21 3"], scale_mm: Float[np.ndarray, " N"] | float
    ) -> Float[np.ndarray, "N 21 3"]:
        # Row vectors: (A p)ᵀ = pᵀ Aᵀ, and A is orthogonal.
        return np.reshape(scale_mm, (-1, 1, 1)) * (y @ self.A)


def collect(predict: Predict, batches: Iterable[Batch], progress: bool = False) -> EvaluatedSplit:
    """The samples of the pipeline's batches with what `predict` gives for them.

    `progress`: show a bar on the terminal. Raises `UserError` when there are no batches or a
    prediction has another shape, `Diverged` when one is not finite, naming the sample.
    """
    parts = []
    with tqdm(desc="evaluating", unit=" samples", disable=not progress) as bar:
        for batch in batches:
            truth = _truth(batch)
            y_pred = _checked(np.asarray(predict(batch)), truth["y"], truth["ids"])
            parts.append({"y_pred": y_pred, **truth})
            bar.update(len(truth["ids"]))
    if not parts:
        raise UserError("--split: there are no samples to evaluate in it")
    return EvaluatedSplit(
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )


def _truth(batch: Batch) -> dict[str, np.ndarray]:
    """A batch's arrays by their names in `EvaluatedSplit`."""
    names = ("y", "root_mm", "scale_mm", "A", "H", "K")
    return {
        **{name: np.asarray(batch[name]) for name in names},
        "visible": np.asarray(batch["visible"]).astype(bool),
        "ids": np.array([_text(sample_id) for sample_id in np.asarray(batch["id"])]),
    }


def _text(sample_id: Any) -> str:
    return sample_id.decode() if isinstance(sample_id, bytes) else str(sample_id)


def _checked(
    y_pred: Float[np.ndarray, "B 21 3"],
    y: Float[np.ndarray, "B 21 3"],
    ids: Shaped[np.ndarray, " B"],
) -> Float[np.ndarray, "B 21 3"]:
    """The prediction itself. Raises as `collect` does."""
    if y_pred.shape != y.shape:
        raise UserError(f"the model predicts {y_pred.shape}, expected {y.shape}")
    unknown = np.flatnonzero(~np.isfinite(y).all(axis=(1, 2)))
    if len(unknown):
        raise UserError(
            f"--raw_dir: sample {ids[unknown[0]]} has joints that are no hand's (its pose is not "
            "finite); scripts/prepare.py --check lists all such samples"
        )
    wrong = np.flatnonzero(~np.isfinite(y_pred).all(axis=(1, 2)))
    if len(wrong):
        raise Diverged(
            f"the model's prediction for sample {ids[wrong[0]]} is not finite; "
            "did its training diverge?"
        )
    return y_pred
