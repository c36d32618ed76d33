"""TFRecord shards of canonical examples that are a prepared data set as they are.

`scripts/render.py --format=shards` writes them: the records of `raw.features`, with JPEG crops
for images, and the metadata of TensorFlow Datasets (`tfds.builder_from_directory` reads them
too).
"""

import functools
import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_serializer, naming, read_only_builder

from dcmls_tf.data import raw, records
from dcmls_tf.data.examples import IMAGE, SPLITS, RawExample
from dcmls_tf.data.rhd_layout import RENDER_SETTINGS
from dcmls_tf.errors import UserError

NAME = "hands"
_INFO = ("dataset_info.json", "features.json")
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}"


def shard_path(folder: str, split: str, number: int) -> str:
    """Where shard `number` of a split belongs."""
    return os.path.join(folder, f"{NAME}-{split}.tfrecord-{number:05d}")


def shard_paths(folder: str, split: str) -> list[str]:
    """The shards of a split from number 0 on, up to the first that is not there."""
    paths: list[str] = []
    while os.path.exists(path := shard_path(folder, split, len(paths))):
        paths.append(path)
    return paths


def are_in(folder: str) -> bool:
    """Whether a folder is one of shards, finished or not."""
    try:
        with open(os.path.join(folder, RENDER_SETTINGS), encoding="utf-8") as file:
            return json.load(file).get("format") == "shards"
    except (OSError, ValueError):
        return os.path.exists(os.path.join(folder, _INFO[0]))


def serialized(example: RawExample, images: bool) -> bytes:
    """The record of a canonical example."""
    features, serializer = _serializer(images)
    proto = serializer.get_tf_example(features.encode_example(example))
    return proto.SerializeToString(deterministic=True)


@functools.lru_cache(maxsize=2)
def _serializer(images: bool) -> tuple[Any, Any]:
    """TFDS's features of an example, and what writes one as a `tf.train.Example`."""
    features: Any = raw.features(images)
    return features, example_serializer.ExampleSerializer(features.get_serialized_info())


def read(path: str) -> Iterator[tuple[bytes, RawExample]]:
    """Pictures, encoded, and all else of the examples of a shard."""
    features: Any = raw.features(True)
    decoders = {IMAGE: tfds.decode.SkipDecoding()}
    for record in tf.data.TFRecordDataset(path):
        tensors = features.deserialize_example(record, decoders=decoders)
        example = {key: value.numpy() for key, value in tensors.items()}
        yield example.pop(IMAGE), cast(RawExample, example)


def write_info(folder: str, images: bool) -> None:
    """Writes the metadata of all shards in a folder, after which the set counts as finished."""
    template = naming.ShardedFileTemplate(
        data_dir=tfds.core.Path(folder),
        template=_TEMPLATE,
        dataset_name=NAME,
        filetype_suffix="tfrecord",
    )
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[records.count(path) for path in paths],
            num_bytes=sum(os.path.getsize(path) for path in paths),
            filename_template=template.replace(split=split),
        )
        for split in SPLITS
        if (paths := shard_paths(folder, split))
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=raw.features(images),
        split_infos=splits,
        filename_template=template,
        version="1.0.0",
        check_data=False,
    )


def remove_info(folder: str) -> None:
    """Marks a folder's set as unfinished."""
    for name in _INFO:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            os.remove(path)


class _Source:
    """A folder that is its own source, as messages name it (`raw.Source`)."""

    PAGE: ClassVar[str] = "scripts/render.py --format=shards"

    def __init__(self, raw_dir: str) -> None:
        self.raw_dir = raw_dir


class ShardBuilder(read_only_builder.ReadOnlyBuilder, skip_registration=True):
    """The TFDS builder of a folder of shards. Raises `UserError` when it is unfinished."""

    def __init__(self, folder: str, images: bool) -> None:
        if not all(os.path.exists(os.path.join(folder, name)) for name in _INFO):
            raise UserError(
                f"--raw_dir={folder}: is not finished; run scripts/render.py again with the flags "
                "that it was started with"
            )
        super().__init__(builder_dir=folder)
        self.raw = _Source(folder)
        features: Any = self.info.features
        if images and IMAGE not in features:
            raise UserError(
                f"--raw_dir={folder}: holds annotations without images; use --modality=2d, or "
                "render it without --annotations_only"
            )
