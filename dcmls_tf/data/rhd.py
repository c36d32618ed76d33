"""The Rendered Hand Pose dataset, and everything else in its on-disk layout.

    {training,evaluation}/color/%05d.png   320×320
    {training,evaluation}/mask/%05d.png    0 background, 1 person, 2–17 left, 18–33 right hand
    {training,evaluation}/anno_{training,evaluation}.pickle

An annotation maps a frame's number to `xyz` (42, 3) in metres, `uv_vis` (42, 3) in px and a
visibility flag, and `K` (3, 3); rows 0–20 are the left hand, 21–41 the right.

A frame gives one example, its larger hand: the one with more mask pixels or, when prepared
without images, with more visible joints; the right one when they are equal. The palm is the
middle of wrist and middle MCP, visible if either is.

Source: Zimmermann & Brox, "Learning to Estimate 3D Hand Pose from Single RGB Images", ICCV
2017, and the README of the dataset.
"""

import os

import numpy as np
import tensorflow as tf

from dcmls_tf import hand
from dcmls_tf.data import annotations
from dcmls_tf.data import raw as canonical
from dcmls_tf.errors import UserError

PAGE = "https://lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html"
SPLITS = (canonical.TRAINING, canonical.EVALUATION)
MM_PER_M = 1000
FIELDS = {"xyz": (2 * hand.NUM_JOINTS, 3), "uv_vis": (2 * hand.NUM_JOINTS, 3), "K": (3, 3)}


class Raw:
    """A raw folder in RHD's layout. Raises `UserError` when it holds no split at all."""

    PAGE = PAGE

    def __init__(self, raw_dir, images):
        self.raw_dir, self.images = raw_dir, images
        self.splits = tuple(s for s in SPLITS if os.path.isfile(self.annotation_path(s)))
        if not self.splits:
            raise UserError(
                f"--raw_dir={raw_dir}: no {self.annotation_path(SPLITS[0])} and no "
                f"{self.annotation_path(SPLITS[1])}; render a dataset into this folder with "
                f"scripts/render.py, or download RHD from {PAGE} and give the unpacked folder "
                "(RHD_published_v2), which has training/ and evaluation/"
            )
        if images:
            self.splits = self._splits_with_images()

    def annotation_path(self, split):
        """Where the annotations of a split belong."""
        return os.path.join(self.raw_dir, split, f"anno_{split}.pickle")

    def image_path(self, split, kind, frame):
        """Where an image of `kind` color or mask belongs."""
        return os.path.join(self.raw_dir, split, kind, f"{frame:05d}.png")

    def _splits_with_images(self):
        folders = {split: os.path.join(self.raw_dir, split, "color") for split in self.splits}
        found = tuple(s for s, folder in folders.items() if os.path.isdir(folder))
        if not found:
            raise UserError(
                f"--raw_dir={self.raw_dir}: no images in {' or '.join(folders.values())}; unpack "
                f"them there (RHD: {PAGE}), or use --modality=2d, which needs annotations only"
            )
        return found

    def fingerprint(self):
        """Changes when annotations or the lists of images do."""
        kinds = ("color", "mask") if self.images else ()
        folders = [os.path.join(self.raw_dir, s, kind) for s in self.splits for kind in kinds]
        return canonical.fingerprint(
            [self.annotation_path(s) for s in self.splits], filter(os.path.isdir, folders)
        )

    def examples(self, split):
        """Canonical examples of a split in the order of their numbers."""
        path = self.annotation_path(split)
        frames = annotations.load(path)
        if not isinstance(frames, dict) or not frames:
            raise UserError(f"--raw_dir: {path} does not map frames to annotations")
        numbers = sorted(frames)
        if self.images:
            numbers = self._with_image(split, numbers)
        for number in numbers:
            yield self._example(split, number, _checked(frames[number], path, number))

    def _with_image(self, split, numbers):
        found = [n for n in numbers if os.path.isfile(self.image_path(split, "color", n))]
        canonical.warn_left_out(len(numbers) - len(found), len(numbers), f"RHD {split}")
        if not found:
            folder = os.path.dirname(self.image_path(split, "color", 0))
            raise UserError(f"--raw_dir: {folder} has none of the {len(numbers)} annotated frames")
        return found

    def _example(self, split, number, annotation):
        image = {}
        if self.images:
            image[canonical.IMAGE] = canonical.read_image(self.image_path(split, "color", number))
            side = side_of_mask(self._mask(split, number))
        else:
            side = side_of_visibility(annotation["uv_vis"][:, 2])
        return {**one_hand(annotation, side), **image, "id": f"rhd/{split}/{number:05d}"}

    def _mask(self, split, number):
        path = self.image_path(split, "mask", number)
        if not os.path.isfile(path):
            raise UserError(
                f"--raw_dir: {path} is missing; masks say which hand is an image's sample, so "
                "unpack them beside color/"
            )
        return canonical.decode_image(tf.io.read_file(path), path, channels=1).numpy()


class Rhd(canonical.Builder):
    """RHD, or a rendered dataset, as a TensorFlow dataset."""


def side_of_mask(mask):
    """The side with more pixels in a mask of RHD's classes; right when equal."""
    left, right = (
        np.count_nonzero(hand.is_of_side(mask, side)) for side in (hand.LEFT, hand.RIGHT)
    )
    return hand.LEFT if left > right else hand.RIGHT


def side_of_visibility(visible):
    """The side with more visible joints, from flags `[42]`; right when equal."""
    left, right = np.count_nonzero(np.reshape(visible, (2, hand.NUM_JOINTS)), axis=1)
    return hand.LEFT if left > right else hand.RIGHT


def one_hand(annotation, side):
    """The canonical fields of one hand of an annotated frame."""
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
        "palm_uv": canonical.project(palm_mm[None], K)[0],
        "palm_mm": palm_mm,
        "palm_visible": visible[palm].any(),
        "K": K,
        "side": side,
    }


def _checked(annotation, path, number):
    for field, shape in FIELDS.items():
        value = annotation.get(field) if isinstance(annotation, dict) else None
        if np.shape(value) != shape or not np.isfinite(value).all():
            raise UserError(
                f"--raw_dir: {path}: {field} of frame {number} is not {shape} finite numbers"
            )
    return annotation
