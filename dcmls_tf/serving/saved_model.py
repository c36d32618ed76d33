"""SavedModels on disk, as TensorFlow Serving wants them: written, found, loaded.

    <out_dir>/<version>/saved_model.pb, variables/    the signatures of `signatures`
                        assets/metadata.json          where the model comes from, how good it is
                        assets.extra/                 requests that a server warms up with, and
                                                      SHA256SUMS of all other files

They load without Keras and without this package: `tf.saved_model.load`, TensorFlow Serving.

A SavedModel is a program: its graph can read and write files (SECURITY.md). `load` refuses one
that is damaged, which its checksums tell; they say nothing about who made it.
"""

import dataclasses
import os
import tempfile
from typing import Any

import numpy as np
import tensorflow as tf

from dcmls_tf import files
from dcmls_tf.errors import UserError
from dcmls_tf.serving import checks, checksums, warm_up
from dcmls_tf.serving import metadata as metadata_lib
from dcmls_tf.serving.metadata import METADATA_FILE, Metadata
from dcmls_tf.serving.signatures import ServedModel, neutral_input

# Beside the versions, of which TensorFlow Serving sees only names that are numbers.
LITE_FOLDER = "lite"
GRAPH = "saved_model.pb"
# A ResNet-18's graph takes 2 MB.
MOST_GRAPH_BYTES = 128 << 20


@dataclasses.dataclass(frozen=True)
class LoadedSavedModel:
    """A SavedModel in this process: `signatures` by name, `metadata`, and its folder."""

    signatures: dict[str, Any]
    metadata: Metadata
    path: str
    # Owns the variables.
    root: object = dataclasses.field(repr=False)

    def answer(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature on arrays; inputs that are not given are neutral. Name → array.

        Raises `UserError` with the graph's sentence when it refuses an input.
        """
        function = self.signatures[signature]
        specs = function.structured_input_signature[1]
        rows = len(next(iter(inputs.values())))
        values = {n: inputs.get(n, neutral_input(spec, rows)) for n, spec in specs.items()}
        try:
            answer = function(**{n: tf.cast(v, specs[n].dtype) for n, v in values.items()})
        except tf.errors.InvalidArgumentError as error:
            said = checks.refusal(error)
            raise UserError(f"{self.path}: {signature} refuses its input: {said}") from None
        return {name: value.numpy() for name, value in answer.items()}


def save(
    served: ServedModel,
    metadata: Metadata,
    out_dir: str,
    version: int,
    with_warm_up: bool = True,
) -> str:
    """Writes `<out_dir>/<version>/` and returns it; the folder is complete or absent.

    Args:
        served: the model.
        metadata: what `metadata.describe` returns.
        out_dir: the model's folder; its name is the model's in warm-up requests.
        version: what `new_version` returns.
        with_warm_up: whether to write requests for TensorFlow Serving to warm up with.

    Raises `UserError` without the protos that warm-up requests are written in, and where the
    folder cannot be written.
    """
    folder = os.path.join(out_dir, str(version))
    with files.writing_to(f"--out_dir={out_dir}"), files.whole_folder(folder) as partial:
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, METADATA_FILE)
            files.write_json(path, metadata)
            served.metadata = tf.saved_model.Asset(path)
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            signatures = served.signatures()
            for name_of_one, function in signatures.items():
                setattr(served, name_of_one, function)  # Loaded, it keeps its Python defaults.
            tf.saved_model.save(served, partial, signatures=signatures, options=options)
        if with_warm_up:
            name = os.path.basename(os.path.abspath(out_dir))
            warm_up.write(os.path.join(partial, warm_up.WARM_UP_FILE), served, name)
        checksums.write(partial)
    return folder


def new_version(out_dir: str, version: int | None = None) -> int:
    """A version's number: `version` if it is free, or one more than the highest there.

    Makes `out_dir`. Raises `UserError` when it cannot be made or the version exists.
    """
    try:
        os.makedirs(out_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out_dir={out_dir}: cannot be made ({error.strerror})") from None
    there = [*_versions(out_dir), *_versions(os.path.join(out_dir, LITE_FOLDER))]
    if version in there:
        raise UserError(f"--version={version}: {out_dir} has it already; give another one")
    return version or max(there, default=0) + 1


def _versions(folder: str) -> list[int]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [int(name) for name in names if name.isdecimal()]


def find(path: str) -> str:
    """The SavedModel's folder: `path` itself, or the highest version in it. Raises `UserError`."""
    if tf.saved_model.contains_saved_model(path):
        return path
    folder = os.path.join(path, str(max(_versions(path), default=0)))
    if not tf.saved_model.contains_saved_model(folder):
        raise UserError(f"--model={path}: holds no SavedModel; make one with export/export.py")
    return folder


def load(path: str) -> LoadedSavedModel:
    """The SavedModel in `path`, or its highest version. Raises `UserError`."""
    folder = find(path)
    checksums.check(folder, required=(GRAPH, f"assets/{METADATA_FILE}"))
    with open(os.path.join(folder, "assets", METADATA_FILE), "rb") as file:
        metadata = metadata_lib.parse(file.read(metadata_lib.MOST_BYTES + 1), folder)
    if os.path.getsize(os.path.join(folder, GRAPH)) > MOST_GRAPH_BYTES:
        raise UserError(f"--model={folder}: its graph is larger than {MOST_GRAPH_BYTES >> 20} MB")
    try:
        root = tf.saved_model.load(folder)
    except Exception as error:  # TensorFlow raises nearly anything on graphs of another make.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"--model={folder}: is damaged or of another make ({reason})") from None
    return LoadedSavedModel(dict(root.signatures), metadata, folder, root)
