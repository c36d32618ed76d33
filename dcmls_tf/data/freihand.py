"""FreiHAND: hands before a green screen, and that replaced, in its official layout.

    {training,evaluation}/rgb/%08d.jpg     224×224
    {training,evaluation}_xyz.json         [N, 21, 3] m, camera's frame
    {training,evaluation}_K.json           [N, 3, 3]

Joints are in the canonical order, wrist first. All hands are right ones: the left ones were
mirrored. Training pictures come in up to four versions with other backgrounds, N of each in a row;
all that are there are samples. Labels carry no visibility: all joints count as visible. The palm is
halfway between wrist and middle MCP.

Source: Zimmermann et al., "FreiHAND: A Dataset for Markerless Capture of Hand Pose and Shape from
Single RGB Images", ICCV 2019, and the README of the dataset.
"""

import os
from typing import Any, ClassVar

import numpy as np

from dcmls_tf import hand
from dcmls_tf.data import json_files, raw, raw_files
from dcmls_tf.data.builder import Builder
from dcmls_tf.data.examples import EVALUATION, SPLITS, RawExample, RawHand
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

PAGE = "https://lmb.informatik.uni-freiburg.de/projects/freihand/"
MM_PER_M = 1000
VERSIONS = ("gs", "hom", "sample", "auto")


class FreihandFolder:
    """A raw folder in FreiHAND's layout. Raises `UserError` when it holds no annotated split."""

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str, images: bool):
        self.raw_dir, self.images = raw_dir, images
        self.splits = tuple(s for s in SPLITS if os.path.isfile(self.label_path(s, "xyz")))
        if not self.splits:
            names = " and no ".join(self.label_path(split, "xyz") for split in SPLITS)
            raise UserError(
                f"--raw_dir={raw_dir}: no {names}; download FreiHAND from {PAGE} and give the "
                "unpacked folder (evaluation_xyz.json is in a file of its own there)"
            )
        self.absent: list[BadSample] = []
        if images:
            self.splits, self.absent = raw_files.with_images(
                raw_dir, self.splits, self.image_folder, PAGE
            )
        raw_files.warn_absent(self.absent)

    def label_path(self, split: str, kind: str) -> str:
        """Where a split's labels of a kind, `xyz` or `K`, belong."""
        return os.path.join(self.raw_dir, f"{split}_{kind}.json")

    def image_folder(self, split: str) -> str:
        """Where a split's pictures belong."""
        return os.path.join(self.raw_dir, split, "rgb")

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`."""
        labels = [self.label_path(split, kind) for split in self.splits for kind in ("xyz", "K")]
        folders = map(self.image_folder, self.splits) if self.images else []
        return raw_files.fingerprint(labels, folders)

    def chosen_by(self, split: str) -> str:
        """As `raw.Source.chosen_by`: a picture has one labelled hand."""
        return ""

    def open(self, split: str) -> "FreihandSplit":
        """A split."""
        return FreihandSplit(self, split)


class FreihandSplit:
    """A split's pictures by their numbers. Raises `UserError` for what are no labels."""

    whole, labelled = True, True

    def __init__(self, folder: FreihandFolder, split: str):
        self._folder, self._split = folder, split
        self._xyz, self._K = (self._labels(kind) for kind in ("xyz", "K"))
        if len(self._xyz) != len(self._K):
            raise UserError(
                f"--raw_dir: {folder.label_path(split, 'xyz')} has {len(self._xyz)} entries, "
                f"{folder.label_path(split, 'K')} {len(self._K)}; unpack both again"
            )

    def _labels(self, kind: str) -> list[Any]:
        path = self._folder.label_path(self._split, kind)
        labels = json_files.read(path, self._folder.raw_dir)
        if not isinstance(labels, list) or not labels:
            raise UserError(f"--raw_dir: {path} holds no list of labels")
        return labels

    def survey(self) -> raw.Survey:
        """Pictures by number; of versions beyond the first, those that are there."""
        count = len(self._xyz)
        if not self._folder.images:
            return raw.Survey(list(range(count)), [], [])
        versions = 1 if self._split == EVALUATION else len(VERSIONS)
        paths = {number: self.image_path(number) for number in range(versions * count)}
        found = [number for number, path in paths.items() if os.path.isfile(path)]
        missing = [
            raw_files.missing_image(paths[number])
            for number in sorted(set(range(count)).difference(found))
        ]
        return raw.Survey(found, missing, [])

    def image_path(self, number: int) -> str:
        """Where a picture belongs."""
        return os.path.join(self._folder.image_folder(self._split), f"{number:08d}.jpg")

    def where(self, key: int, /) -> str:
        """As `raw.RawSplit.where`."""
        label = key % len(self._xyz)
        return f"{self._folder.label_path(self._split, 'xyz')}, entry {label}"

    def example(self, number: int) -> RawExample:
        """The hand of a picture. Raises `BadSample`."""
        label = number % len(self._xyz)
        try:
            labelled = one_hand(self._xyz[label], self._K[label])
        except (TypeError, ValueError) as error:
            raise BadSample(self.where(number), str(error)) from None
        name = f"freihand/{self._split}/{number:08d}"
        if not self._folder.images:
            return {**labelled, "id": name}
        image = raw_files.read_image(self.image_path(number), self._folder.raw_dir)
        return {**labelled, "image": image, "id": name}


class Freihand(Builder):
    """FreiHAND as a TensorFlow dataset."""


def one_hand(xyz: Any, K: Any) -> RawHand:
    """The hand of an entry of both files. Raises `ValueError` or `TypeError` for none."""
    xyz_mm, camera = np.array(xyz, np.float32) * MM_PER_M, np.array(K, np.float32)
    if xyz_mm.shape != (hand.NUM_JOINTS, 3) or camera.shape != (3, 3):
        raise ValueError(f"xyz is {xyz_mm.shape} and K {camera.shape}, not (21, 3) and (3, 3)")
    palm_mm = xyz_mm[list(hand.PALM_JOINTS["freihand"])].mean(0)
    return raw.all_visible(xyz_mm, palm_mm, camera, hand.RIGHT)
