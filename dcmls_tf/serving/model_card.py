"""The model card of an export: each file's size, time and error beside the checkpoint's."""

import os
import platform

from dcmls_tf import files
from dcmls_tf.evaluation import report as evaluation

CARD_JSON, CARD_MARKDOWN = "model_card.json", "MODEL_CARD.md"
THREADS = (1, 2)
COLUMNS = ("", "Size, MB", "EPE, mm", "against the checkpoint", *(
    f"ms, {n} thread{'s' * (n > 1)}" for n in THREADS
))  # fmt: skip


def measure(predict, batches, mean_scale_mm):
    """EPE in mm of `predict(batch)` on batches, at the true and at the mean scale bone."""
    predictions = evaluation.collect(predict, batches)
    found = evaluation.report(predictions, mean_scale_mm)
    errors = {"epe_mm": found["epe_mm"], "epe_mm_scale_mean": found["scale_mean"]["epe_mm"]}
    return {"samples": found["samples"], **errors}


def write(folder, facts, split, checkpoint, rows):
    """Writes `model_card.json` and `MODEL_CARD.md` into a folder.

    Args:
        facts: the export's metadata.
        split: the split that was evaluated.
        checkpoint: what `measure` returns for the checkpoint.
        rows: file name → what `measure` returns, `bytes`, and `latency_ms` by threads.
    """
    card = {
        "metadata": facts,
        "evaluation": {"split": split, **checkpoint},
        "processor": processor(),
        "files": rows,
    }
    files.write_json(os.path.join(folder, CARD_JSON), card)
    files.write(os.path.join(folder, CARD_MARKDOWN), markdown(card))


def markdown(card):
    """The card as text."""
    facts, checkpoint = card["metadata"], card["evaluation"]
    config = facts["config"]
    encoder = config["encoder"] if facts["modality"] == "rgb" else "five fully-connected layers"
    source = "an RGB crop" if facts["modality"] == "rgb" else "2D keypoints"
    lines = [
        f"# 3D hand pose from {source}",
        "",
        f"DCMLS (`--latent={config['latent']}`), encoder {encoder}, input "
        f"{_input(facts)}, trained on {_data(facts['training_data'])}; checkpoint of step "
        f"{facts['checkpoint_step']}, exported {facts['created']}.",
        "",
        f"Evaluated on {checkpoint['samples']} samples of the same data set, split "
        f"`{checkpoint['split']}`, true scale bone. Times: LiteRT, batch 1, median, "
        f"{card['processor']}.",
        "",
        _row(COLUMNS),
        _row(["---"] + ["---:"] * (len(COLUMNS) - 1)),
        _row(["checkpoint", "", f"{checkpoint['epe_mm']:.2f}", "", *[""] * len(THREADS)]),
        *(_row(_cells(name, row, checkpoint)) for name, row in card["files"].items()),
        "",
        f"With the mean scale bone of the training set ({facts['mean_scale_mm']:.1f} mm), which is "
        f"what a deployed model has, the checkpoint's EPE is "
        f"{checkpoint['epe_mm_scale_mean']:.2f} mm.",
        "",
        *_usage(facts),
    ]
    return "\n".join(lines) + "\n"


def processor():
    """The machine that times were taken on: processor and number of cores."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
        name = names[0] if names else name
    return f"{os.cpu_count()} cores of {name}"


def _usage(facts):
    mirrored = {
        "mirror": "Mirror crops of left hands before, and x of the answer after.",
        "input": "`side` is 0 for left hands, 1 for right ones.",
        "none": "Both hands go in as they are.",
    }[facts["side"]]
    joints = ", ".join(facts["joint_names"])
    margin = facts["config"]["crop_margin"]
    crop = (
        f"`x`: a square around the hand, {margin} times the joints' box, in [-0.5, 0.5]. "
        if facts["modality"] == "rgb"
        else f"`x`: px in a square {margin} times the joints' box, -0.5 to 0.5 along its side. "
    )
    return [
        "## Use",
        "",
        f"{crop}{mirrored} Input and output of the int8 file are int8, with the scales and zero "
        "points that it holds.",
        "",
        f"`joints`: {facts['meaning']['joints']}; x right, y down, z away, in the crop's frame. "
        f"Order: {joints}.",
        "",
        "## Limits",
        "",
        "One hand at a time, found by something else. The pose has no absolute size or position. "
        "What the training data lacks (gloves, tools in the hand, other cameras) is not covered by "
        "the errors above.",
    ]


def _input(facts):
    size = facts["input_size"]
    return f"{size} × {size} px" if facts["modality"] == "rgb" else "21 keypoints"


def _data(training_data):
    if training_data["source"] == "rendered":
        return "frames rendered by this project, in RHD's layout"
    return training_data["dataset"].upper()


def _cells(name, row, checkpoint):
    times = (f"{row['latency_ms'][str(n)]:.2f}" for n in THREADS)
    change = row["epe_mm"] - checkpoint["epe_mm"]
    size = f"{row['bytes'] / 1e6:.1f}"
    return [f"`{name}`", size, f"{row['epe_mm']:.2f}", f"{change:+.2f}", *times]


def _row(cells):
    return f"| {' | '.join(cells)} |"
