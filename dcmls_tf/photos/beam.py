"""Predictions for millions of pictures, by Apache Beam, on as many machines as its runner has.

    predictions-*.jsonl   a line a picture: its record, as in `predictions.json` (see `records`)
    errors-*.jsonl        a line a picture that could not be read or predicted: `file`, `error`
    fields.json           names of the joints, units of the numbers
    inputs.jsonl          the pictures that were asked for, a line each

The order of lines is any. Every picture asked for is a line of the first two kinds of files.
"""

import dataclasses
import glob
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import apache_beam  # pyright: ignore[reportMissingImports]
from apache_beam.ml.inference import base  # pyright: ignore[reportMissingImports]

from dcmls_tf import beam, files
from dcmls_tf.errors import UserError
from dcmls_tf.photos import photo, predictor, records
from dcmls_tf.photos.asked import HandsAsked
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.photos.records import Record

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
        PipelineOptions,
    )

# Decoded pictures that wait for the model together, up to 50 MB each (`photo.LARGEST_SIDE`).
PICTURES_AT_ONCE = 8
ERRORS, COUNTS = "errors", "pictures"
Seen = tuple[Photo, list[HandRegion]]


@dataclasses.dataclass(frozen=True)
class Done:
    """How many pictures were predicted, hands found in them, and pictures that failed."""

    pictures: int
    hands: int
    errors: int


def predict(
    paths: Sequence[str],
    model: str,
    asked: HandsAsked,
    out_dir: str,
    options: "PipelineOptions",
    focal: float | None = None,
) -> Done:
    """Predicts pictures, and writes what is said above into a folder.

    Args:
        paths: the pictures'. They, the model and `out_dir` are where all machines see them.
        model: a run, a SavedModel or a `.tflite` file.
        asked: which hands.
        out_dir: where to; made when it is not there.
        options: of the pipeline (see `dcmls_tf.beam`).
        focal: the cameras' focal length in px, if known.

    Raises `UserError` when there is no such model, or the folder cannot be written.
    """
    out_dir = os.path.abspath(out_dir)
    joint_names = list(predictor.load(model).joint_names)
    asked.finder()  # What is wrong with it is better known now, and its networks are fetched once.
    _start_folder(out_dir, paths, joint_names, asked)
    pipeline = apache_beam.Pipeline(options=options)
    failed, predicted = _predicted(pipeline, out_dir, model, asked, focal)
    _write(predicted, os.path.join(out_dir, "predictions"))
    _write(failed, os.path.join(out_dir, "errors"))
    with beam.errors_of_workers():
        result = pipeline.run()
        result.wait_until_finish()
    return Done(*(_count(result, name) for name in ("pictures", "hands", "errors")))


def _start_folder(
    out_dir: str, paths: Sequence[str], joint_names: Sequence[str], asked: HandsAsked
) -> None:
    """Removes what another run left, since the numbers of files differ."""
    try:
        os.makedirs(out_dir, exist_ok=True)
        for kind in ("predictions", "errors"):
            for path in glob.glob(os.path.join(glob.escape(out_dir), f"{kind}-*.jsonl")):
                os.remove(path)
        lines = (json.dumps(os.path.abspath(path)) + "\n" for path in paths)
        files.write(os.path.join(out_dir, "inputs.jsonl"), "".join(lines))
        fields = {"joint_names": joint_names, "units": records.UNITS, "asked": asked.said()}
        files.write_json(os.path.join(out_dir, "fields.json"), fields)
    except OSError as error:
        raise UserError(f"--out_dir={out_dir}: cannot be written ({error.strerror})") from None


def _predicted(
    pipeline: Any, out_dir: str, model: str, asked: HandsAsked, focal: float | None
) -> tuple[Any, Any]:
    """Records of errors, and of pictures."""
    seen = (
        pipeline
        | "Inputs" >> apache_beam.io.ReadFromText(os.path.join(out_dir, "inputs.jsonl"))
        | "Path" >> apache_beam.Map(json.loads)
        | "Spread" >> apache_beam.Reshuffle()
        | "Look" >> apache_beam.ParDo(Look(asked, focal)).with_outputs(ERRORS, main=COUNTS)
    )
    said = seen[COUNTS] | "Predict" >> base.RunInference(PoseModel(model))
    of_errors = said | "Not predicted" >> apache_beam.Filter(_is_error)
    failed = (seen[ERRORS], of_errors) | "All errors" >> apache_beam.Flatten()
    return failed, said | "Predicted" >> apache_beam.Filter(lambda record: not _is_error(record))


class Look(apache_beam.DoFn):
    """A picture's path → the picture and its hands, or an error's record."""

    def __init__(self, asked: HandsAsked, focal: float | None) -> None:
        self._asked, self._focal = asked, focal

    def setup(self) -> None:
        """Makes the detector once a worker."""
        self._find = self._asked.finder()

    def process(self, path: str) -> Iterator[Any]:
        """One picture."""

        def look() -> Seen:
            picture = self._asked.upright(photo.read(path, self._focal))
            return picture, self._find(picture)

        seen = _guarded(path, look)
        yield apache_beam.pvalue.TaggedOutput(ERRORS, seen) if isinstance(seen, dict) else seen


class PoseModel(base.ModelHandler):
    """A run, a SavedModel or a TFLite file: pictures and their hands → records.

    What cannot be predicted becomes an error's record by itself, and loses no other.
    """

    def __init__(self, path: str) -> None:
        super().__init__(max_batch_size=PICTURES_AT_ONCE)
        self._path = path

    def load_model(self) -> "Guarded":
        """The model, once a process."""
        return Guarded(predictor.load(self._path))

    def run_inference(
        self, batch: Sequence[Seen], model: "Guarded", inference_args: Any = None
    ) -> list[Record]:
        """A record a picture."""
        return [model.record(picture, regions) for picture, regions in batch]

    def get_num_bytes(self, batch: Sequence[Seen]) -> int:
        """The pixels' size; Beam would pickle them to know."""
        return sum(picture.pixels.nbytes for picture, _ in batch)


class Guarded:
    """A predictor that a process's threads take turns with: interpreters are not for several."""

    def __init__(self, pose_predictor: PosePredictor) -> None:
        self._predictor, self._lock = pose_predictor, threading.Lock()

    def record(self, picture: Photo, regions: Iterable[HandRegion]) -> Record:
        """The record of a picture, or of an error."""

        def predict() -> Record:
            with self._lock:
                return records.record(picture, self._predictor(picture, regions))

        return _guarded(picture.source, predict)


def _guarded(path: str, work: Callable[[], Any]) -> Any:
    """What `work` returns, or an error's record: whatever is wrong with one picture of millions."""
    try:
        return work()
    except UserError as error:
        sentence = str(error)
    except Exception as error:
        sentence = f"cannot be predicted ({type(error).__name__}: {error})"
    return {
        "file": path,
        "error": sentence if sentence.startswith(path) else f"{path}: {sentence}",
    }


def _is_error(record: Record) -> bool:
    return "error" in record


def _write(found: Any, path: str) -> None:
    """Writes records as lines, and counts them."""
    kind = os.path.basename(path)
    lines = found | f"Lines of {kind}" >> apache_beam.Map(_line)
    _ = lines | f"Write {kind}" >> apache_beam.io.WriteToText(path, file_name_suffix=".jsonl")


def _line(record: Record) -> str:
    if _is_error(record):
        _counter("errors").inc()
    else:
        _counter("pictures").inc()
        _counter("hands").inc(len(record["hands"]))
    return json.dumps(record, allow_nan=False)


def _counter(name: str) -> Any:
    return apache_beam.metrics.Metrics.counter(COUNTS, name)


def _count(result: Any, name: str) -> int:
    asked = apache_beam.metrics.MetricsFilter().with_namespace(COUNTS).with_name(name)
    found = result.metrics().query(asked)["counters"]
    return sum(counter.result or 0 for counter in found)
