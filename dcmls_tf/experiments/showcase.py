"""Figures 6 and 7: what one run has learnt, shown on its evaluation split."""

import csv
import io

import numpy as np
from PIL import Image

from dcmls_tf import files, runs
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.data import raw as canonical
from dcmls_tf.drawing import figures as visualization
from dcmls_tf.evaluation import report as evaluation
from dcmls_tf.experiments import latent_walk as walk
from dcmls_tf.model import predict_pose

WALK_STEPS = 9
WALK_CHOICE = 100
SHOWN = 12
SHOWN_OF = 500
TURNED, TURNING_PX, TURN_MS = 6, 128, 100


def walks(run_dir, setting, stem):
    """Walks of z_h and of z_c between two hands: a strip, an animation and the poses.

    The two are the samples, among the first `WALK_CHOICE`, whose poses differ most. Returns the
    paths of `.png`, `.gif` and `.csv`; rows of the last are part, step, joint, x, y, z in
    scale bones.
    """
    model, batch = _first_samples(run_dir, setting, WALK_CHOICE)
    first, second = _most_different(batch["y"].numpy())
    pair = {key: _rows(value, [first, second]) for key, value in batch.items()}
    found = [walk.walk(model, pair, part, WALK_STEPS) for part in walk.PARTS]
    frames = walk.pictures(found)
    _write_png(f"{stem}.png", walk.strip(frames))
    walk.write_gif(f"{stem}.gif", frames)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["part", "step", "joint", "x", "y", "z"])
    for part, of in zip(walk.PARTS, found, strict=True):
        for step, pose in enumerate(of.y):
            writer.writerows([part, step, j, *np.round(p, 5)] for j, p in enumerate(pose.tolist()))
    files.write(f"{stem}.csv", text.getvalue())
    return [f"{stem}.{extension}" for extension in ("png", "gif", "csv")]


def predictions(run_dir, setting, stem):
    """Evenly spaced samples: input, truth and prediction in 3D.

    Returns the paths of `.png` and of `.gif`, where the poses lie over the inputs and turn.
    """
    model, batch = _first_samples(run_dir, setting, SHOWN_OF)
    picked = np.linspace(0, len(batch["y"]) - 1, SHOWN).astype(int)
    part = {key: _rows(value, picked) for key, value in batch.items()}
    found = evaluation.collect(lambda some: predict_pose(model, some), [part])
    page = visualization.reconstruction_page(part["x"], None, part["y"], found.y_pred, columns=3)
    _write_png(f"{stem}.png", page)
    pages = _turning(part["x"], found, model.config.input_size)
    files.write(f"{stem}.gif", visualization.animation(pages, TURN_MS))
    return [f"{stem}.{extension}" for extension in ("png", "gif")]


def _turning(x, found, input_size):
    """Frames of a sheet: each sample's input with the predicted joints, and the pose turning."""
    uv = found.uv_in_crop(found.y_pred) * TURNING_PX / input_size
    inputs = [
        visualization.draw_skeleton(visualization.source_picture(one, TURNING_PX), joints)
        for one, joints in zip(x[:TURNED], uv, strict=True)
    ]
    poses = [
        visualization.turning(pred, true, size=TURNING_PX)
        for pred, true in zip(found.y_pred[:TURNED], found.y, strict=True)
    ]
    return [
        visualization.contact_sheet(
            [p for pair in zip(inputs, frame, strict=True) for p in pair], columns=6
        )
        for frame in zip(*poses, strict=True)
    ]


def _first_samples(run_dir, setting, count):
    """The run's model and the first `count` samples, or all, of its evaluation split."""
    model, config, _ = runs.load_model(run_dir)
    builder = preparation.from_config(config.replace(data_dir=setting.data_dir))
    count = min(count, pipeline.num_examples(builder, canonical.EVALUATION))
    split = f"{canonical.EVALUATION}[:{count}]"
    batches = pipeline.evaluation_batches(builder, config, split, count)
    return model, next(iter(batches))


def _most_different(poses):
    """Indices of the two poses `[N, 21, 3]` that are furthest apart."""
    flat = poses.reshape(len(poses), -1)
    gaps = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    return np.unravel_index(np.argmax(gaps), gaps.shape)


def _rows(values, rows):
    return values.numpy()[list(rows)]


def _write_png(path, pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    files.write(path, content.getvalue())
