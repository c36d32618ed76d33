"""Anybody's own hands: a folder of pictures, and a file of their keypoints, in 2D or in 3D.

    training.json, evaluation.json     keypoints of each split's pictures, by one of the two forms
    …/photo.jpg                        PNG or JPEG, named in the file relative to the folder

    {"photo.jpg": {"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
                   "hands": [{"side": "right", "uv": [[x, y], … 21], "xyz_mm": [[x, y, z], … 21],
                              "visible": [1, … 21]}]}}

or COCO's annotations (see `formats.coco`), where an annotation may have `xyz_mm` and an image `K`.
`uv` are px from the picture's upper left corner, and may be left out where `xyz_mm` is there: mm in
the camera's frame, x right, y down, z forward. Without `K` a usual camera is assumed. Joints are in
the canonical order, or, `xyz_mm` too, as COCO's category names them. `visible` may be left out;
keypoints without a place, v = 0, are not visible, and are put where `xyz_mm` projects.

Hands with `xyz_mm` are samples. Those without have no pose to learn: `own_crops` cuts them out for
`--unpaired_dir`. The palm is halfway between wrist and middle MCP.
"""

import io
import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.data import encoded, json_files, raw, raw_files
from dcmls_tf.data.builder import Builder
from dcmls_tf.data.examples import SPLITS, RawExample
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError
from dcmls_tf.formats import coco, joint_names
from dcmls_tf.formats.hand2d import Hand2D

PAGE = "docs/formats.md"
# As `geometry.TYPICAL_FOCAL`, in longer sides.
FOCAL = 1.0


class Labelled(NamedTuple):
    """A hand of a picture as the file has it.

    picture: its name in the file. number: which of the picture's hands. uv_known: where `uv` is.
    """

    picture: str
    number: int
    side: int | None
    uv: Float[np.ndarray, "21 2"]
    uv_known: Bool[np.ndarray, "21"]
    xyz_mm: Float[np.ndarray, "21 3"] | None
    K: Float[np.ndarray, "3 3"] | None
    visible: Bool[np.ndarray, "21"]


class OwnFolder:
    """A folder of one's own. Raises `UserError` when it holds no file of keypoints."""

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str, images: bool):
        self.raw_dir, self.images = raw_dir, images
        self.splits = tuple(s for s in SPLITS if os.path.isfile(self.label_path(s)))
        if not self.splits:
            raise UserError(
                f"--raw_dir={raw_dir}: no {' and no '.join(map(self.label_path, SPLITS))}; "
                f"{PAGE} says what they hold"
            )
        self.absent: list[BadSample] = []

    def label_path(self, split: str) -> str:
        """Where a split's keypoints belong."""
        return os.path.join(self.raw_dir, f"{split}.json")

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`."""
        folders = [folder for folder, _, _ in os.walk(self.raw_dir)] if self.images else []
        return raw_files.fingerprint(map(self.label_path, self.splits), sorted(folders))

    def chosen_by(self, split: str) -> str:
        """As `raw.Source.chosen_by`: every hand that is labelled is a sample."""
        return ""

    def open(self, split: str) -> "OwnSplit":
        """A split."""
        return OwnSplit(self, split)


class OwnSplit:
    """A split's hands by their number in the file. Raises `UserError` for what is no such file."""

    whole, labelled = False, True

    def __init__(self, folder: OwnFolder, split: str):
        self._folder, self._split = folder, split
        path = folder.label_path(split)
        try:
            self.hands = list(read_labels(json_files.read(path, folder.raw_dir)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"--raw_dir: {path}: {str(error)[:200]}; see {PAGE}") from None

    def survey(self) -> raw.Survey:
        """Hands with a pose; with images, those whose picture is there."""
        posed = [n for n, one in enumerate(self.hands) if one.xyz_mm is not None]
        if not posed:
            raise UserError(
                f"--raw_dir: {self._folder.label_path(self._split)} has no xyz_mm, so there is no "
                "pose to learn or to compare with; scripts/prepare.py --crops_dir=FOLDER cuts its "
                "hands out for --unpaired_dir"
            )
        if not self._folder.images:
            return raw.Survey(posed, [], [])
        there = {n: os.path.isfile(self.image_path(n)) for n in posed}
        missing = [raw_files.missing_image(self.image_path(n)) for n in posed if not there[n]]
        return raw.Survey([n for n in posed if there[n]], missing, [])

    def image_path(self, key: int) -> str:
        """Where a hand's picture belongs."""
        return os.path.normpath(os.path.join(self._folder.raw_dir, self.hands[key].picture))

    def where(self, key: int, /) -> str:
        """As `raw.RawSplit.where`."""
        one = self.hands[key]
        return f"{self._folder.label_path(self._split)}, {one.picture}, hand {one.number}"

    def example(self, key: int, /) -> RawExample:
        """A hand. Raises `BadSample`."""
        one = self.hands[key]
        if one.xyz_mm is None:
            raise BadSample(self.where(key), "has no xyz_mm")
        if one.side is None:
            raise BadSample(self.where(key), "has no side, left or right")
        image = self.image(key)
        K = one.K if one.K is not None else self._typical(key, image)
        palm = list(hand.PALM_JOINTS["own"])
        palm_mm = one.xyz_mm[palm].mean(0)
        projected = raw.project(np.vstack([one.xyz_mm, palm_mm]), K)
        example: RawExample = {
            "uv": np.where(one.uv_known[:, None], one.uv, projected[:-1]),
            "xyz_mm": one.xyz_mm,
            "visible": one.visible,
            "palm_uv": projected[-1],
            "palm_mm": palm_mm,
            "palm_visible": bool(one.visible[palm].any()),
            "K": K,
            "side": one.side,
            "id": f"own/{self._split}/{one.picture}/{one.number}",
        }
        return {**example, "image": image} if self._folder.images else example

    def image(self, key: int) -> bytes:
        """A hand's encoded picture, which stands upright; empty without images."""
        path = self.image_path(key)
        if not self._folder.images:
            return b""
        if os.path.relpath(path, self._folder.raw_dir).startswith(os.pardir):
            raise BadSample(self.where(key), f"its picture is outside of {self._folder.raw_dir}")
        content = raw_files.read_image(path, self._folder.raw_dir)
        with Image.open(io.BytesIO(content)) as picture:
            if picture.getexif().get(0x0112, 1) != 1:
                raise BadSample(path, "is turned by EXIF; store it upright, as its keypoints are")
        return content

    def _typical(self, key: int, image: bytes) -> Float[np.ndarray, "3 3"]:
        if not image:
            raise BadSample(self.where(key), "has no K, without which 3D and 2D do not go together")
        width, height = encoded.size(image)
        focal = FOCAL * max(width, height)
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float32)


class Own(Builder):
    """One's own hands as a TensorFlow dataset."""


def read_labels(content: Any) -> Iterator[Labelled]:
    """The hands of a file. Raises `ValueError` and others for what is none, in words."""
    if coco.is_annotations(content):
        yield from _of_coco(content)
        return
    if not isinstance(content, dict) or not content:
        raise ValueError("is neither COCO's annotations nor a table of pictures")
    for picture, fields in content.items():
        hands = fields.get("hands") if isinstance(fields, dict) else None
        if not isinstance(hands, list):
            raise ValueError(f"{picture} has no list of hands")
        K = _array(fields.get("K"), (3, 3), f"K of {picture}")
        for number, one in enumerate(hands):
            yield _plain(picture, number, one, K)


def _plain(picture: str, number: int, fields: Mapping[str, Any], K: Any) -> Labelled:
    where = f"hand {number} of {picture}"
    xyz_mm = _array(fields.get("xyz_mm"), (hand.NUM_JOINTS, 3), f"xyz_mm of {where}")
    try:
        one = Hand2D.of_values(fields["uv"]) if "uv" in fields else None
    except ValueError as error:
        raise ValueError(f"uv of {where} has {error}") from None
    if one is None and xyz_mm is None:
        raise ValueError(f"{where} has neither uv nor xyz_mm")
    side = joint_names.side_named(fields.get("side"))
    visible = _array(fields.get("visible"), (hand.NUM_JOINTS,), f"visible of {where}")
    return _labelled(picture, number, side, one, xyz_mm, K, visible)


def _of_coco(content: Mapping[str, Any]) -> Iterator[Labelled]:
    categories = {one["id"]: one for one in content.get("categories", ())}
    pictures = {one["id"]: one for one in content["images"]}
    counts: dict[str, int] = {}
    for annotation in content["annotations"]:
        picture = pictures[annotation["image_id"]]
        name = str(picture["file_name"])
        category = categories.get(annotation.get("category_id"), {})
        for one in coco.hands_of(annotation, category):
            number = counts[name] = counts.get(name, -1) + 1
            where = f"hand {number} of {name}"
            K = _array(picture.get("K"), (3, 3), f"K of {name}")
            xyz_mm = _array(annotation.get("xyz_mm"), (hand.NUM_JOINTS, 3), f"xyz_mm of {where}")
            if xyz_mm is not None:
                orders = joint_names.orders(category.get("keypoints", ()), hand.NUM_JOINTS)
                xyz_mm = xyz_mm[next(iter(orders.values()))]
            yield _labelled(name, number, one.side, one, xyz_mm, K, None)


def _labelled(picture, number, side, one, xyz_mm, K, visible) -> Labelled:
    known = np.zeros(hand.NUM_JOINTS, bool) if one is None else one.confidence > 0
    uv = np.zeros((hand.NUM_JOINTS, 2), np.float32) if one is None else one.uv
    seen = (known if one else np.ones_like(known)) if visible is None else visible > 0.5
    return Labelled(picture, number, side, uv, known, xyz_mm, K, seen)


def _array(values: Any, shape: tuple[int, ...], name: str) -> Float[np.ndarray, "..."] | None:
    """Numbers of a shape, if they are there. Raises `ValueError` for others."""
    if values is None:
        return None
    try:
        array = np.array(values, np.float32)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != shape:
        raise ValueError(f"{name} is not of shape {shape}")
    return array
