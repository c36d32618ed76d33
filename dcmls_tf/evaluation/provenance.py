"""What a report was measured on: the data, the run's options, the software."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from typing import Any, TypedDict

from dcmls_tf.config import Config
from dcmls_tf.data.rhd_layout import RENDER_SETTINGS

PACKAGES = ("dcmls-tf", "tensorflow", "keras", "tensorflow-probability", "numpy")


class Facts(TypedDict):
    """What was evaluated, when and by what.

    source: as `source_of` says.
    run: facts about the model, such as its checkpoint's step.
    config: the run's `Config`, with the data set that was evaluated.
    """

    dataset: str
    source: str
    split: str
    root: str
    modality: str
    date: str
    run: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, str]


def facts(config: Config, split: str, run: Mapping[str, Any] | None) -> Facts:
    """The facts of an evaluation that begins now."""
    return {
        "dataset": config.dataset,
        "source": source_of(config),
        "split": split,
        "root": config.root,
        "modality": config.modality,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": dict(run or {}),
        "config": dataclasses.asdict(config),
        "versions": versions(),
    }


def source_of(config: Config) -> str:
    """Where the data came from: "rendered" for this project's own, else the dataset's name."""
    marked = os.path.isfile(os.path.join(config.raw_dir, RENDER_SETTINGS))
    return "rendered" if marked else config.dataset


def versions() -> dict[str, str]:
    """What this process runs on: Python's version, and those of the installed `PACKAGES`."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
