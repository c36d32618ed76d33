"""A run's answers → files in another format.

coco       coco.json: 2D keypoints, with the 3D joints beside them
freihand   pred.json: FreiHAND's scoring
gltf       <name>.glb: the hands of a picture or video as animated skeletons
bvh        <name>.<hand>.bvh: the same, a file a hand
angles     angles.csv: flexion and abduction of every joint of the fingers
"""

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from statistics import mode
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dcmls_tf import files, hand
from dcmls_tf.errors import UserError
from dcmls_tf.formats import answers, bvh, coco_writer, freihand, gltf, skeleton
from dcmls_tf.formats.answers import Picture

FORMATS = ("coco", "freihand", "gltf", "bvh", "angles")
FRAME_TIME_S = 1 / 30  # of a hand that is seen once
Files = Iterator[tuple[str, str | bytes]]


class Moving(NamedTuple):
    """A hand over the frames of a file, or in one picture: its poses at `times_s`."""

    track: int
    side: int
    times_s: Float[np.ndarray, " T"]
    xyz_mm: Float[np.ndarray, "T 21 3"]
    frames: list[int | None]


def convert(predictions_path: str, to: str, out_dir: str, palm: str = "rhd") -> list[str]:
    """Writes the answers of a `predictions.json` in one of `FORMATS`; returns the files' paths.

    palm: as in `answers.read`. Raises `UserError` when there is nothing to write, or nowhere.
    """
    pictures = answers.read(predictions_path, palm)
    if not any(picture.hands for picture in pictures):
        raise UserError(f"--predictions={predictions_path}: holds no hand")
    written = []
    try:
        os.makedirs(out_dir, exist_ok=True)
        for name, content in _CONVERTERS[to](pictures):
            path = os.path.join(out_dir, name)
            files.write(path, content)
            written.append(path)
    except OSError as error:
        raise UserError(f"--out_dir={out_dir}: cannot be written ({error.strerror})") from None
    return written


def moving(frames: Sequence[Picture]) -> list[Moving]:
    """The hands of a file's pictures, each over the frames that it is in."""
    found: dict[int, list[tuple[Picture, answers.Answer]]] = {}
    for frame in frames:
        for one in frame.hands:
            found.setdefault(one.track, []).append((frame, one))
    hands = []
    for track, seen in sorted(found.items()):
        times = np.array([frame.time_s or 0.0 for frame, _ in seen])
        if (np.diff(times) <= 0).any():  # of sources that do not say it
            times = FRAME_TIME_S * np.arange(len(seen))
        poses = np.stack([one.xyz_mm for _, one in seen])
        side = mode(one.side for _, one in seen)
        hands.append(Moving(track, side, times, poses, [frame.frame for frame, _ in seen]))
    return hands


def _coco(pictures: Sequence[Picture]) -> Files:
    yield "coco.json", files.as_json(coco_writer.document(pictures))


def _freihand(pictures: Sequence[Picture]) -> Files:
    content, without = freihand.predictions(pictures)
    if without:
        print(f"{without} of {len(pictures)} pictures have no hand: zeros", file=sys.stderr)
    yield "pred.json", json.dumps(content, allow_nan=False)


def _gltf(pictures: Sequence[Picture]) -> Files:
    for stem, frames in _named(pictures):
        tracks = {
            f"{hand.SIDES[one.side]}_hand_{one.track}": gltf.Track(
                skeleton.animate(one.xyz_mm, one.side), one.times_s
            )
            for one in moving(frames)
        }
        if tracks:
            yield f"{stem}.glb", gltf.content(tracks)


def _bvh(pictures: Sequence[Picture]) -> Files:
    for stem, frames in _named(pictures):
        step = frame_time_s(frames)
        for one in moving(frames):
            shown = held(one.times_s, step)
            animation = skeleton.animate(one.xyz_mm[shown], one.side)
            name = f"{stem}.{hand.SIDES[one.side]}_hand_{one.track}.bvh"
            yield name, bvh.text(animation, step)


def frame_time_s(frames: Sequence[Picture]) -> float:
    """The usual time from one of a file's pictures to the next."""
    times = np.array([frame.time_s or 0.0 for frame in frames])
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return step if step > 0 else FRAME_TIME_S


def held(times_s: Float[np.ndarray, " T"], step: float) -> np.ndarray:
    """Which pose is shown at each step of a constant frame rate: the last one until the next."""
    count = round((times_s[-1] - times_s[0]) / step) + 1
    at = times_s[0] + step * np.arange(count)
    return np.searchsorted(times_s, at + step / 2, side="right") - 1


def _angles(pictures: Sequence[Picture]) -> Files:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "frame", "hand", "side", "joint", "flexion_deg", "abduction_deg"))
    for file, frames in answers.of_files(pictures).items():
        for one in moving(frames):
            angles = skeleton.animate(one.xyz_mm, one.side).angles()
            for number, frame in enumerate(one.frames):
                for joint, values in angles.items():
                    flexion, abduction = (f"{value:.2f}" for value in values[number])
                    where = file, frame, one.track, hand.SIDES[one.side], joint
                    writer.writerow([*where, flexion, abduction])
    yield "angles.csv", text.getvalue()


def _named(pictures: Sequence[Picture]) -> Iterator[tuple[str, list[Picture]]]:
    """Each file's pictures, and a name of its own even where two folders have files of one."""
    names: set[str] = set()
    for file, frames in answers.of_files(pictures).items():
        stem = name = os.path.splitext(os.path.basename(file))[0] or "hands"
        copies = 1
        while name in names:
            copies += 1
            name = f"{stem}.{copies}"
        names.add(name)
        yield name, frames


_CONVERTERS = {"coco": _coco, "freihand": _freihand, "gltf": _gltf, "bvh": _bvh, "angles": _angles}
