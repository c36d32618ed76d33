"""The Rendered Hand Pose dataset, and everything else in its layout (see `rhd_layout`).

A frame gives one example, its larger hand (see `larger_hand`). The palm is the middle of wrist and
middle MCP, visible if either is.

Source: Zimmermann & Brox, "Learning to Estimate 3D Hand Pose from Single RGB Images", ICCV
2017, and the README of the dataset.
"""

import os
import reprlib
from typing import Any, ClassVar

import numpy as np

from dcmls_tf import hand
from dcmls_tf.data import annotations, encoded, raw, raw_files, rhd_layout
from dcmls_tf.data.builder import Builder
from dcmls_tf.data.examples import SPLITS, RawExample, RawHand
from dcmls_tf.data.larger_hand import LargerHand
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

PAGE = "https://lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html"
MM_PER_M = 1000
MOST_FRAMES = 100_000_000


class RhdFolder:
    """A raw folder in RHD's layout. Raises `UserError` when it holds no split at all."""

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str, images: bool):
        self.raw_dir, self.images = raw_dir, images
        annotated = {split: rhd_layout.annotation_path(raw_dir, split) for split in SPLITS}
        self.splits = tuple(split for split, path in annotated.items() if os.path.isfile(path))
        if not self.splits:
            raise UserError(
                f"--raw_dir={raw_dir}: no {' and no '.join(annotated.values())}; render a dataset "
                f"into this folder with scripts/render.py, or download RHD from {PAGE} and give "
                "the unpacked folder (RHD_published_v2), which has training/ and evaluation/"
            )
        self.absent = [
            BadSample(path, f"is missing or cannot be read, so {split} has no annotations")
            for split, path in annotated.items()
            if split not in self.splits and os.path.isdir(os.path.dirname(path))
        ]
        if images:
            self.splits, without = raw_files.with_images(
                raw_dir, self.splits, self._colour_folder, PAGE
            )
            self.absent += without
        raw_files.warn_absent(self.absent)

    def _colour_folder(self, split: str) -> str:
        return rhd_layout.image_folder(self.raw_dir, split, "color")

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`."""
        kinds = ("color", "mask") if self.images else ("mask",)
        folders = [
            rhd_layout.image_folder(self.raw_dir, split, kind)
            for split in self.splits
            for kind in kinds
        ]
        annotated = [rhd_layout.annotation_path(self.raw_dir, split) for split in self.splits]
        return raw_files.fingerprint(annotated, filter(os.path.isdir, folders))

    def chosen_by(self, split: str) -> str:
        """As `Source.chosen_by`."""
        return self.open(split).chosen_by()

    def open(self, split: str) -> "RhdSplit":
        """A split."""
        return RhdSplit(self.raw_dir, split, self.images)


class RhdSplit:
    """A split's frames, by their numbers. Raises `UserError` for what is no annotation file."""

    whole, labelled = True, True

    def __init__(self, raw_dir: str, split: str, images: bool):
        self._raw_dir, self._split, self._images = raw_dir, split, images
        self._path = rhd_layout.annotation_path(raw_dir, split)
        self._larger = LargerHand(raw_dir, split, needed=images)
        if raw_files.leads_out(self._path, raw_dir):
            raise UserError(f"--raw_dir: {self._path} is a link that leads out of {raw_dir}")
        self._frames = annotations.load(self._path)
        if not isinstance(self._frames, dict) or not self._frames:
            raise UserError(f"--raw_dir: {self._path} does not map frames to annotations")

    def survey(self) -> raw.Survey:
        """Frames by their numbers, sorted; with images, those whose image is there."""
        odd = [
            BadSample(self._path, f"a frame is named {_shown(name)}, not by a number")
            for name in self._frames
            if not _is_number(name)
        ]
        numbers = self._numbers()
        if not self._images:
            self._larger.warn(numbers)
            return raw.Survey(numbers, [], odd)
        paths = {number: self._image_path("color", number) for number in numbers}
        found = [number for number, path in paths.items() if os.path.isfile(path)]
        missing = [
            raw_files.missing_image(paths[n]) for n in numbers if not os.path.isfile(paths[n])
        ]
        return raw.Survey(found, missing, odd)

    def chosen_by(self) -> str:
        """As `raw.Source.chosen_by`."""
        return self._larger.chosen_by(self._numbers())

    def _numbers(self) -> list[int]:
        return sorted(name for name in self._frames if _is_number(name))

    def where(self, key: int, /) -> str:
        """As `raw.RawSplit.where`."""
        return f"{self._path}, frame {key}"

    def example(self, number: int) -> RawExample:
        """The larger hand of a frame. Raises `BadSample`."""
        problem = _problem(self._frames[number])
        if problem:
            raise BadSample(self.where(number), problem)
        annotation = self._frames[number]
        name = f"rhd/{self._split}/{number:05d}"
        visible = annotation["uv_vis"][:, 2]
        if not self._images:
            return {**one_hand(annotation, self._larger.side(number, visible)), "id": name}
        image = raw_files.read_image(self._image_path("color", number), self._raw_dir)
        side = self._larger.side(number, visible, encoded.size(image))
        return {**one_hand(annotation, side), "image": image, "id": name}

    def _image_path(self, kind: str, number: int) -> str:
        return rhd_layout.image_path(self._raw_dir, self._split, kind, number)


class Rhd(Builder):
    """RHD, or a rendered dataset, as a TensorFlow dataset."""


def one_hand(annotation: dict[str, np.ndarray], side: int) -> RawHand:
    """One hand of an annotated frame; see `rhd_layout.FIELDS`."""
    rows = side * hand.NUM_JOINTS + hand.RHD_TO_CANONICAL
    xyz_mm = annotation["xyz"][rows].astype(np.float32) * MM_PER_M
    uv_visible = annotation["uv_vis"][rows].astype(np.float32)
    visible = uv_visible[:, 2] > 0.5
    K = annotation["K"].astype(np.float32)
    palm = list(hand.PALM_JOINTS["rhd"])
    palm_mm = xyz_mm[palm].mean(0)
    return {
        "uv": uv_visible[:, :2],
        "xyz_mm": xyz_mm,
        "visible": visible,
        "palm_uv": raw.project(palm_mm[None], K)[0],
        "palm_mm": palm_mm,
        "palm_visible": bool(visible[palm].any()),
        "K": K,
        "side": side,
    }


def _is_number(name: Any) -> bool:
    """Whether a frame's name is one, as files are numbered."""
    is_whole = isinstance(name, (int, np.integer)) and not isinstance(name, bool)
    return is_whole and bool(0 <= name < MOST_FRAMES)


def _shown(name: Any) -> str:
    """A name of any kind, in words; numbers of thousands of digits have none."""
    return (
        reprlib.repr(name) if isinstance(name, (str, bytes, float)) else f"a {type(name).__name__}"
    )


def _problem(annotation: Any) -> str:
    """What an annotation lacks of `rhd_layout.FIELDS`; empty when nothing."""
    for field, shape in rhd_layout.FIELDS.items():
        value: Any = annotation.get(field) if isinstance(annotation, dict) else None
        is_array = isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
        if not is_array or value.shape != shape or not np.isfinite(value).all():
            return f"{field} is not an array of {shape} finite numbers"
    if not np.isin(annotation["uv_vis"][:, 2], (0, 1)).all():
        return "uv_vis has visibilities that are neither 0 nor 1"
    return ""
