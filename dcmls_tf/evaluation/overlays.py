"""A report's page of pictures: the best, median and worst samples with their joints."""

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Shaped, UInt8
from matplotlib.figure import Figure

from dcmls_tf.data.examples import Batch
from dcmls_tf.drawing import figures, skeletons
from dcmls_tf.evaluation.predictions import EvaluatedSplit

SAMPLES_A_GROUP = 3
VIEWS = ("front", "side")
GRID_MM = 50
COLUMN_TITLES = ("truth", "prediction", *(skeletons.VIEW_TITLES[view] for view in VIEWS))
FOOTER = f"hollow: hidden joint; 3D: truth in grey, lines {GRID_MM} mm apart, true scale bone"


def pick(evaluated: EvaluatedSplit, count: int = SAMPLES_A_GROUP) -> dict[str, int]:
    """Label → index of the best, median and worst samples by mean error of visible joints."""
    visible = evaluated.visible
    error = (evaluated.errors_mm() * visible).sum(axis=1) / np.maximum(visible.sum(axis=1), 1)
    order = np.argsort(error, kind="stable")
    order = order[np.any(visible, axis=1)[order]]
    count = max(1, min(count, len(order) // 3))
    start = (len(order) - count) // 2
    groups = {"best": order[:count], "median": order[start : start + count]}
    groups["worst"] = order[::-1][:count]
    labels = {
        f"{group} {rank + 1}": int(n)
        for group, samples in groups.items()
        for rank, n in enumerate(samples)
    }
    first_label = {n: label for label, n in reversed(labels.items())}
    return {label: n for label, n in labels.items() if first_label[n] == label}


def crops(
    batches: Iterable[Batch], samples: Iterable[int], size: int
) -> dict[int, UInt8[np.ndarray, "S S 3"]]:
    """Index → crop as the model sees it; a blank page of side `size` when x is 2D joints."""
    wanted, pictures, start = set(samples), {}, 0
    for batch in batches:
        x = np.asarray(batch["x"])
        for n in wanted:
            if start <= n < start + len(x):
                pictures[n] = _picture(x[n - start], size)
        start += len(x)
        if len(pictures) == len(wanted):
            break
    return pictures


def page(
    evaluated: EvaluatedSplit,
    picked: Mapping[str, int],
    pictures: Mapping[int, UInt8[np.ndarray, "S S 3"]],
    title: str = "",
) -> Figure:
    """A figure with a row for each picked sample: truth and prediction in the crop and in 3D.

    `picked`: label → index; `pictures`: index → crop. The crop's frame is shown, so the front
    view looks the way the crop does.
    """
    uv_true, uv_pred = (evaluated.uv_in_crop(y) for y in (evaluated.y, evaluated.y_pred))
    errors_mm = evaluated.errors_mm()
    rows, names = [], []
    for label, n in picked.items():
        visible = evaluated.visible[n]
        in_crop = [
            skeletons.draw_skeleton(pictures[n], uv[n], visible) for uv in (uv_true, uv_pred)
        ]
        rows.append(in_crop + _in_3d(evaluated, n))
        names.append(f"{label}\n{evaluated.ids[n]}\n{errors_mm[n][visible].mean():.1f} mm")
    return figures.picture_page(rows, COLUMN_TITLES, names, title, FOOTER)


def _in_3d(evaluated: EvaluatedSplit, n: int) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Sample `n`'s prediction over its truth, from each of `VIEWS`."""
    scale_mm = evaluated.scale_mm[n]
    pair = scale_mm * evaluated.y_pred[n], scale_mm * evaluated.y[n]
    return [skeletons.draw_pose_3d(*pair, view=view, grid=GRID_MM) for view in VIEWS]


def _picture(x: Shaped[np.ndarray, "..."], size: int) -> UInt8[np.ndarray, "S S 3"]:
    if x.ndim == 3:
        return skeletons.as_uint8(x)
    return np.full((size, size, 3), skeletons.PAPER, np.uint8)
