"""Raw folders as TensorFlow Datasets: what a reader has to offer, and what readers share."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging
from jaxtyping import Float, Shaped, UInt8

from dcmls_tf import hand
from dcmls_tf.data.examples import IMAGE, RawExample
from dcmls_tf.errors import UserError


class Source(Protocol):
    """Where examples come from, as messages name it: a folder, and where such a one can be had."""

    PAGE: ClassVar[str]
    raw_dir: str


class RawSplit(Protocol):
    """A split of a raw folder, its annotations read."""

    def keys(self) -> Sequence[Any]:
        """What its examples are asked for by, in an order that stays. Raises `UserError`.

        Small, so that they can go to other machines; what has no image is left out.
        """
        ...

    def example(self, key: Any, /) -> RawExample:
        """The example of a key. Raises `UserError`."""
        ...


class RawFolder(Source, Protocol):
    """A data set in its official layout; only read from.

    images: whether examples have their image.
    splits: the splits that it holds.
    """

    images: bool
    splits: tuple[str, ...]

    def fingerprint(self) -> str:
        """Ten hex digits that change when annotations or the lists of images do."""
        ...

    def open(self, split: str) -> RawSplit:
        """A split. Raises `UserError`."""
        ...


def examples(split: RawSplit) -> Iterator[RawExample]:
    """The examples of a split, in an order that stays. Raises `UserError`."""
    return map(split.example, split.keys())


def features(images: bool) -> tfds.features.FeaturesDict:
    """How TFDS stores a `CanonicalExample`."""
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


@dataclasses.dataclass(eq=False, kw_only=True)
class RawConfig(tfds.core.BuilderConfig):
    """A builder's configuration: the raw folder that it reads, and whether Apache Beam does it.

    The configuration's name carries the fingerprint of the files, so other or changed files
    are prepared beside, not mixed up.
    """

    raw: RawFolder
    by_beam: bool = False


class PreparedData(Protocol):
    """Examples ready to train on: a TFDS builder that knows its source."""

    @property
    def raw(self) -> Source:
        """Where the examples come from."""
        ...

    @property
    def info(self) -> tfds.core.DatasetInfo:
        """Features and splits."""
        ...

    @property
    def data_path(self) -> Any:
        """The folder of the prepared files."""
        ...


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Stores a raw folder's examples in the order in which its reader gives them."""

    # Part of the prepared folder's path: raise it when a reader's examples change.
    VERSION = tfds.core.Version("1.0.0")

    @property
    def raw(self) -> RawFolder:
        """The raw folder that it reads."""
        return self.builder_config.raw  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] (TFDS types it as the base class)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=features(self.raw.images), homepage=self.raw.PAGE, disable_shuffling=True
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded: the licences ask for the user's own hand.
        return {split: self._generate_examples(split) for split in self.raw.splits}

    def _generate_examples(self, split: str) -> Any:
        if self.builder_config.by_beam:  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] (TFDS types it as the base class)
            from dcmls_tf.data import beam

            return beam.examples(self.raw, split)
        return self._one_by_one(split)

    def _one_by_one(self, split: str) -> Iterator[tuple[int, RawExample]]:
        yield from enumerate(examples(self.raw.open(split)))


def project(
    xyz_mm: Float[np.ndarray, "N 3"], K: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "N 2"]:
    """`geometry.project` in NumPy, of points before the camera: mm → px."""
    homogeneous = xyz_mm @ K.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def read_image(path: str) -> bytes:
    """The bytes of an image file. Raises `UserError` naming it when it does not decode."""
    encoded = tf.io.read_file(path)
    decode_image(encoded, path)
    return encoded.numpy()


def decode_image(
    encoded: Shaped[tf.Tensor, ""], path: str, channels: int = 3
) -> UInt8[tf.Tensor, "h w channels"]:
    """Pixels of the encoded image of `path`, which a `UserError` names."""
    try:
        return tf.io.decode_png(encoded, channels=channels)
    except tf.errors.InvalidArgumentError:
        raise UserError(
            f"--raw_dir: {path} is damaged or no PNG; unpack or download it again"
        ) from None


def fingerprint(files: Iterable[str], folders: Iterable[str]) -> str:
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


def warn_left_out(count: int, total: int, where: str) -> None:
    """Says how many annotated frames have no image."""
    if count:
        logging.warning(
            "%s: %d of %d annotated frames have no image; left out", where, count, total
        )
