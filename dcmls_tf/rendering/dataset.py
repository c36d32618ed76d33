"""Writes rendered frames in RHD's on-disk layout; interrupted runs go on where they stopped.

Frames are independent of one another and of the number of workers. Every file appears under
its name when it is complete. While a split is unfinished, the annotations of its finished
frames are kept in a journal beside the pickle to come.
"""

import json
import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import tqdm
from jaxtyping import Shaped

from dcmls_tf import files
from dcmls_tf.data import annotations
from dcmls_tf.data.rhd_layout import KINDS, RENDER_SETTINGS, annotation_path, image_path
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import backgrounds
from dcmls_tf.rendering.body import SPLITS
from dcmls_tf.rendering.frame import Frame, encode_depth, render_frame
from dcmls_tf.rendering.scene import sample_scene
from dcmls_tf.rendering.workers import results

VERSION = 5
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


def render_dataset(
    out_dir: str,
    counts: Mapping[str, int],
    seed: int,
    workers: int = 1,
    background_dir: str | None = None,
    annotations_only: bool = False,
    progress: bool = True,
) -> None:
    """Renders what is missing of a data set.

    counts: `{split: number of frames}`; annotations_only: no images, annotations alone.
    Raises `UserError` when `out_dir` holds frames made with other settings or cannot be
    written, or when `background_dir` does not serve.
    """
    photographs = [] if annotations_only else backgrounds.photographs(background_dir)
    settings = {
        "version": VERSION,
        "format": "rhd",
        "seed": seed,
        "annotations_only": annotations_only,
        "backgrounds": backgrounds.digest(photographs),
    }
    try:
        claim(out_dir, settings)
        for split, count in counts.items():
            if count:
                job = FrameJob(out_dir, split, seed, photographs, annotations_only)
                _render_split(job, count, workers, progress)
    except OSError as error:
        raise UserError(
            f"--out_dir={out_dir}: cannot write to {error.filename or out_dir} ({error.strerror})"
        ) from None


def claim(out_dir: str, settings: Mapping[str, Any]) -> None:
    """Marks `out_dir` as made with `settings`, or checks that it was. Raises `UserError`."""
    path = os.path.join(out_dir, RENDER_SETTINGS)
    os.makedirs(out_dir, exist_ok=True)
    if not os.path.exists(path):
        files.write_json(path, settings)
        return
    with open(path, encoding="utf-8") as file:
        try:
            before = json.load(file)
        except ValueError:
            before = {}
    for name, value in settings.items():
        if before.get(name) != value:
            raise UserError(
                f"--out_dir={out_dir}: holds what was made with {name}={before.get(name)}, not "
                f"{value}; give the same flags as then, or another folder"
            )


class FrameJob:
    """Makes frames of a split, in a worker; called with their numbers."""

    def __init__(
        self,
        out_dir: str,
        split: str,
        seed: int,
        photographs: list[str],
        annotations_only: bool,
    ) -> None:
        self.out_dir, self.split, self.seed = out_dir, split, seed
        self.photographs = backgrounds.of_split(photographs, split) if photographs else []
        self.annotations_only = annotations_only
        self.journal = os.path.join(out_dir, split, f".anno_{split}.journal")

    def __call__(self, indices: Sequence[int]) -> bytes:
        """Makes frames and returns their records."""
        return b"".join(self._make(index) for index in indices)

    def _make(self, index: int) -> bytes:
        if self.annotations_only:
            annotation = sample_scene(self.seed, self.split, index).annotation
        else:
            frame = render_frame(self.seed, self.split, index, self.photographs)
            self._write_images(frame, index)
            annotation = frame.annotation
        return np.array((index, annotation.xyz, annotation.uv_vis, annotation.K), _RECORD).tobytes()

    def _write_images(self, frame: Frame, index: int) -> None:
        depth = encode_depth(frame.depth_m)
        images = (frame.colour[:, :, ::-1], frame.mask, depth[:, :, ::-1])
        for kind, image in zip(KINDS, images, strict=True):
            encoded = cv2.imencode(".png", image, _PNG[kind])[1]
            files.write(image_path(self.out_dir, self.split, kind, index), encoded.tobytes())

    def finished(self, records: Shaped[np.ndarray, " N"]) -> set[int]:
        """The indices among `records` whose images are all there."""
        done = set(records["index"].tolist())
        for kind in () if self.annotations_only else KINDS:
            with os.scandir(os.path.join(self.out_dir, self.split, kind)) as entries:
                done &= {int(e.name[:-4]) for e in entries if e.name[:-4].isdigit()}
        return done


def _render_split(job: FrameJob, count: int, workers: int, progress: bool) -> None:
    for kind in () if job.annotations_only else KINDS:
        os.makedirs(os.path.join(job.out_dir, job.split, kind), exist_ok=True)
    os.makedirs(os.path.join(job.out_dir, job.split), exist_ok=True)
    records = _known_records(job)
    if len(records) and records["index"].max() >= count:
        raise UserError(
            f"--{job.split}={count}: {job.out_dir} already holds frame "
            f"{records['index'].max()}; ask for as many frames as before or more, or give "
            "another folder"
        )
    done = job.finished(records)
    missing = [index for index in range(count) if index not in done]
    if missing:
        files.write(job.journal, records[np.isin(records["index"], list(done))].tobytes())
        _render_frames(job, missing, count, workers, progress)
        records = _journalled(job)
    if missing or os.path.exists(job.journal):
        _finish(job, records)


def _known_records(job: FrameJob) -> Shaped[np.ndarray, " N"]:
    """Records of frames made before, from the finished pickle and the journal."""
    path = annotation_path(job.out_dir, job.split)
    records = _journalled(job)
    if os.path.exists(path):
        finished = annotations.load(path)
        rows = [(i, *(finished[i][field] for field in _FIELDS)) for i in sorted(finished)]
        records = np.concatenate([np.array(rows, _RECORD), records])
    return records[np.unique(records["index"], return_index=True)[1]]


def _journalled(job: FrameJob) -> Shaped[np.ndarray, " N"]:
    """Records in the journal; what a kill left of a last one is dropped."""
    if not os.path.exists(job.journal):
        return np.zeros(0, _RECORD)
    with open(job.journal, "rb") as file:
        data = file.read()
    return np.frombuffer(data[: len(data) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)


def _finish(job: FrameJob, records: Shaped[np.ndarray, " N"]) -> None:
    """Writes RHD's pickle and removes the journal."""
    order = records[np.argsort(records["index"])]
    contents = {int(r["index"]): {field: np.array(r[field]) for field in _FIELDS} for r in order}
    files.write(annotation_path(job.out_dir, job.split), pickle.dumps(contents, protocol=2))
    os.remove(job.journal)


def _render_frames(
    job: FrameJob, missing: Sequence[int], count: int, workers: int, progress: bool
) -> None:
    """Renders `missing` frames in worker processes and journals them in order."""
    tasks = [missing[i : i + _FRAMES_A_TASK] for i in range(0, len(missing), _FRAMES_A_TASK)]
    bar = tqdm.tqdm(
        total=count, initial=count - len(missing), desc=job.split, unit="frame",
        disable=not progress, smoothing=0.05,
    )  # fmt: skip
    with bar, open(job.journal, "ab") as journal, results(job, tasks, workers) as frames:
        for data in frames:
            journal.write(data)
            journal.flush()
            bar.update(len(data) // _RECORD.itemsize)


def check_counts(counts: Mapping[str, int]) -> None:
    """Raises `UserError` unless some split has frames; counts are known to be >= 0."""
    if not any(counts.get(split, 0) for split in SPLITS):
        raise UserError("--training=0 and --evaluation=0: nothing to render")
