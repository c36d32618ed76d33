"""Whether a reconstruction still shows the pose: the model reads its own G^x(z_h ⊕ z_c) again.

Figure 6 walks through reconstructions, which says something of poses only where they show them.
The measure is the EPE of what is read from them, beside that of the pictures themselves.
"""

from collections.abc import Iterable
from typing import TypedDict

import tensorflow as tf

from dcmls_tf import objective
from dcmls_tf.data.examples import Batch
from dcmls_tf.evaluation import metrics, predictions
from dcmls_tf.model import DCMLS, Pose, predict_pose


class Reencoding(TypedDict):
    """EPE of x, and of its reconstruction, in mm: per joint first, true scale, visible joints."""

    epe_mm: float
    reconstruction_epe_mm: float


def measure(model: DCMLS, batches: Iterable[Batch]) -> Reencoding:
    """`Reencoding` of a model on the pipeline's evaluation batches, which are passed over twice.

    Raises `UserError` when there are none.
    """
    first, again = (
        predictions.collect(predict, batches)
        for predict in (
            lambda batch: predict_pose(model, batch),
            lambda batch: read_again(model, batch),
        )
    )
    return {
        "epe_mm": metrics.epe_mm(first.errors_mm(), first.visible),
        "reconstruction_epe_mm": metrics.epe_mm(again.errors_mm(), again.visible),
    }


def line(measured: Reencoding) -> str:
    """`Reencoding` as text."""
    epe_mm, again_mm = measured["epe_mm"], measured["reconstruction_epe_mm"]
    return (
        f"EPE {epe_mm:.2f} mm; read again from the reconstructions {again_mm:.2f} mm, "
        f"{again_mm / epe_mm:.2f} times that"
    )


def read_again(model: DCMLS, batch: Batch) -> Pose:
    """The poses in scale bones that the model reads from its reconstructions of a batch's x.

    Images are enlarged to the input's size (bilinear).
    """
    code = objective.encode(model, batch, reads="x").x
    x_rec = model.decode_x(code.z_h, code.z_c)
    if model.config.modality == "rgb":
        x_rec = tf.image.resize(x_rec, [model.config.input_size] * 2)
    return predict_pose(model, {**batch, "x": x_rec})
