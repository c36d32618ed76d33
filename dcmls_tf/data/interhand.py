"""InterHand2.6M: one hand or two before many cameras at once, in its official layout.

    annotations/{train,test}/InterHand2.6M_{train,test}_data.json       pictures, valid joints
    annotations/{train,test}/InterHand2.6M_{train,test}_joint_3d.json   42 joints of a frame, mm
    annotations/{train,test}/InterHand2.6M_{train,test}_camera.json     cameras of a capture
    images/{train,test}/Capture0/.../cam400262/image0001.jpg            as data.json names it

`train` is the training split, `test` the evaluation split; `val` is not read. Earlier versions have
the annotations of all splits in `annotations/all/`, which are found there. Joints are in the
world's frame, X, and in a camera's where R · (X − C), with R its `camrot` and C its `campos`. The
right hand comes first, each finger from its tip to its base, thumb first, the wrist last.

Every hand whose 21 joints are all annotated is a sample, so a picture of two hands is two of them;
other hands are left out, as some of their joints have no place. Labels carry no visibility: all
joints count as visible. The palm is halfway between wrist and middle MCP.

Source: Moon et al., "InterHand2.6M: A Dataset and Baseline for 3D Interacting Hand Pose Estimation
from a Single RGB Image", ECCV 2020, and the README of the dataset.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.data import json_files, raw, raw_files
from dcmls_tf.data.builder import Builder
from dcmls_tf.data.examples import EVALUATION, TRAINING, RawExample
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

PAGE = "https://mks0601.github.io/InterHand2.6M/"
FOLDERS = {TRAINING: "train", EVALUATION: "test"}
KINDS = ("data", "joint_3d", "camera")
EARLIER = "all"
# Where a hand's joints begin among the 42, and its canonical ones after that.
FIRST = {hand.RIGHT: 0, hand.LEFT: hand.NUM_JOINTS}
ORDER = np.array([20, *(4 * finger + 3 - joint for finger in range(5) for joint in range(4))])


class Shown(NamedTuple):
    """A hand of a picture.

    picture: its name in data.json; capture, camera and frame: what the other files know it by.
    """

    picture: str
    capture: str
    camera: str
    frame: str
    side: int


class InterhandFolder:
    """A raw folder in InterHand2.6M's layout. Raises `UserError` when it holds no split."""

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str, images: bool):
        self.raw_dir, self.images = raw_dir, images
        self.splits = tuple(s for s in FOLDERS if os.path.isfile(self.label_path(s, KINDS[0])))
        if not self.splits:
            names = " and no ".join(self.label_path(split, KINDS[0]) for split in FOLDERS)
            raise UserError(
                f"--raw_dir={raw_dir}: no {names}; download InterHand2.6M from {PAGE} and give "
                "the folder that has annotations/ and images/"
            )
        self.absent: list[BadSample] = []
        if images:
            self.splits, self.absent = raw_files.with_images(
                raw_dir, self.splits, self.image_folder, PAGE
            )
        raw_files.warn_absent(self.absent)

    def label_path(self, split: str, kind: str) -> str:
        """Where a split's file of a kind, one of `KINDS`, belongs."""
        name = FOLDERS[split]
        places = [
            os.path.join(self.raw_dir, "annotations", place, f"InterHand2.6M_{name}_{kind}.json")
            for place in (name, EARLIER)
        ]
        return next(filter(os.path.isfile, places), places[0])

    def image_folder(self, split: str) -> str:
        """Where a split's pictures belong."""
        return os.path.join(self.raw_dir, "images", FOLDERS[split])

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`."""
        labels = [self.label_path(split, kind) for split in self.splits for kind in KINDS]
        roots = map(self.image_folder, self.splits) if self.images else ()
        folders = sorted(folder for root in roots for folder, _, _ in os.walk(root))
        return raw_files.fingerprint(labels, folders)

    def chosen_by(self, split: str) -> str:
        """As `raw.Source.chosen_by`: every hand that is annotated whole is a sample."""
        return ""

    def open(self, split: str) -> "InterhandSplit":
        """A split."""
        return InterhandSplit(self, split)


class InterhandSplit:
    """A split's hands by their number. Raises `UserError` for what are no such files."""

    whole, labelled = False, True

    def __init__(self, folder: InterhandFolder, split: str):
        self._folder, self._split = folder, split
        data, self._joints, self._cameras = (self._file(kind) for kind in KINDS)
        try:
            self.hands = hands_of(data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(
                f"--raw_dir: {folder.label_path(split, KINDS[0])} is not InterHand2.6M's "
                f"({type(error).__name__}: {str(error)[:80]}); unpack it again"
            ) from None
        if not self.hands:
            raise UserError(
                f"--raw_dir: {folder.label_path(split, KINDS[0])} has no hand of which all joints "
                "are annotated"
            )

    def _file(self, kind: str) -> Mapping[str, Any]:
        path = self._folder.label_path(self._split, kind)
        content = json_files.read(path, self._folder.raw_dir)
        if not isinstance(content, dict):
            raise UserError(f"--raw_dir: {path} is not InterHand2.6M's; unpack it again")
        return content

    def survey(self) -> raw.Survey:
        """Hands by number; with images, those whose picture is there."""
        numbers = range(len(self.hands))
        if not self._folder.images:
            return raw.Survey(list(numbers), [], [])
        found = [number for number in numbers if os.path.isfile(self.image_path(number))]
        gone = {self.image_path(number) for number in set(numbers).difference(found)}
        return raw.Survey(found, [raw_files.missing_image(path) for path in sorted(gone)], [])

    def image_path(self, key: int) -> str:
        """Where a hand's picture belongs."""
        name = self.hands[key].picture
        return os.path.normpath(os.path.join(self._folder.image_folder(self._split), name))

    def where(self, key: int, /) -> str:
        """As `raw.RawSplit.where`."""
        one = self.hands[key]
        path = self._folder.label_path(self._split, KINDS[0])
        return f"{path}, {one.picture}, {hand.SIDES[one.side]} hand"

    def example(self, key: int, /) -> RawExample:
        """A hand. Raises `BadSample`."""
        one = self.hands[key]
        try:
            camera = Camera.of(self._cameras[one.capture], one.camera)
            world = self._joints[one.capture][one.frame]["world_coord"]
            joints_mm = np.array(world, np.float64)[FIRST[one.side] + ORDER]
            xyz_mm = ((joints_mm - camera.C) @ camera.R.T).astype(np.float32)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise BadSample(
                self.where(key), f"lacks joints or a camera ({type(error).__name__}: {error})"
            ) from None
        palm_mm = xyz_mm[list(hand.PALM_JOINTS["interhand"])].mean(0)
        name = f"interhand/{self._split}/{one.picture}/{hand.SIDES[one.side]}"
        labelled = raw.all_visible(xyz_mm, palm_mm, camera.K, one.side)
        example: RawExample = {**labelled, "id": name}
        return {**example, "image": self._image(key)} if self._folder.images else example

    def _image(self, key: int) -> bytes:
        path, root = self.image_path(key), self._folder.image_folder(self._split)
        if os.path.relpath(path, root).startswith(os.pardir):
            raise BadSample(self.where(key), f"its picture is outside of {root}")
        return raw_files.read_image(path, self._folder.raw_dir)


class Interhand(Builder):
    """InterHand2.6M as a TensorFlow dataset."""


class Camera(NamedTuple):
    """Where a camera is, C in mm, how it is turned, R, and its intrinsics K, px."""

    C: Float[np.ndarray, "3"]
    R: Float[np.ndarray, "3 3"]
    K: Float[np.ndarray, "3 3"]

    @classmethod
    def of(cls, capture: Mapping[str, Any], name: str) -> "Camera":
        """A capture's camera. Raises `KeyError`, `ValueError` and `TypeError` for none."""
        names = (("campos", 3), ("camrot", 9), ("focal", 2), ("princpt", 2))
        C, R, focal, centre = (
            np.array(capture[field][name], np.float64).reshape(size) for field, size in names
        )
        K = [[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]]
        return cls(C, R.reshape(3, 3), np.array(K, np.float32))


def hands_of(data: Mapping[str, Any]) -> list[Shown]:
    """The hands of data.json whose joints are all valid. Raises for what is no such file."""
    pictures = {one["id"]: one for one in data["images"]}
    found = []
    for annotation in data["annotations"]:
        valid = np.reshape(annotation["joint_valid"], 2 * hand.NUM_JOINTS)
        picture = pictures[annotation["image_id"]]
        name, capture, camera, frame = (
            str(picture[field]) for field in ("file_name", "capture", "camera", "frame_idx")
        )
        found += [
            Shown(name, capture, camera, frame, side)
            for side, first in FIRST.items()
            if np.all(valid[first : first + hand.NUM_JOINTS])
        ]
    return found
