"""Writes rendered frames in RHD's on-disk layout; interrupted runs go on where they stopped.

Frames are independent of one another and of the number of workers. Every file appears under
its name when it is complete. While a split is unfinished, the annotations of its finished
frames are kept in a journal beside the pickle to come.
"""

import json
import os
import pickle

import cv2
import numpy as np
import tqdm

from dcmls_tf import files
from dcmls_tf.data import annotations
from dcmls_tf.data.rendering import backgrounds
from dcmls_tf.data.rendering.body import SPLITS
from dcmls_tf.data.rendering.frame import encode_depth, render_frame
from dcmls_tf.data.rendering.scene import sample_scene
from dcmls_tf.data.rendering.workers import results
from dcmls_tf.errors import UserError

SETTINGS = "render_settings.json"
VERSION = 4
KINDS = ("color", "mask", "depth")
_RECORD = np.dtype(
    [("index", "<i4"), ("xyz", "<f4", (42, 3)), ("uv_vis", "<f4", (42, 3)), ("K", "<f4", (3, 3))]
)
_FIELDS = ("xyz", "uv_vis", "K")
_FRAMES_A_TASK = 4
# Sensor noise does not repeat itself, so looking for repetitions in it is time lost.
_QUICK = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_PNG = {
    "color": [*_QUICK, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY],
    "mask": _QUICK,
    "depth": _QUICK,
}


def image_path(out_dir, split, kind, index):
    """Path of one image; `kind` is in `KINDS`."""
    return os.path.join(out_dir, split, kind, f"{index:05d}.png")


def annotation_path(out_dir, split):
    """Path of a split's annotations."""
    return os.path.join(out_dir, split, f"anno_{split}.pickle")


def render_dataset(
    out_dir, counts, seed, workers=1, background_dir=None, annotations_only=False, progress=True
):
    """Renders what is missing of a data set.

    counts: `{split: number of frames}`; annotations_only: no images, annotations alone.
    Raises `UserError` when `out_dir` holds frames made with other settings or cannot be
    written, or when `background_dir` does not serve.
    """
    photographs = [] if annotations_only else backgrounds.photographs(background_dir)
    settings = {
        "format": "rhd",
        "version": VERSION,
        "seed": seed,
        "annotations_only": annotations_only,
        "backgrounds": backgrounds.digest(photographs),
    }
    try:
        claim(out_dir, settings)
        for split, count in counts.items():
            if count:
                work = _Work(out_dir, split, seed, photographs, annotations_only)
                _render_split(work, count, workers, progress)
    except OSError as error:
        raise UserError(
            f"--out_dir={out_dir}: cannot write to {error.filename or out_dir} ({error.strerror})"
        ) from None


def claim(out_dir, settings):
    """Marks `out_dir` as made with `settings`, or checks that it was."""
    path = os.path.join(out_dir, SETTINGS)
    os.makedirs(out_dir, exist_ok=True)
    if not os.path.exists(path):
        files.write_json(path, settings)
        return
    with open(path, encoding="utf-8") as file:
        try:
            found = json.load(file)
        except ValueError:
            found = {}
    for name, value in settings.items():
        if found.get(name) != value:
            raise UserError(
                f"--out_dir={out_dir}: holds frames made with {name}={found.get(name)}, not "
                f"{value}; give the same flags as then, or another folder"
            )


class _Work:
    """What a worker needs to know to make one frame of a split."""

    def __init__(self, out_dir, split, seed, photographs, annotations_only):
        self.out_dir, self.split, self.seed = out_dir, split, seed
        self.photographs = backgrounds.of_split(photographs, split) if photographs else []
        self.annotations_only = annotations_only
        self.journal = os.path.join(out_dir, split, f".anno_{split}.journal")

    def __call__(self, indices):
        """Makes frames and returns their records."""
        return b"".join(self._make(index) for index in indices)

    def _make(self, index):
        if self.annotations_only:
            annotation = sample_scene(self.seed, self.split, index).annotation
        else:
            frame = render_frame(self.seed, self.split, index, self.photographs)
            self._write_images(frame, index)
            annotation = frame.annotation
        return np.array((index, annotation.xyz, annotation.uv_vis, annotation.K), _RECORD).tobytes()

    def _write_images(self, frame, index):
        depth = encode_depth(frame.depth_m)
        images = (frame.colour[:, :, ::-1], frame.mask, depth[:, :, ::-1])
        for kind, image in zip(KINDS, images):
            encoded = cv2.imencode(".png", image, _PNG[kind])[1]
            files.write(image_path(self.out_dir, self.split, kind, index), encoded.tobytes())

    def finished(self, records):
        """The indices among `records` whose images are all there."""
        done = set(records["index"].tolist())
        for kind in () if self.annotations_only else KINDS:
            with os.scandir(os.path.join(self.out_dir, self.split, kind)) as entries:
                done &= {int(e.name[:-4]) for e in entries if e.name[:-4].isdigit()}
        return done


def _render_split(work, count, workers, progress):
    for kind in () if work.annotations_only else KINDS:
        os.makedirs(os.path.join(work.out_dir, work.split, kind), exist_ok=True)
    os.makedirs(os.path.join(work.out_dir, work.split), exist_ok=True)
    records = _known_records(work)
    if len(records) and records["index"].max() >= count:
        raise UserError(
            f"--{work.split}={count}: {work.out_dir} already holds frame "
            f"{records['index'].max()}; ask for as many frames as before or more, or give "
            "another folder"
        )
    done = work.finished(records)
    missing = [index for index in range(count) if index not in done]
    if missing:
        files.write(work.journal, records[np.isin(records["index"], list(done))].tobytes())
        _render_frames(work, missing, count, workers, progress)
        records = _journalled(work)
    if missing or os.path.exists(work.journal):
        _finish(work, records)


def _known_records(work):
    """Records of frames made before, from the finished pickle and the journal."""
    path = annotation_path(work.out_dir, work.split)
    records = _journalled(work)
    if os.path.exists(path):
        finished = annotations.load(path)
        rows = [(i, *(finished[i][field] for field in _FIELDS)) for i in sorted(finished)]
        records = np.concatenate([np.array(rows, _RECORD), records])
    return records[np.unique(records["index"], return_index=True)[1]]


def _journalled(work):
    """Records in the journal; what a kill left of a last one is dropped."""
    if not os.path.exists(work.journal):
        return np.zeros(0, _RECORD)
    with open(work.journal, "rb") as file:
        data = file.read()
    return np.frombuffer(data[: len(data) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)


def _finish(work, records):
    """Writes RHD's pickle and removes the journal."""
    order = records[np.argsort(records["index"])]
    contents = {int(r["index"]): {field: np.array(r[field]) for field in _FIELDS} for r in order}
    files.write(annotation_path(work.out_dir, work.split), pickle.dumps(contents, protocol=2))
    os.remove(work.journal)


def _render_frames(work, missing, count, workers, progress):
    """Renders `missing` frames in worker processes and journals them in order."""
    tasks = [missing[i : i + _FRAMES_A_TASK] for i in range(0, len(missing), _FRAMES_A_TASK)]
    bar = tqdm.tqdm(
        total=count, initial=count - len(missing), desc=work.split, unit="frame",
        disable=not progress, smoothing=0.05,
    )  # fmt: skip
    with bar, open(work.journal, "ab") as journal, results(work, tasks, workers) as found:
        for data in found:
            journal.write(data)
            journal.flush()
            bar.update(len(data) // _RECORD.itemsize)


def check_counts(counts):
    """Raises `UserError` unless some split has frames; counts are known to be >= 0."""
    if not any(counts.get(split, 0) for split in SPLITS):
        raise UserError("--training=0 and --evaluation=0: nothing to render")
