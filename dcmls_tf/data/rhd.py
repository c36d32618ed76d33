"""The Rendered Hand Pose dataset, and everything else in its layout (see `rhd_layout`).

A frame gives one example, its larger hand: the one with more mask pixels or, when prepared
without images, with more visible joints; the right one when they are equal. The palm is the
middle of wrist and middle MCP, visible if either is.

Source: Zimmermann & Brox, "Learning to Estimate 3D Hand Pose from Single RGB Images", ICCV
2017, and the README of the dataset.
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from jaxtyping import Shaped, UInt8

from dcmls_tf import hand
from dcmls_tf.data import annotations, raw, rhd_layout
from dcmls_tf.data.examples import SPLITS, RawExample, RawHand
from dcmls_tf.errors import UserError

PAGE = "https://lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html"
MM_PER_M = 1000


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
        if images:
            self.splits = self._splits_with_images()

    def _splits_with_images(self) -> tuple[str, ...]:
        folders = {s: rhd_layout.image_folder(self.raw_dir, s, "color") for s in self.splits}
        splits = tuple(split for split, folder in folders.items() if os.path.isdir(folder))
        if not splits:
            raise UserError(
                f"--raw_dir={self.raw_dir}: no images in {' or '.join(folders.values())}; unpack "
                f"them there (RHD: {PAGE}), or use --modality=2d, which needs annotations only"
            )
        return splits

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`."""
        kinds = ("color", "mask") if self.images else ()
        folders = [
            rhd_layout.image_folder(self.raw_dir, split, kind)
            for split in self.splits
            for kind in kinds
        ]
        annotated = [rhd_layout.annotation_path(self.raw_dir, split) for split in self.splits]
        return raw.fingerprint(annotated, filter(os.path.isdir, folders))

    def open(self, split: str) -> "RhdSplit":
        """A split."""
        return RhdSplit(self.raw_dir, split, self.images)


class RhdSplit:
    """A split's frames, by their numbers. Raises `UserError` for what is no annotation file."""

    def __init__(self, raw_dir: str, split: str, images: bool):
        self._raw_dir, self._split, self._images = raw_dir, split, images
        self._path = rhd_layout.annotation_path(raw_dir, split)
        self._frames = annotations.load(self._path)
        if not isinstance(self._frames, dict) or not self._frames:
            raise UserError(f"--raw_dir: {self._path} does not map frames to annotations")

    def keys(self) -> list[int]:
        """The numbers of frames, sorted; with images, of those whose image is there."""
        numbers = sorted(self._frames)
        return self._with_image(numbers) if self._images else numbers

    def _with_image(self, numbers: Sequence[int]) -> list[int]:
        kept = [n for n in numbers if os.path.isfile(self._image_path("color", n))]
        raw.warn_left_out(len(numbers) - len(kept), len(numbers), f"RHD {self._split}")
        if not kept:
            folder = rhd_layout.image_folder(self._raw_dir, self._split, "color")
            raise UserError(f"--raw_dir: {folder} has none of the {len(numbers)} annotated frames")
        return kept

    def example(self, number: int) -> RawExample:
        """The larger hand of a frame."""
        annotation = _checked(self._frames[number], self._path, number)
        name = f"rhd/{self._split}/{number:05d}"
        if not self._images:
            side = side_of_visibility(annotation["uv_vis"][:, 2])
            return {**one_hand(annotation, side), "id": name}
        image = raw.read_image(self._image_path("color", number))
        side = side_of_mask(self._mask(number))
        return {**one_hand(annotation, side), "image": image, "id": name}

    def _mask(self, number: int) -> UInt8[np.ndarray, "h w 1"]:
        path = self._image_path("mask", number)
        if not os.path.isfile(path):
            raise UserError(
                f"--raw_dir: {path} is missing; masks say which hand is an image's sample, so "
                "unpack them beside color/"
            )
        return raw.decode_image(tf.io.read_file(path), path, channels=1).numpy()

    def _image_path(self, kind: str, number: int) -> str:
        return rhd_layout.image_path(self._raw_dir, self._split, kind, number)


class Rhd(raw.Builder):
    """RHD, or a rendered dataset, as a TensorFlow dataset."""


def side_of_mask(mask: UInt8[np.ndarray, "*shape"]) -> int:
    """The side with more pixels in a mask of RHD's classes; right when equal."""
    left, right = (
        np.count_nonzero(hand.is_of_side(mask, side)) for side in (hand.LEFT, hand.RIGHT)
    )
    return hand.LEFT if left > right else hand.RIGHT


def side_of_visibility(visible: Shaped[np.ndarray, "42"]) -> int:
    """The side with more visible joints, of flags left, then right; right when equal."""
    left, right = np.count_nonzero(np.reshape(visible, (2, hand.NUM_JOINTS)), axis=1)
    return hand.LEFT if left > right else hand.RIGHT


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


def _checked(annotation: Any, path: str, number: int) -> dict[str, np.ndarray]:
    for field, shape in rhd_layout.FIELDS.items():
        value: Any = annotation.get(field) if isinstance(annotation, dict) else None
        if np.shape(value) != shape or not np.isfinite(value).all():
            raise UserError(
                f"--raw_dir: {path}: {field} of frame {number} is not {shape} finite numbers"
            )
    return annotation
