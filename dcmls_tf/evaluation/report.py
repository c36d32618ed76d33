"""The protocol: a predictor on a split → errors in mm, a report and its figures.

All errors are root-relative, in mm, in the camera's frame; the root, where it is joint 0, is
one of the 21 joints that count, as in the compared papers. Predictions come in units of the
scale bone and are brought back to mm in one of two ways:

- `scale=gt`: times the length of the sample's true scale bone, as the papers compared with
  do (Zimmermann & Brox, ICCV 2017; Spurr et al., CVPR 2018). Only this product is taken: the
  predicted scale bone is not normalised to length 1 first.
- `scale=mean`: times the mean scale bone of the training set, which is what a deployed model
  has. The truth keeps its own size.

Every report holds both, the second under `scale_mean`, and the same two for the constant
prediction of the mean training pose under `baselines`.
"""

import csv
import dataclasses
import datetime
import importlib.metadata
import io
import json
import os
import platform

import numpy as np
from tqdm import tqdm

from dcmls_tf import files, geometry, hand
from dcmls_tf.drawing import figures as visualization
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics, published

STATISTICS_FILE = "training_statistics.json"
# What the renderer leaves in its folder; named here, as importing it would need its ray caster.
RENDERER_FILE = "render_settings.json"
PACKAGES = ("dcmls-tf", "tensorflow", "keras", "tensorflow-probability", "numpy")
PROTOCOL = {
    "epe_mm": "mean error of visible joints, per joint first, then over joints",
    "epe_mm_mean": "plain mean over all visible joints",
    "epe_mm_median": "plain median over all visible joints",
    "auc_20_50": f"PCK from 20 to 50 mm in steps of {metrics.STEP_MM} mm, per joint first",
    "auc_0_50": f"PCK from 0 to 50 mm in steps of {metrics.STEP_MM} mm, per joint first",
    "auc_hand3d": "PCK at linspace(0, 50, 20)[8:], from 21.05 mm: published '20-50' numbers",
    "scale": "top level: the sample's true scale bone; scale_mean: the training set's mean bone",
}
OVERLAY_ROWS = 3


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A split's predictions beside the truth, `N` samples in the order of the data.

    `y_pred` and `y` `[N, 21, 3]` are in scale-bone units and the crop's frame, `A` `[N, 3, 3]`
    leads from the camera's frame to it. `scale_mm` `[N]`, `root_mm` `[N, 3]` and `K`, `H`
    `[N, 3, 3]` are as the data pipeline gives them; `visible` `[N, 21]`, `ids` `[N]` text.
    """

    y_pred: np.ndarray
    y: np.ndarray
    visible: np.ndarray
    root_mm: np.ndarray
    scale_mm: np.ndarray
    A: np.ndarray
    H: np.ndarray
    K: np.ndarray
    ids: np.ndarray

    def __len__(self):
        return len(self.y)

    @property
    def truth_mm(self):
        """True poses `[N, 21, 3]`, root-relative, mm, camera frame."""
        return self._camera_frame(self.y, self.scale_mm)

    def pred_mm(self, scale_mm=None):
        """Predicted poses `[N, 21, 3]`, root-relative, mm, camera frame.

        `scale_mm`: length of the scale bone for all samples; default each sample's true one.
        """
        return self._camera_frame(self.y_pred, self.scale_mm if scale_mm is None else scale_mm)

    def errors_mm(self, scale_mm=None):
        """Error of each joint `[N, 21]` in mm; `scale_mm` as in `pred_mm`."""
        return metrics.joint_errors_mm(self.pred_mm(scale_mm), self.truth_mm)

    def uv_in_crop(self, y):
        """Crop px `[N, 21, 2]` of poses like `y_pred`, at the true scale and root."""
        arrays = (np.float32(a) for a in (y, self.root_mm, self.scale_mm, self.A))
        uv = geometry.project(geometry.denormalise(*arrays), np.float32(self.K))
        return geometry.apply_homography(uv, np.float32(self.H)).numpy()

    def with_constant(self, pose):
        """The same samples, `pose` `[21, 3]` being predicted for each."""
        return dataclasses.replace(self, y_pred=np.broadcast_to(pose, self.y.shape))

    def counting_hidden(self):
        """The same samples with hidden joints counted as visible."""
        return dataclasses.replace(self, visible=np.ones_like(self.visible))

    def _camera_frame(self, y, scale_mm):
        # Row vectors: (A p)ᵀ = pᵀ Aᵀ, and A is orthogonal.
        return np.reshape(scale_mm, (-1, 1, 1)) * (y @ self.A)


@dataclasses.dataclass(frozen=True)
class TrainingStatistics:
    """What a trivial predictor and a deployed model know about the training set.

    `mean_pose` `[21, 3]` in scale-bone units and the crop's frame; `mean_scale_mm`, the mean
    length of the scale bone.
    """

    mean_pose: np.ndarray
    mean_scale_mm: float

    def save(self, run_dir):
        """Writes `training_statistics.json` into `run_dir` atomically."""
        fields = {"mean_pose": np.asarray(self.mean_pose).tolist()}
        fields["mean_scale_mm"] = float(self.mean_scale_mm)
        files.write_json(os.path.join(run_dir, STATISTICS_FILE), fields)

    @classmethod
    def load(cls, run_dir):
        """Reads what `save` wrote. Raises `UserError` when there is none or it is damaged."""
        path = os.path.join(run_dir, STATISTICS_FILE)
        try:
            with open(path) as file:
                fields = json.load(file)
            mean_pose = np.array(fields["mean_pose"], float).reshape(hand.NUM_JOINTS, 3)
            return cls(mean_pose, float(fields["mean_scale_mm"]))
        except FileNotFoundError:
            raise UserError(f"--run_dir: {path} does not exist; train the run first") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"--run_dir: {path} is damaged ({error})") from None


def collect(predict, batches, progress=False):
    """`Predictions` of `predict(batch) -> y_pred [B, 21, 3]` over the pipeline's batches.

    Raises `UserError` when there are no batches, or when a prediction has another shape or
    is not finite, naming the sample.
    """
    names = [field.name for field in dataclasses.fields(Predictions)]
    columns = {name: [] for name in names}
    with tqdm(desc="evaluating", unit=" samples", disable=not progress) as bar:
        for batch in batches:
            found = _example_arrays(batch)
            found["y_pred"] = _checked(np.asarray(predict(batch)), found)
            for name in names:
                columns[name].append(found[name])
            bar.update(len(found["ids"]))
    if not columns["y"]:
        raise UserError("--split: there are no samples to evaluate in it")
    return Predictions(**{name: np.concatenate(parts) for name, parts in columns.items()})


def scores(errors_mm, visible, joint_names=hand.JOINTS):
    """Every metric of the protocol, from errors and visibility `[N, 21]`.

    Returns `epe_mm`, `epe_mm_mean`, `epe_mm_median`, `auc_20_50`, `auc_0_50`, `auc_hand3d`,
    and `per_joint`: metric → joint name → value, for the joints that are ever visible.
    Raises `ValueError` as `metrics` does.
    """
    grids = metrics.GRIDS_MM
    found = {
        "epe_mm": metrics.epe_mm(errors_mm, visible),
        "epe_mm_mean": metrics.epe_mm_mean(errors_mm, visible),
        "epe_mm_median": metrics.epe_mm_median(errors_mm, visible),
        **{f"auc_{grid}": metrics.auc(errors_mm, visible, grid) for grid in grids},
    }
    by_joint = {
        "epe_mm": metrics.joint_epe_mm(errors_mm, visible),
        "epe_mm_median": metrics.joint_median_mm(errors_mm, visible),
        **{f"auc_{grid}": metrics.joint_auc(errors_mm, visible, grid) for grid in grids},
    }
    found["per_joint"] = {
        metric: {
            name: float(v) for name, v in zip(joint_names, values, strict=True) if np.isfinite(v)
        }
        for metric, values in by_joint.items()
    }
    return found


def report(predictions, mean_scale_mm, root="palm"):
    """The scores of predictions at both scales, as a dict that JSON can hold.

    `samples`, `visible_joints` (how many joints count), all keys of `scores` for `scale=gt`,
    and the same once more under `scale_mean`. Joint 0 is named "palm" when `root` is.
    """
    visible = predictions.visible
    names = joint_names(root)
    return {
        "samples": len(predictions),
        "visible_joints": int(visible.sum()),
        **scores(predictions.errors_mm(), visible, names),
        "scale_mean": {
            "samples": len(predictions),
            "mean_scale_mm": float(mean_scale_mm),
            **scores(predictions.errors_mm(mean_scale_mm), visible, names),
        },
    }


def joint_names(root):
    """Joint names as data with this root has them: joint 0 is the palm's centre with `palm`."""
    return ("palm" if root == "palm" else hand.JOINTS[0], *hand.JOINTS[1:])


def evaluate(
    predict, open_batches, config, split, statistics, report_path, run=None, joints="visible"
):
    """Evaluates a predictor on a split; writes and returns the report.

    Args:
      predict: batch → y_pred `[B, 21, 3]`, in scale-bone units and the crop's frame.
      open_batches: called without arguments, gives the split's batches from the start. It is
        called twice: the pictures of a few samples are fetched when it is known of which.
      config: the run's `Config`, with the data set that is evaluated.
      split: name of the split, for the report.
      statistics: the run's `TrainingStatistics`.
      report_path: where the JSON goes; `.pck.csv`, `.pck.png`, `.overlays.png` go beside.
      run: further facts about the model for the report, such as its checkpoint's step.
      joints: `visible`, or `all` to count hidden ones too.
    """
    check_writable(report_path)
    predictions = collect(predict, open_batches(), progress=True)
    if not predictions.visible.any():
        raise UserError(f"--split={split}: no joint of its {len(predictions)} samples is visible")
    if joints == "all":
        predictions = predictions.counting_hidden()
    scale_mm, root = statistics.mean_scale_mm, config.root
    constant = predictions.with_constant(statistics.mean_pose)
    result = {
        **_facts(config, split, run),
        "joints": joints,
        **report(predictions, scale_mm, root=root),
        "baselines": {"mean_pose": report(constant, scale_mm, root=root)},
        "protocol": PROTOCOL,
    }
    errors_mm = {
        "model": predictions.errors_mm(),
        "model, mean bone": predictions.errors_mm(scale_mm),
        "mean pose": constant.errors_mm(),
    }
    beside_ours = published.curves(result["source"]) if config.modality == "rgb" else {}
    _write_curves(errors_mm, predictions.visible, _title(result), report_path, beside_ours)
    picked = pick(predictions)
    pictures = _pictures(open_batches(), list(picked.values()), config.input_size)
    page = overlay_page(predictions, picked, pictures, title=_title(result))
    files.write_figure(beside(report_path, "overlays.png"), page)
    files.write_json(report_path, result)
    return result


def check_writable(report_path):
    """Makes the report's folder. Raises `UserError` when the report cannot be written there."""
    folder = os.path.dirname(os.path.abspath(report_path))
    if os.path.isdir(report_path):
        raise UserError(f"--report={report_path}: is a folder; give a file name, such as out.json")
    try:
        os.makedirs(folder, exist_ok=True)
        probe = f"{os.path.abspath(report_path)}.partial"
        with open(probe, "w"):
            pass
        os.remove(probe)
    except OSError as error:
        raise UserError(f"--report={report_path}: cannot be written ({error.strerror})") from None


def beside(report_path, suffix):
    """`out.json`, `pck.csv` → `out.pck.csv`."""
    stem, extension = os.path.splitext(report_path)
    return f"{stem if extension == '.json' else report_path}.{suffix}"


def table(result):
    """A report as text for the terminal: one row a predictor and scale."""
    columns = ("epe_mm", "epe_mm_mean", "epe_mm_median", "auc_20_50", "auc_0_50", "auc_hand3d")
    titles = ("EPE", "mean", "median", "AUC 20-50", "0-50", "hand3d")
    baseline = result["baselines"]["mean_pose"]
    rows = {
        "model, true scale bone": result,
        "model, mean scale bone": result["scale_mean"],
        "mean pose, true scale bone": baseline,
        "mean pose, mean scale bone": baseline["scale_mean"],
    }
    lines = [_title(result), f"{'mm':<28}" + "".join(f"{title:>11}" for title in titles)]
    for name, row in rows.items():
        digits = [2, 2, 2, 3, 3, 3]
        values = "".join(f"{row[key]:>11.{d}f}" for key, d in zip(columns, digits, strict=True))
        lines.append(f"{name:<28}{values}")
    gain = 1 - result["epe_mm"] / baseline["epe_mm"]
    lines.append(f"EPE is {abs(gain):.0%} {'below' if gain > 0 else 'above'} the mean pose's")
    return "\n".join(lines)


def pick(predictions, count=OVERLAY_ROWS):
    """Label → index of the best, median and worst samples by mean error of visible joints."""
    visible = predictions.visible
    error = (predictions.errors_mm() * visible).sum(axis=1) / np.maximum(visible.sum(axis=1), 1)
    order = np.argsort(error, kind="stable")
    order = order[visible.any(axis=1)[order]]
    count = max(1, min(count, len(order) // 3))
    start = (len(order) - count) // 2
    groups = {"best": order[:count], "median": order[start : start + count]}
    groups["worst"] = order[::-1][:count]
    labels = {f"{name} {i + 1}": n for name, of in groups.items() for i, n in enumerate(of)}
    first_label = {int(n): label for label, n in reversed(labels.items())}
    return {label: int(n) for label, n in labels.items() if first_label[int(n)] == label}


def overlay_page(predictions, picked, pictures, title=""):
    """A figure with a row for each picked sample: truth and prediction in the crop and in 3D.

    `picked`: label → index; `pictures`: index → crop `[S, S, 3]`. The crop's frame is shown,
    so the front view looks the way the crop does.
    """
    drawn_true, drawn_pred = (
        predictions.uv_in_crop(y) for y in (predictions.y, predictions.y_pred)
    )
    errors_mm, scale_mm = predictions.errors_mm(), predictions.scale_mm
    rows, names = [], []
    for label, n in picked.items():
        visible = predictions.visible[n]
        in_crop = [
            visualization.draw_skeleton(pictures[n], uv[n], visible)
            for uv in (drawn_true, drawn_pred)
        ]
        pair = scale_mm[n] * predictions.y_pred[n], scale_mm[n] * predictions.y[n]
        in_3d = [
            visualization.draw_pose_3d(*pair, view=view, grid=50) for view in ("front", "side")
        ]
        rows.append(in_crop + in_3d)
        names.append(f"{label}\n{predictions.ids[n]}\n{errors_mm[n][visible].mean():.1f} mm")
    columns = ("truth", "prediction", *(visualization.VIEW_TITLES[v] for v in ("front", "side")))
    footer = "hollow: hidden joint; 3D: truth in grey, lines 50 mm apart, true scale bone"
    return visualization.picture_page(rows, columns, names, title, footer)


def _example_arrays(batch):
    names = ("y", "visible", "root_mm", "scale_mm", "A", "H", "K")
    found = {name: np.asarray(batch[name]) for name in names}
    decode = [i.decode() if isinstance(i, bytes) else str(i) for i in np.asarray(batch["id"])]
    return {**found, "visible": found["visible"].astype(bool), "ids": np.array(decode)}


def _checked(y_pred, found):
    if y_pred.shape != found["y"].shape:
        raise UserError(f"the model predicts {y_pred.shape}, expected {found['y'].shape}")
    wrong = np.flatnonzero(~np.isfinite(y_pred).all(axis=(1, 2)))
    if len(wrong):
        raise UserError(
            f"the model's prediction for sample {found['ids'][wrong[0]]} is not finite; "
            "did its training diverge?"
        )
    return y_pred


def _pictures(batches, wanted, size):
    """Index → crop as the model sees it; a blank page when x is 2D joints."""
    found, start = {}, 0
    for batch in batches:
        x = np.asarray(batch["x"])
        for n in wanted:
            if 0 <= n - start < len(x):
                is_image = x.ndim == 4
                blank = np.full((size, size, 3), 250, np.uint8)
                found[n] = visualization.as_uint8(x[n - start]) if is_image else blank
        start += len(x)
        if len(found) == len(set(wanted)):
            break
    return found


def _facts(config, split, run):
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


def source_of(config):
    """Where the data came from: "rendered" for this project's own, else the dataset's name."""
    marked = os.path.isfile(os.path.join(config.raw_dir, RENDERER_FILE))
    return "rendered" if marked else config.dataset


def versions():
    """What this process runs on: package name → version."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _title(result):
    joints = "visible joints" if result["joints"] == "visible" else "joints, hidden ones too"
    return (
        f"{result['source']}, {result['split']}: {result['samples']} samples, "
        f"{result['visible_joints']} {joints}, root {result['root']}, "
        f"EPE {result['epe_mm']:.2f} mm"
    )


def _write_curves(errors_mm, visible, title, report_path, published_curves):
    """PCK curves of name → errors `[N, 21]`: a figure, and a table with a column for each.

    Published curves are drawn in the figure only.
    """
    thresholds_mm = metrics.GRIDS_MM["0_50"]
    pck = {n: metrics.pck_curve(errors, visible, thresholds_mm) for n, errors in errors_mm.items()}
    labelled = {}
    for name, errors in errors_mm.items():
        areas = (f"{metrics.auc(errors, visible, grid):.3f}" for grid in metrics.GRIDS_MM)
        labelled[f"{name}: {' / '.join(areas)}"] = (thresholds_mm, pck[name])
    caption = "AUC over 20–50 mm / 0–50 mm / linspace(0, 50, 20)[8:] (hand3d, from 21.05 mm)"
    figure = visualization.pck_figure(labelled, f"{title}\n{caption}", published_curves)
    files.write_figure(beside(report_path, "pck.png"), figure)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["threshold_mm", "pck", "pck_scale_mean", "pck_mean_pose"])
    for threshold_mm, *values in zip(thresholds_mm, *pck.values(), strict=True):
        writer.writerow([f"{threshold_mm:.1f}", *(f"{value:.6f}" for value in values)])
    files.write(beside(report_path, "pck.csv"), text.getvalue())
