"""TFRecord shards of canonical examples that are a prepared data set as they are.

`scripts/render.py --format=shards` writes them: the records of `raw.features`, with JPEG crops
for images, and the metadata of TensorFlow Datasets (`tfds.builder_from_directory` reads them
too).
"""

import contextlib
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, cast

import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_serializer, naming, read_only_builder

from dcmls_tf.data import encoded, raw, raw_files, records
from dcmls_tf.data.builder import Builder
from dcmls_tf.data.examples import IMAGE, SPLITS, RawExample
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.data.rhd_layout import RENDER_SETTINGS
from dcmls_tf.errors import UserError

NAME = "hands"
PAGE = "scripts/render.py --format=shards"
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
    made_as = _settings(folder).get("format")
    return made_as == "shards" or (
        made_as is None and os.path.exists(os.path.join(folder, _INFO[0]))
    )


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


def file_of(serialized_records: Iterable[bytes]) -> bytes:
    """The bytes of a shard, a TFRecord file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "shard")
        with tf.io.TFRecordWriter(path) as writer:
            for record in serialized_records:
                writer.write(record)
        with open(path, "rb") as file:
            return file.read()


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


class Hands(Builder):
    """Shards without their bad samples, as a TensorFlow dataset."""


class ShardFolder:
    """A folder of shards as one of samples to check. Raises `UserError` when it is unfinished.

    decode: whether pictures are decoded, not only their headers read.
    """

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str, images: bool, decode: bool = True) -> None:
        builder = ShardBuilder(raw_dir, images)
        self.raw_dir, self.images, self.absent = raw_dir, images, []
        self.splits = tuple(split for split in SPLITS if split in builder.info.splits)
        self._has_images = IMAGE in cast(Any, builder.info.features)
        self._decode = decode

    def fingerprint(self) -> str:
        """As `raw.RawFolder.fingerprint`."""
        info = [os.path.join(self.raw_dir, name) for name in _INFO]
        names = [path for split in SPLITS for path in shard_paths(self.raw_dir, split)]
        digest = hashlib.sha256(raw_files.fingerprint(info, []).encode())
        for path in names:
            state = os.stat(path)
            digest.update(
                f"{os.path.basename(path)} {state.st_size} {state.st_mtime_ns}\n".encode()
            )
        return digest.hexdigest()[:10]

    def chosen_by(self, split: str) -> str:
        """As `raw.Source.chosen_by`: every hand of a frame is a sample."""
        return ""

    def open(self, split: str) -> "ShardSplit":
        """A split."""
        detected = bool(_settings(self.raw_dir).get("detected_in"))
        paths = shard_paths(self.raw_dir, split)
        return ShardSplit(paths, self.images, self._has_images, not detected, self._decode)


class ShardSplit:
    """Samples by their shard and their number in it."""

    whole = False

    def __init__(
        self, paths: list[str], images: bool, has_images: bool, labelled: bool, decode: bool
    ) -> None:
        self._paths, self._images, self._has_images = paths, images, has_images
        self.labelled, self._decode = labelled, decode
        # Samples are asked for shard by shard: one at a time is enough.
        self._read = functools.lru_cache(maxsize=1)(self._samples)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_read"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._read = functools.lru_cache(maxsize=1)(self._samples)

    def survey(self) -> raw.Survey:
        """The records that each shard says it has."""
        found, odd = [], []
        for path in self._paths:
            try:
                found += [(path, number) for number in range(records.count(path))]
            except UserError as error:
                odd.append(BadSample(path, str(error)))
        return raw.Survey(found, [], odd)

    def where(self, key: tuple[str, int], /) -> str:
        """As `raw.RawSplit.where`."""
        return f"{key[0]}, record {key[1]}"

    def example(self, key: tuple[str, int], /) -> RawExample:
        """A hand. Raises `BadSample`."""
        path, number = key
        found = self._read(path)
        sample = found[number] if number < len(found) else "or one before it is damaged"
        if isinstance(sample, str):
            raise BadSample(self.where(key), sample)
        if self._images:
            try:
                check = encoded.decode if self._decode else encoded.size
                check(sample.get("image", b""))
            except ValueError as error:
                raise BadSample(self.where(key), f"its picture {error}") from None
        return sample

    def _samples(self, path: str) -> list[RawExample | str]:
        """The samples of a shard up to the first that is damaged, or what is wrong with one."""
        features: Any = raw.features(self._has_images)
        decoders = {IMAGE: tfds.decode.SkipDecoding()} if self._has_images else None
        found: list[RawExample | str] = []

        def parse(record: Any) -> Any:
            return features.deserialize_example(record, decoders=decoders)

        with contextlib.suppress(tf.errors.OpError, UnicodeDecodeError):
            samples = tf.data.TFRecordDataset(path).map(parse).as_numpy_iterator()
            found.extend(map(self._sample, samples))
            return found
        with contextlib.suppress(tf.errors.DataLossError):
            for record in tf.data.TFRecordDataset(path).skip(len(found)):
                try:
                    tensors = parse(record)
                    found.append(self._sample({k: v.numpy() for k, v in tensors.items()}))
                except (tf.errors.OpError, UnicodeDecodeError):  # of what the error quotes
                    found.append("has not the fields of a sample")
        return found

    def _sample(self, fields: dict[str, Any]) -> RawExample | str:
        try:
            name = fields["id"].decode()
        except UnicodeDecodeError:
            return "has an id that is not UTF-8"
        if not self._images:
            fields.pop(IMAGE, None)
        return cast(RawExample, {**fields, "id": name})


def _settings(folder: str) -> dict[str, Any]:
    """What the folder was made with; empty where that is not known."""
    try:
        with open(os.path.join(folder, RENDER_SETTINGS), encoding="utf-8") as file:
            settings = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


class _Source:
    """A folder that is its own source, as messages name it (`raw.Source`)."""

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str) -> None:
        self.raw_dir = raw_dir

    def chosen_by(self, split: str) -> str:
        return ""


class ShardBuilder(read_only_builder.ReadOnlyBuilder, skip_registration=True):
    """The TFDS builder of a folder of shards. Raises `UserError` when it is unfinished."""

    def __init__(self, folder: str, images: bool) -> None:
        if not all(os.path.exists(os.path.join(folder, name)) for name in _INFO):
            raise UserError(
                f"--raw_dir={folder}: is not finished; run scripts/render.py again with the flags "
                "that it was started with"
            )
        try:
            super().__init__(builder_dir=folder)
            self.raw = _Source(folder)
            features: Any = self.info.features
            has_images = IMAGE in features
            if dict(features.get_tensor_info()) != dict(raw.features(has_images).get_tensor_info()):
                raise ValueError("other fields")
            for split in self.info.splits.values():
                split.file_instructions  # noqa: B018 (fails where names or lengths are none)
        except Exception as error:  # TFDS raises nearly anything on damaged metadata
            raise UserError(
                f"--raw_dir={folder}: {' or '.join(_INFO)} is damaged ({type(error).__name__}); "
                "remove both and run scripts/render.py again with the flags of the first time"
            ) from None
        if images and not has_images:
            raise UserError(
                f"--raw_dir={folder}: holds annotations without images; use --modality=2d, or "
                "render it without --annotations_only"
            )
