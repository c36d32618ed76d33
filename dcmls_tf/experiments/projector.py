"""z_h of both modalities in TensorBoard's projector, coloured by modality and gesture."""

import io
import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector

from dcmls_tf import files
from dcmls_tf.experiments import probes

TENSOR = "z_h"


def write(
    folder: str, codes: probes.Codes, labels: Mapping[str, probes.Labels] | None = None
) -> str:
    """Writes codes for TensorBoard's projector into a log folder; returns the folder.

    labels: further columns by name.
    """
    os.makedirs(folder, exist_ok=True)
    count = len(codes.y)
    gestures = [probes.gesture(pose) for pose in codes.y]
    columns = {"modality": ["x"] * count + ["y"] * count, "gesture": gestures * 2}
    columns["id"] = codes.ids.tolist() * 2
    columns.update({name: list(values) * 2 for name, values in (labels or {}).items()})
    text = io.StringIO()
    rows = zip(*columns.values(), strict=True)
    text.write("\n".join("\t".join(map(str, row)) for row in [tuple(columns), *rows]) + "\n")
    files.write(os.path.join(folder, "metadata.tsv"), text.getvalue())
    vectors = tf.Variable(np.concatenate([codes.z_h_x, codes.z_h_y]))
    tf.train.Checkpoint(**{TENSOR: vectors}).save(os.path.join(folder, "embedding.ckpt"))
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = f"{TENSOR}/.ATTRIBUTES/VARIABLE_VALUE"
    embedding.metadata_path = "metadata.tsv"
    projector.visualize_embeddings(folder, config)
    return folder
