"""Metadata at the end of a TFLite file, with a checksum of what comes before it.

The metadata is `metadata.json` in a zip archive, as TFLite's associated files are; interpreters
pass over it. A flipped bit in a network is no error to them: it answers, and wrongly. So the
checksum is compared before an interpreter sees the file. It tells damage, not who made the file.
"""

import hashlib
import io
import json
import os
import zipfile
from typing import Any

from dcmls_tf.errors import UserError
from dcmls_tf.serving import metadata as metadata_lib
from dcmls_tf.serving.metadata import METADATA_FILE, Metadata

# The largest that is read; a ResNet-18's takes 50 MB.
MOST_BYTES = 1 << 30
SIZE, CHECKSUM = "network_bytes", "network_sha256"


def with_metadata(network: bytes, metadata: Metadata) -> bytes:
    """A network's bytes with metadata behind them, and in it the network's checksum."""
    told = {**metadata, SIZE: len(network), CHECKSUM: _sha256(network)}
    file = io.BytesIO(network)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(METADATA_FILE, json.dumps(told, indent=2, allow_nan=False))
    return file.getvalue()


def read(path: str) -> tuple[bytes, Metadata]:
    """The file's bytes and its metadata.

    Raises `UserError` when `--model=path` cannot be read, has none, or is damaged.
    """
    try:
        if os.path.getsize(path) > MOST_BYTES:
            raise UserError(f"--model={path}: is larger than {MOST_BYTES >> 30} GB")
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"--model={path}: cannot be read ({error.strerror})") from None
    metadata = metadata_lib.parse(_text(content, path), path)
    size = metadata.get(SIZE)
    if not isinstance(size, int) or _sha256(content[:size]) != metadata.get(CHECKSUM):
        raise UserError(
            f"--model={path}: its network is not what its checksum is of, so it is damaged or was "
            "changed; copy it again, or export it with export/export.py"
        )
    return content, metadata


def of_one_row(content: bytes, metadata: Metadata) -> bytes:
    """A file's bytes, of any number of rows, as those of a file of one row.

    For runtimes that have to know every size before they run, as LiteRT.js.
    """
    from tensorflow.lite.tools import flatbuffer_utils  # brings TensorFlow

    model: Any = flatbuffer_utils.convert_bytearray_to_object(bytearray(content[: metadata[SIZE]]))
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.shapeSignature = None  # what is not known; `shape` has one row in its place
    return with_metadata(bytes(flatbuffer_utils.convert_object_to_bytearray(model)), metadata)


def _text(content: bytes, path: str) -> bytes:
    """The metadata's text, of which no more is unpacked than metadata may have."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(METADATA_FILE) as file:
            return file.read(metadata_lib.MOST_BYTES + 1)
    except Exception as error:  # `zipfile` raises nearly anything on damaged archives.
        raise UserError(
            f"--model={path}: is no readable TFLite file that export/export.py wrote: it has no "
            f"metadata ({error})"
        ) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
