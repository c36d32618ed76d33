"""The canonical example that every reader produces, and the TFDS builder that stores it.

    image         encoded image as in the raw folder (absent when prepared without images)
    uv            [21, 2] float32, px
    xyz_mm        [21, 3] float32, camera frame (x right, y down, z forward)
    visible       [21] bool
    palm_uv, palm_mm, palm_visible    the palm's centre, likewise
    K             [3, 3] float32 intrinsics
    side          0 left, 1 right
    id            text, unique in the dataset

Joint order is `hand.JOINTS`, joint 0 is the wrist. Pixels and frames are as in `geometry`.
"""

import dataclasses
import hashlib
import os

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from dcmls_tf import hand
from dcmls_tf.data.examples import EVALUATION, IMAGE, TRAINING  # noqa: F401
from dcmls_tf.errors import UserError


def features(images):
    """TFDS features of a canonical example."""
    fields = {
        "uv": tfds.features.Tensor(shape=(hand.NUM_JOINTS, 2), dtype=np.float32),
        "xyz_mm": tfds.features.Tensor(shape=(hand.NUM_JOINTS, 3), dtype=np.float32),
        "visible": tfds.features.Tensor(shape=(hand.NUM_JOINTS,), dtype=np.bool_),
        "palm_uv": tfds.features.Tensor(shape=(2,), dtype=np.float32),
        "palm_mm": tfds.features.Tensor(shape=(3,), dtype=np.float32),
        "palm_visible": tfds.features.Scalar(dtype=np.bool_),
        "K": tfds.features.Tensor(shape=(3, 3), dtype=np.float32),
        "side": tfds.features.ClassLabel(names=list(hand.SIDES)),
        "id": tfds.features.Text(),
    }
    if images:
        fields[IMAGE] = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
    return tfds.features.FeaturesDict(fields)


@dataclasses.dataclass(eq=False)
class RawConfig(tfds.core.BuilderConfig):
    """A builder's configuration: the raw folder that it reads.

    `raw` has `splits`, `examples(split)` and `images`; the configuration's name carries the
    fingerprint of the files, so other or changed files are prepared beside, not mixed up.
    """

    raw: object = None


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Stores a raw folder's canonical examples in the order in which the reader gives them."""

    # Part of the prepared folder's path: raise it when a reader's examples change.
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        raw = self.builder_config.raw
        return self.dataset_info_from_configs(
            features=features(raw.images), homepage=raw.PAGE, disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # Nothing is downloaded: the licences ask for the user's own hand.
        return {split: self._generate_examples(split) for split in self.builder_config.raw.splits}

    def _generate_examples(self, split):
        yield from enumerate(self.builder_config.raw.examples(split))


def project(xyz_mm, K):
    """NumPy: `[N, 3]` mm → `[N, 2]` px."""
    homogeneous = xyz_mm @ K.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def read_image(path):
    """The bytes of an image file. Raises `UserError` naming it when it does not decode."""
    encoded = tf.io.read_file(path)
    decode_image(encoded, path)
    return encoded.numpy()


def decode_image(encoded, path, channels=3):
    """uint8 `[h, w, channels]` from bytes of `path`, which a `UserError` names."""
    try:
        return tf.io.decode_png(encoded, channels=channels)
    except tf.errors.InvalidArgumentError:
        raise UserError(
            f"--raw_dir: {path} is damaged or no PNG; unpack or download it again"
        ) from None


def fingerprint(files, folders):
    """Ten hex digits for annotation `files` (content) and image `folders` (names, sizes, times)."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(f"{os.path.basename(path)}:".encode())
            digest.update(hashlib.sha256(file.read()).digest())
    for folder in folders:
        digest.update(f"{os.path.basename(folder)}/".encode())
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            stat = entry.stat()
            digest.update(f"{entry.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:10]


def warn_left_out(count, total, where):
    """Says how many annotated frames have no image."""
    if count:
        logging.warning(
            "%s: %d of %d annotated frames have no image; left out", where, count, total
        )
