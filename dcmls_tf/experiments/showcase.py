"""Figures 6 and 7: walks between two samples, and predictions, of one run's evaluation split."""

import csv
import io
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

from dcmls_tf import checkpoints, files
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.data.examples import EVALUATION, Batch
from dcmls_tf.drawing import figures, skeletons
from dcmls_tf.evaluation import predictions
from dcmls_tf.evaluation.predictions import EvaluatedSplit
from dcmls_tf.experiments import latent_walk
from dcmls_tf.model import DCMLS, predict_pose

WALK_STEPS = 9
WALK_CHOICE = 100
SHOWN = 12
SHOWN_OF = 500
TURNED, TURNING_PX, TURN_MS = 6, 128, 100


def write_walks(
    run_dir: str, data_dir: str, stem: str, samples: tuple[int, int] | None = None
) -> list[str]:
    """Writes walks of z_h and of z_c between two hands: a strip, an animation and the poses.

    samples: which two of the first `WALK_CHOICE`, by default those whose poses differ most.
    Returns the paths of `.png`, `.gif` and `.csv`; rows of the last are part, step, joint, x, y,
    z in scale bones.
    """
    model, batch = _first_samples(run_dir, data_dir, WALK_CHOICE)
    pair = _examples(batch, list(samples or _most_different(batch["y"].numpy())))
    walks = {
        part: latent_walk.interpolate_codes(model, pair, part, WALK_STEPS)
        for part in latent_walk.PARTS
    }
    frames = latent_walk.pictures(list(walks.values()))
    _write_png(f"{stem}.png", latent_walk.strip(frames))
    latent_walk.write_gif(f"{stem}.gif", frames)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["part", "step", "joint", "x", "y", "z"])
    for part, walk in walks.items():
        for step, pose in enumerate(walk.y):
            writer.writerows([part, step, j, *np.round(p, 5)] for j, p in enumerate(pose.tolist()))
    files.write(f"{stem}.csv", text.getvalue())
    return [f"{stem}.{extension}" for extension in ("png", "gif", "csv")]


def write_predictions(run_dir: str, data_dir: str, stem: str) -> list[str]:
    """Writes evenly spaced samples: input, truth and prediction in 3D.

    Returns the paths of `.png` and of `.gif`, where the poses lie over the inputs and turn.
    """
    model, batch = _first_samples(run_dir, data_dir, SHOWN_OF)
    picked = np.linspace(0, len(batch["y"]) - 1, SHOWN).astype(int).tolist()
    samples = _examples(batch, picked)
    x, y = samples["x"], samples["y"]
    evaluated = predictions.collect(lambda batch: predict_pose(model, batch), [samples])
    page = figures.reconstruction_page(x, None, y, evaluated.y_pred, columns=3)
    _write_png(f"{stem}.png", page)
    pages = _turning(x, evaluated, model.config.input_size)
    files.write(f"{stem}.gif", figures.animation(pages, TURN_MS))
    return [f"{stem}.{extension}" for extension in ("png", "gif")]


def _turning(
    x: Shaped[Any, "N ..."], evaluated: EvaluatedSplit, input_size: int
) -> list[UInt8[np.ndarray, "H W 3"]]:
    """Frames of a sheet: each sample's input with the predicted joints, and the pose turning."""
    uv = evaluated.uv_in_crop(evaluated.y_pred) * TURNING_PX / input_size
    inputs = [
        skeletons.draw_skeleton(figures.source_picture(source, TURNING_PX), joints)
        for source, joints in zip(x[:TURNED], uv[:TURNED], strict=True)
    ]
    poses = [
        skeletons.turning(pred, true, size=TURNING_PX)
        for pred, true in zip(evaluated.y_pred[:TURNED], evaluated.y[:TURNED], strict=True)
    ]
    return [
        figures.contact_sheet(
            [picture for pair in zip(inputs, frame, strict=True) for picture in pair], columns=6
        )
        for frame in zip(*poses, strict=True)
    ]


def _first_samples(run_dir: str, data_dir: str, count: int) -> tuple[DCMLS, Batch]:
    """The run's model and the first `count` samples, or all, of its evaluation split."""
    model, config, _ = checkpoints.load_model(run_dir)
    builder = preparation.from_config(config.replace(data_dir=data_dir))
    count = min(count, pipeline.num_examples(builder, EVALUATION))
    split = f"{EVALUATION}[:{count}]"
    batches = pipeline.evaluation_batches(builder, config, split, count)
    return model, next(iter(batches))


def _most_different(poses: Float[np.ndarray, "N 21 3"]) -> tuple[int, int]:
    """Indices of the two poses that are furthest apart."""
    flat = poses.reshape(len(poses), -1)
    gaps = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    first, second = np.unravel_index(np.argmax(gaps), gaps.shape)
    return int(first), int(second)


def _examples(batch: Batch, rows: Sequence[int]) -> Batch:
    """Some examples of an evaluation batch; its values are NumPy arrays."""
    columns = cast(dict[str, tf.Tensor], batch)
    return cast(Batch, {name: column.numpy()[rows] for name, column in columns.items()})


def _write_png(path: str, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    files.write(path, content.getvalue())
