"""Random access to a prepared split, so that a training order needs no shuffle buffer."""

import contextlib
import os
import struct
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from jaxtyping import Int, Shaped

from dcmls_tf.data.raw import PreparedData
from dcmls_tf.errors import UserError

# TFRecord: length (uint64), its checksum (uint32), the record, its checksum (uint32).
_LENGTH = struct.Struct("<Q")
_FRAME_BYTES = 16
MEND = "remove its folder, which is prepared again, or render or copy the file again"


class Records:
    """The serialized examples of a TFDS split (a sub-split too) by their number."""

    def __init__(self, builder: PreparedData, split: str):
        parts = builder.info.splits[split].file_instructions
        offsets = [_offsets(part.filename, part.skip, part.take) for part in parts]
        self._paths = tf.constant([part.filename for part in parts])
        self._file = tf.constant(np.repeat(np.arange(len(parts)), [len(o) for o in offsets]))
        self._offset = tf.constant(np.concatenate(offsets), tf.int64)

    def read(self, number: Int[tf.Tensor, ""]) -> Shaped[tf.Tensor, ""]:
        """The serialized example `number`, a string; TensorFlow ops only."""
        # A Python function here would hang the interpreter when it exits during prefetching.
        record = tf.raw_ops.TFRecordDatasetV2(
            filenames=self._paths[self._file[number]],
            compression_type="",
            buffer_size=tf.constant(0, tf.int64),
            byte_offsets=self._offset[number],
        )
        data = tf.data.experimental.from_variant(record, tf.TensorSpec([], tf.string))
        return data.take(1).get_single_element()


def count(path: str) -> int:
    """The number of records in a TFRecord file."""
    return len(_offsets(path, 0, -1))


def _offsets(path: str, skip: int, take: int) -> list[int]:
    """Byte offsets of the records of a file, without `skip` and up to `take` (all when < 0).

    Raises `UserError` for a file that is cut off or is none of records.
    """
    offsets, offset = [], 0
    try:
        end = os.path.getsize(path)
        with open(path, "rb") as file:
            while offset < end:
                offsets.append(offset)
                file.seek(offset)
                offset += _LENGTH.unpack(file.read(_LENGTH.size))[0] + _FRAME_BYTES
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {MEND}") from None
    except struct.error:
        offset = -1
    if offset != end or len(offsets) < skip + max(take, 0):
        raise UserError(f"{path}: is cut off or damaged; {MEND}")
    return offsets[skip:] if take < 0 else offsets[skip : skip + take]


# What TensorFlow raises of data; the last, where an error quotes bytes that are no text.
_OF_DATA = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
    UnicodeDecodeError,
)


@contextlib.contextmanager
def damage_named(builder: PreparedData) -> Iterator[None]:
    """Raises what TensorFlow says of damaged data as a `UserError` that names the file."""
    try:
        yield
    except _OF_DATA as error:
        path = first_damaged(builder)
        if path:
            raise UserError(
                f"{path}: is damaged or cut off (a checksum does not fit); {MEND}"
            ) from None
        if "decode" in str(error).lower():
            raise UserError(
                f"--raw_dir={builder.raw.raw_dir}: a picture does not decode; scripts/prepare.py "
                "--check names it"
            ) from None
        raise


def first_damaged(builder: PreparedData) -> str | None:
    """The first file of a prepared set with a record that is missing or damaged, if any."""
    for split in builder.info.splits.values():
        for part in split.file_instructions:
            try:
                there = sum(1 for _ in tf.data.TFRecordDataset(part.filename))
            except tf.errors.OpError:
                return part.filename
            if there != part.examples_in_shard:
                return part.filename
    return None
