"""What goes with an exported model: its configuration, its training data, how good it is."""

import dataclasses
import datetime
import json
import math
import os
from typing import Any

from dcmls_tf import hand
from dcmls_tf.config import Config
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import provenance

# The file's name in a SavedModel's assets and in a TFLite file.
METADATA_FILE = "metadata.json"
# A model's metadata takes a few kilobytes.
MOST_BYTES = 1 << 20
# What a report says about a model, for its metadata.
REPORTED = ("dataset", "source", "split", "samples", "joints", "epe_mm", "auc_20_50", "scale_mean")
MEANING = {
    "joints": "relative to the root, in lengths of the scale bone (middle MCP to PIP)",
    "joints_mm": "joints times mean_scale_mm: a hand of the training set's mean size",
    "frame": "the photo's camera: x right, y down, z forward",
}

Metadata = dict[str, Any]


def describe(config: Config, statistics: TrainingStatistics, run_dir: str, step: int) -> Metadata:
    """The metadata of a run's model at `step`, as JSON takes it.

    Raises `UserError` when the run's report is damaged.
    """
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "checkpoint_step": step,
        "modality": config.modality,
        "input_size": config.input_size,
        "side": config.side,
        "root": config.root,
        "joint_names": list(hand.joint_names(config.root)),
        "mean_scale_mm": statistics.mean_scale_mm,
        "meaning": MEANING,
        "training_data": {"dataset": config.dataset, "source": _source(config)},
        "report": _report(run_dir),
        "config": dataclasses.asdict(config),
        "versions": provenance.versions(),
    }


def parse(content: bytes, path: str) -> Metadata:
    """The metadata in the JSON text that `--model=path` holds. Raises `UserError`."""
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is longer than {MOST_BYTES} bytes")
        metadata = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"--model={path}: its metadata is damaged ({error})") from None
    if not isinstance(metadata, dict):
        raise UserError(f"--model={path}: its metadata is damaged (it is no JSON object)")
    return metadata


def config_of(metadata: Metadata, path: str) -> Config:
    """The `Config` in the metadata of `--model=path`. Raises `UserError`."""
    try:
        return Config(**metadata["config"])
    except (KeyError, TypeError, UserError) as error:
        raise UserError(f"--model={path}: its metadata is of another version ({error})") from None


def mean_scale_mm_of(metadata: Metadata, path: str) -> float:
    """The training set's mean scale bone in the metadata of `--model=path`. Raises `UserError`."""
    value = metadata.get("mean_scale_mm")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise UserError(f"--model={path}: its metadata is damaged (mean_scale_mm is {value!r:.40})")


def _source(config: Config) -> str:
    """Where the training data came from, which only data that is still there can say."""
    return provenance.source_of(config) if os.path.isdir(config.raw_dir) else "not known"


def _report(run_dir: str) -> dict[str, Any] | None:
    """The run's evaluation in short, or `None` when it has none."""
    path = os.path.join(run_dir, "report.json")
    if not os.path.exists(path):
        return None
    try:
        with open(path) as file:
            full = json.load(file)
        short = {key: full[key] for key in REPORTED if key in full}
        short["scale_mean"] = {k: full["scale_mean"][k] for k in ("epe_mm", "auc_20_50")}
        return short
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"--run_dir: {path} is damaged ({error}); evaluate the run again") from None
