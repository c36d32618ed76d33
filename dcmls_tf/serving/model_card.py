"""The model card of an export: each file's size, time and error beside the checkpoint's."""

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dcmls_tf import files
from dcmls_tf.data.examples import Batch
from dcmls_tf.evaluation import predictions
from dcmls_tf.evaluation import scores as split_scores
from dcmls_tf.serving.metadata import Metadata

CARD_JSON, CARD_MARKDOWN = "model_card.json", "MODEL_CARD.md"
THREADS = (1, 2)
COLUMNS = ("", "Size, MB", "EPE, mm", "against the checkpoint", *(
    f"ms, {n} thread{'s' * (n > 1)}" for n in THREADS
))  # fmt: skip

Errors = dict[str, Any]  # `samples`, `epe_mm`, `epe_mm_scale_mean`
Row = dict[str, Any]  # a file's `Errors`, its `bytes`, and `latency_ms` by number of threads


def measure(
    predict: Callable[[Batch], Any],
    batches: Iterable[Batch],
    mean_scale_mm: float,
) -> Errors:
    """EPE in mm of `predict(batch)` on batches, at the true and at the mean scale bone."""
    scores = split_scores.of_split(predictions.collect(predict, batches), mean_scale_mm)
    errors = {"epe_mm": scores["epe_mm"], "epe_mm_scale_mean": scores["scale_mean"]["epe_mm"]}
    return {"samples": scores["samples"], **errors}


def write(
    folder: str, metadata: Metadata, split: str, checkpoint: Errors, rows: dict[str, Row]
) -> None:
    """Writes `model_card.json` and `MODEL_CARD.md` into a folder.

    Args:
        metadata: the export's.
        split: the split that was evaluated.
        checkpoint: what `measure` returns for the checkpoint.
        rows: each file's, by its name.
    """
    card = {
        "metadata": metadata,
        "evaluation": {"split": split, **checkpoint},
        "processor": processor(),
        "files": rows,
    }
    files.write_json(os.path.join(folder, CARD_JSON), card)
    files.write(os.path.join(folder, CARD_MARKDOWN), markdown(card))


def markdown(card: Mapping[str, Any]) -> str:
    """The card as text."""
    metadata, checkpoint = card["metadata"], card["evaluation"]
    config = metadata["config"]
    encoder = config["encoder"] if metadata["modality"] == "rgb" else "five fully-connected layers"
    source = "an RGB crop" if metadata["modality"] == "rgb" else "2D keypoints"
    lines = [
        f"# 3D hand pose from {source}",
        "",
        f"DCMLS (`--latent={config['latent']}`), encoder {encoder}, input "
        f"{input_of(metadata)}, trained on {data_of(metadata['training_data'])}; checkpoint of "
        f"step {metadata['checkpoint_step']}, exported {metadata['created']}.",
        "",
        f"Evaluated on {checkpoint['samples']} samples of the same data set, split "
        f"`{checkpoint['split']}`, true scale bone. Times: LiteRT, batch 1, median, "
        f"{card['processor']}.",
        "",
        row_of(COLUMNS),
        row_of(["---"] + ["---:"] * (len(COLUMNS) - 1)),
        row_of(["checkpoint", "", f"{checkpoint['epe_mm']:.2f}", "", *[""] * len(THREADS)]),
        *(row_of(_cells(name, row, checkpoint)) for name, row in card["files"].items()),
        "",
        f"With the mean scale bone of the training set ({metadata['mean_scale_mm']:.1f} mm), which "
        f"is what a deployed model has, the checkpoint's EPE is "
        f"{checkpoint['epe_mm_scale_mean']:.2f} mm.",
        "",
        *usage(metadata),
    ]
    return "\n".join(lines) + "\n"


def processor() -> str:
    """The machine that times were taken on: processor and number of cores."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
        name = names[0] if names else name
    return f"{os.cpu_count()} cores of {name}"


def usage(metadata: Metadata) -> list[str]:
    """What goes in, what comes out, and the limits, as lines of Markdown."""
    mirrored = {
        "mirror": "Mirror crops of left hands before, and x of the answer after.",
        "input": "`side` is 0 for left hands, 1 for right ones.",
        "none": "Both hands go in as they are.",
    }[metadata["side"]]
    joints = ", ".join(metadata["joint_names"])
    margin = metadata["config"]["crop_margin"]
    crop = (
        f"`x`: a square around the hand, {margin} times the joints' box, in [-0.5, 0.5]. "
        if metadata["modality"] == "rgb"
        else f"`x`: px in a square {margin} times the joints' box, -0.5 to 0.5 along its side. "
    )
    # A shipped model is one file, of one precision; an export may be several.
    types = (
        " Input and output of the int8 file are int8, with the scales and zero points that it "
        "holds."
        if metadata.get("precision", "int8") == "int8"
        else ""
    )
    return [
        "## Use",
        "",
        f"{crop}{mirrored}{types}",
        "",
        f"`joints`: {metadata['meaning']['joints']}; x right, y down, z away, in the crop's frame. "
        f"Order: {joints}.",
        "",
        "## Limits",
        "",
        "One hand at a time, found by something else. The pose has no absolute size or position. "
        "What the training data lacks (gloves, tools in the hand, other cameras) is not covered by "
        "the errors above.",
    ]


def input_of(metadata: Metadata) -> str:
    """What a model takes, in few words."""
    size = metadata["input_size"]
    return f"{size} × {size} px" if metadata["modality"] == "rgb" else "21 keypoints"


def data_of(training_data: Mapping[str, str]) -> str:
    """What a model was trained on, in few words."""
    if training_data["source"] == "rendered":
        return "frames rendered by this project, in RHD's layout"
    return training_data["dataset"].upper()


def _cells(name: str, row: Row, checkpoint: Errors) -> list[str]:
    times = (f"{row['latency_ms'][str(n)]:.2f}" for n in THREADS)
    change = row["epe_mm"] - checkpoint["epe_mm"]
    size = f"{row['bytes'] / 1e6:.1f}"
    return [f"`{name}`", size, f"{row['epe_mm']:.2f}", f"{change:+.2f}", *times]


def row_of(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
