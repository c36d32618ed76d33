"""What a run shows of itself: TensorBoard, `history.csv` and the progress bar."""

import csv
import dataclasses
import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from jaxtyping import UInt8
from tensorboard.plugins.hparams import api as hparams

from dcmls_tf import files, objective
from dcmls_tf.config import Config
from dcmls_tf.drawing import figures
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics
from dcmls_tf.evaluation.predictions import EvaluatedSplit
from dcmls_tf.model import predict_pose
from dcmls_tf.variants import Model

HISTORY_FILE = "history.csv"
TENSORBOARD_FOLDER = "tensorboard"
PAGE_EXAMPLES = 8


class Monitor:
    """Writes a run's curves and pictures below `run_dir`; on hosts but the first, nothing."""

    def __init__(self, run_dir: str, config: Config, term_names: Sequence[str], writes: bool):
        self.writes = writes
        self.history_path = os.path.join(run_dir, HISTORY_FILE)
        self.columns = ("epoch", "step", *term_names, "epe_mm", "auc_20_50")
        folder = os.path.join(run_dir, TENSORBOARD_FOLDER)
        self.writer = (
            tf.summary.create_file_writer(folder) if writes else tf.summary.create_noop_writer()
        )
        with self.writer.as_default():
            hparams.hparams({k: v for k, v in dataclasses.asdict(config).items() if v != ""})

    def step(
        self,
        step: int,
        terms: Mapping[str, float],
        learning_rates: Mapping[str, Any],
        examples_per_second: float,
    ) -> None:
        """One step's equations under their keys, step sizes and throughput."""
        with self.writer.as_default(step=step):
            for name, value in terms.items():
                tf.summary.scalar(name, value)
            for player, rate in learning_rates.items():
                tf.summary.scalar(f"learning_rate/{player}", rate)
            tf.summary.scalar("throughput/examples_per_second", examples_per_second)

    def epoch(
        self,
        epoch: int,
        step: int,
        term_means: Mapping[str, float],
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """An epoch's mean terms and validation metrics, to TensorBoard and `history.csv`."""
        values = {name: float(value) for name, value in term_means.items()}
        scores = {k: report[k] for k in ("epe_mm", "auc_20_50", "auc_hand3d")} if report else {}
        with self.writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(f"epoch/{name}", value)
            for name, value in scores.items():
                tf.summary.scalar(f"validation/{name}", value)
        row = {"epoch": epoch, "step": step, **values, **scores}
        self._write_history([*self.history(before_step=step), row])

    def pck(self, step: int, evaluated: EvaluatedSplit) -> None:
        """The validation split's PCK curve as a picture."""
        thresholds_mm = metrics.GRIDS_MM["0_50"]
        curve = metrics.pck_curve(evaluated.errors_mm(), evaluated.visible, thresholds_mm)
        figure = figures.pck_figure({"validation": (thresholds_mm, curve)})
        self._image("validation/pck", figures.to_array(figure), step)

    def examples(self, step: int, model: Model, batch: Mapping[str, Any]) -> None:
        """Input, reconstruction and prediction of a few examples as a picture."""
        batch = {key: value[:PAGE_EXAMPLES] for key, value in batch.items()}
        y_pred = predict_pose(model, batch)
        x_rec = None
        if model.has_codes:
            code = objective.encode(model, batch, reads="x").x
            x_rec = model.decode_x(code.z_h, code.z_c)
        page = figures.reconstruction_page(batch["x"], x_rec, batch["y"], y_pred)
        self._image("examples/input_reconstruction_prediction", page, step)

    def history(self, before_step: int) -> list[dict[str, Any]]:
        """Rows of `history.csv` from before a step; none when there is no such file.

        Raises `UserError` when the file is damaged.
        """
        if not os.path.exists(self.history_path):
            return []
        try:
            with open(self.history_path, newline="", encoding="utf-8") as file:
                rows = _rows(file.read(), self.columns)
        except (OSError, ValueError, csv.Error) as error:
            raise UserError(
                f"--run_dir: {self.history_path} is damaged ({error}); mend it, or move it away to "
                "go on without its rows"
            ) from None
        return [row for row in rows if int(row["step"]) < before_step]

    def check_history(self, epochs: int, steps_per_epoch: int) -> None:
        """Says which of the first `epochs` epochs have no row. Raises as `history`."""
        there = {int(row["epoch"]) for row in self.history(epochs * steps_per_epoch + 1)}
        missing = [str(epoch) for epoch in range(1, epochs + 1) if epoch not in there]
        if missing and self.writes:
            print(f"{self.history_path}: has no row of epoch {', '.join(missing)}; it is lost")

    def _write_history(self, rows):
        if not self.writes:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        files.write(self.history_path, text.getvalue())
        self.writer.flush()

    def _image(self, name: str, pixels: UInt8[Any, "H W 3"], step: int) -> None:
        with self.writer.as_default(step=step):
            tf.summary.image(name, pixels[None])


def _rows(text: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table with these columns. Raises `ValueError` naming the line that is none."""
    lines = list(csv.reader(io.StringIO(text), strict=True))
    if not lines or lines[0] != list(columns):
        raise ValueError("its first line is not the run's columns")
    for number, line in enumerate(lines[1:], 2):
        numbers = [value for value in line[2:] if value]
        whole = len(line) == len(columns) and all(value.isdecimal() for value in line[:2])
        if not whole or not all(map(_is_number, numbers)):
            raise ValueError(f"line {number} is cut or no numbers")
    if not text.endswith("\n"):
        raise ValueError(f"line {len(lines)} is cut")
    return [dict(zip(columns, line, strict=True)) for line in lines[1:]]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
