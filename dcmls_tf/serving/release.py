"""A shipped model: a run's TFLite file with all that it needs inside, and its card beside it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from dcmls_tf import files, pretrained
from dcmls_tf.data import pipeline
from dcmls_tf.data.raw import PreparedData
from dcmls_tf.errors import UserError
from dcmls_tf.model import predict_pose
from dcmls_tf.serving import calibration, lite_file, model_card, shipped, tflite
from dcmls_tf.serving.metadata import Metadata
from dcmls_tf.serving.tflite import EVALUATION_BATCH, TFLiteModel
from dcmls_tf.variants import Model

# Options of a run that name its place on some machine.
PLACES = ("raw_dir", "data_dir", "run_dir", "unpaired_dir", "initial_run")
TITLES = {
    shipped.KEYPOINTS: "2D keypoints to 3D hand pose",
    shipped.RGB: "RGB to 3D hand pose",
    shipped.RGB_SMALL: "RGB to 3D hand pose, small",
}
RENDERED = (
    "Hands rendered by this project (`scripts/render.py`): whole people of MakeHuman's CC0 body "
    "before free photographs (docs/rendering.md names them). No recording of a person was used, "
    "and nothing whose terms reach the weights."
)
LICENCE = "Apache-2.0, as the code."
WEIGHTS = {"dynamic": "int8 weights", "int8": "int8 throughout", "float16": "float16 weights"}
LIMITS = {
    "2d": (
        "It is as good as its keypoints: a detector's errors pass into depth, and a hand taken "
        "for the other one comes out mirrored. Say `--side` where it is known."
    ),
    "rgb": (
        "The box has to be tight around the joints; the margin is added. It was trained on "
        "rendered people: photographs differ, the more so with gloves, tools and held hands."
    ),
}
SHARED_LIMITS = (
    "Absolute size and distance are guesses: the hand is taken to have the training set's mean "
    "scale bone, and a camera that is not known a view of 53 degrees. One hand at a time, found by "
    "something else. Not for decisions about people."
)

Errors = dict[str, Any]  # by `checkpoint` and `file`: what `model_card.measure` gives


def release(
    name: str,
    model: Model,
    metadata: Metadata,
    training: PreparedData,
    measured_on: Mapping[str, PreparedData],
    split: str = "evaluation",
    folder: str = shipped.FOLDER,
) -> str:
    """Writes `<name>.tflite` and its card `<name>.md`, and returns the file's path.

    For names in `shipped.WITH_NETWORKS`, also the networks that trainings start from.

    Args:
        name: one of `shipped.NAMES`.
        model, metadata: what `checkpoints.load_model` and `metadata.describe` return.
        training: the prepared data that int8 files are calibrated on.
        measured_on: the data sets that the card tells of, by what to call them.
        split: which of their splits.
        folder: where to.

    Raises `UserError` for a model of another modality or a file that is too large.
    """
    config = model.config
    if config.modality != shipped.MODALITIES[name]:
        raise UserError(
            f"--{name}: is a model of {config.modality}; give one of {shipped.MODALITIES[name]}"
        )

    def batches_of(data: PreparedData) -> Any:
        return pipeline.evaluation_batches(data, config, split, EVALUATION_BATCH)

    precision = shipped.PRECISIONS[name]
    quantised_on = tflite.calibration_inputs(training, config) if precision == "int8" else ()
    metadata = {**_without_places(metadata), "precision": precision}
    network = tflite.convert(model, precision, quantised_on)
    file = TFLiteModel.from_bytes(network)
    error_bars = []
    if file.can_sample:
        factors, error_bars = _error_bars(file, batches_of(next(iter(measured_on.values()))))
        metadata = {**metadata, "std_factors": factors}
    content = lite_file.with_metadata(network, metadata)
    if len(content) > shipped.LARGEST[name]:
        raise UserError(
            f"--{name}: its file has {len(content)} bytes; at most {shipped.LARGEST[name]} ship"
        )
    predictors = {
        "checkpoint": tf.function(lambda batch: predict_pose(model, batch), reduce_retracing=True),
        "file": file.predict,
    }
    errors = {
        label: {
            kind: model_card.measure(predict, batches_of(data), metadata["mean_scale_mm"])
            for kind, predict in predictors.items()
        }
        for label, data in measured_on.items()
    }
    os.makedirs(folder, exist_ok=True)
    path = shipped.file_of(name, folder)
    text = card(name, metadata, len(content), errors, error_bars)
    files.write(os.path.join(folder, f"{name}.md"), text)
    if name in shipped.WITH_NETWORKS:
        pretrained.write(model, pretrained.file_of(name, folder))
    files.write(path, content)
    return path


def _without_places(metadata: Metadata) -> Metadata:
    """The metadata with the last part alone of each path in its configuration."""
    config = metadata["config"]
    names = {key: os.path.basename(os.path.normpath(config[key])) for key in PLACES if config[key]}
    return {**metadata, "config": {**config, **names}}


def _error_bars(file: TFLiteModel, batches: Any) -> tuple[list[float], list[float]]:
    """Factors of `std`, and what part of joints lie within one and two of it by other hands'."""
    spread = calibration.measure(file, batches)
    return calibration.std_factors(spread), [calibration.on_others(spread, n) for n in (1.0, 2.0)]


def card(
    name: str,
    metadata: Metadata,
    size: int,
    errors: Mapping[str, Errors],
    error_bars: Sequence[float] = (),
) -> str:
    """A shipped model's card, Markdown.

    errors: by data set; see `Errors`. error_bars: the parts of joints within one and two `std`.
    """
    config, source = metadata["config"], metadata["training_data"]["source"]
    network = f", encoder {config['encoder']}" if metadata["modality"] == "rgb" else ""
    lines = [
        f"# {TITLES[name]}",
        "",
        f"`{name}.tflite`, {size / 1e6:.1f} MB, {WEIGHTS[metadata['precision']]}. DCMLS "
        f"(`--latent={config['latent']}`){network}, input {model_card.input_of(metadata)}; "
        f"checkpoint of step {metadata['checkpoint_step']}, made {metadata['created'][:10]}.",
        "",
        "## Data and licence",
        "",
        RENDERED
        if source == "rendered"
        else f"Trained on {source}, whose terms reach the weights.",
        "",
        f"Weights: {LICENCE}",
        "",
        "## Errors",
        "",
        *_error_table(errors),
        "",
        "EPE per joint first, visible joints, root "
        f"{metadata['root']}. The mean scale bone, {metadata['mean_scale_mm']:.1f} mm, is what is "
        "known of a photo.",
        "",
        *_of_error_bars(error_bars),
        *model_card.usage(metadata)[:-1],
        f"{LIMITS[metadata['modality']]} {SHARED_LIMITS}",
    ]
    return "\n".join(lines) + "\n"


def _of_error_bars(error_bars: Sequence[float]) -> Iterable[str]:
    if error_bars:
        one, two = error_bars
        yield (
            "`std_mm` is measured on the first row's hands. By what every second of them says, "
            f"{one:.1%} of the others' joints lie within it and {two:.1%} within twice as much, on "
            f"the average of both halves (a normal number: {calibration.WITHIN_ONE:.1%} and "
            f"{calibration.WITHIN_TWO:.1%}), at the true size of the hand."
        )
        yield ""


def _error_table(errors: Mapping[str, Errors]) -> Iterable[str]:
    heads = ["", "Samples", "EPE, mm", "with the mean scale bone", "of the checkpoint"]
    yield model_card.row_of(heads)
    yield model_card.row_of(["---"] + ["---:"] * (len(heads) - 1))
    for label, by_kind in errors.items():
        yield model_card.row_of(_cells(label, by_kind))


def _cells(label: str, by_kind: Errors) -> Sequence[str]:
    file, checkpoint = by_kind["file"], by_kind["checkpoint"]
    numbers = file["epe_mm"], file["epe_mm_scale_mean"], checkpoint["epe_mm"]
    return [label, str(file["samples"]), *(f"{number:.2f}" for number in numbers)]
