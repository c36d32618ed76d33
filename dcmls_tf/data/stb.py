"""The Stereo Tracking Benchmark: twelve sequences of one left hand, two cameras.

    labels/{sequence}_{BB,SK}.mat                     handPara (3, 21, frames), mm
    {sequence}/BB_{left,right}_%d.png, SK_color_%d.png    640×480, some copies under images/

Cameras: BB is a Bumblebee2 stereo pair, SK an Intel F200 with depth and colour. BB labels are
in the left camera's frame; the right camera sits one baseline to its right. SK labels are in
the *depth* camera's frame, and the colour camera's is R · (label − T), with R from the
published rotation vector (its transpose lands 15 px beside the hand).

Native joint 0 is the palm's centre. The wrist is the point that the palm's centre lies midway
to from the ring finger's MCP. Labels carry no visibility: all joints count as visible.

Source: Zhang et al., "A Hand Pose Tracking Benchmark from Stereo Matching", ICIP 2017, and
the README of the dataset. B1 is the usual test part, B2–B6 train.
"""

import os
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from dcmls_tf import hand
from dcmls_tf.data import encoded, matlab, raw, raw_files
from dcmls_tf.data.builder import Builder
from dcmls_tf.data.examples import EVALUATION, TRAINING, RawExample, RawHand
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

PAGE = "https://sites.google.com/site/zhjw1988/"
LINKS = "https://github.com/zhjwustc/icip17_stereo_hand_pose_dataset"
SEQUENCES = {
    TRAINING: tuple(f"B{n}{kind}" for n in range(2, 7) for kind in ("Counting", "Random")),
    EVALUATION: ("B1Counting", "B1Random"),
}
# View → label file's suffix and image name.
CAMERAS = {
    "left": ("BB", "BB_left_{}.png"),
    "right": ("BB", "BB_right_{}.png"),
    "color": ("SK", "SK_color_{}.png"),
}
VIEWS = {"left": ("left",), "both": ("left", "right"), "color": ("color",)}

SIZE = (640, 480)
BASELINE_MM = 120.054
BB_K = np.array([[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1]], dtype=np.float32)
SK_COLOR_K = np.array(
    [[607.92271, 0, 314.78337], [0, 607.88192, 236.42484], [0, 0, 1]], dtype=np.float32
)
SK_ROTATION_VECTOR = np.array([0.00531, -0.01196, 0.00301])
SK_TRANSLATION_MM = np.array([-24.0381, -0.4563, -1.2326])

PALM = 0


class StbFolder:
    """A raw folder in STB's layout. Raises `UserError` when it holds nothing of `views`.

    `views` is `left`, `both` (stereo) or `color`.
    """

    PAGE: ClassVar[str] = PAGE

    def __init__(self, raw_dir: str, images: bool, views: str):
        self.raw_dir, self.images, self.views = raw_dir, images, VIEWS[views]
        self._suffix = CAMERAS[self.views[0]][0]
        self._sequences = {
            split: [s for s in names if os.path.isfile(self.label_path(s))]
            for split, names in SEQUENCES.items()
        }
        if not any(self._sequences.values()):
            raise UserError(
                f"--raw_dir={raw_dir}: no labels/*_{self._suffix}.mat for "
                f"--stb_views={views}; download STB from {PAGE} ({LINKS}) and put its labels/ "
                "and sequence folders (B1Counting/ ...) there"
            )
        self.absent: list[BadSample] = []
        if images:
            self._sequences = self._with_images(views)
        self.splits = tuple(split for split, names in self._sequences.items() if names)

    def label_path(self, sequence: str) -> str:
        """Where a sequence's labels belong."""
        return os.path.join(self.raw_dir, "labels", f"{sequence}_{self._suffix}.mat")

    def image_folder(self, sequence: str) -> str | None:
        """The folder of a sequence's images, if there is one."""
        folders = [os.path.join(self.raw_dir, *up, sequence) for up in ((), ("images",))]
        return next(filter(os.path.isdir, folders), None)

    def _with_images(self, views: str) -> dict[str, list[str]]:
        sequences = {
            split: [s for s in names if self.image_folder(s)]
            for split, names in self._sequences.items()
        }
        if not any(sequences.values()):
            raise UserError(
                f"--raw_dir={self.raw_dir}: no images for --stb_views={views}: none of "
                f"{', '.join(self._all_sequences())} has a folder here or under "
                f"images/; download them from {PAGE} ({LINKS}), or use --modality=2d, which "
                "needs labels only"
            )
        self.absent = [
            BadSample(os.path.join(self.raw_dir, s), "is not there, though it has labels")
            for split, names in self._sequences.items()
            for s in names
            if s not in sequences[split]
        ]
        raw_files.warn_absent(self.absent)
        return sequences

    def _all_sequences(self) -> list[str]:
        return [s for names in self._sequences.values() for s in names]

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`."""
        sequences = self._all_sequences()
        folders = [self.image_folder(s) for s in sequences] if self.images else []
        return raw_files.fingerprint([self.label_path(s) for s in sequences], filter(None, folders))

    def chosen_by(self, split: str) -> str:
        """As `raw.Source.chosen_by`: a frame has one hand."""
        return ""

    def open(self, split: str) -> "StbSplit":
        """A split."""
        return StbSplit(self, self._sequences[split])

    def image_path(self, sequence: str, view: str, frame: int) -> str | None:
        """Where a frame's image belongs; `None` when examples do without."""
        folder = self.image_folder(sequence) if self.images else None
        return folder and os.path.join(folder, CAMERAS[view][1].format(frame))


class StbSplit:
    """Sequences, whose examples are asked for by sequence, frame and view."""

    whole, labelled = True, True

    def __init__(self, folder: StbFolder, sequences: Sequence[str]):
        self._folder = folder
        self._labels: dict[str, Float[np.ndarray, "frames 21 3"]] = {}
        self._odd: list[BadSample] = []
        for name in sequences:
            try:
                self._labels[name] = read_labels(folder.label_path(name), folder.raw_dir)
            except BadSample as bad:
                self._odd.append(bad)

    def survey(self) -> raw.Survey:
        """Sequence by sequence, frame by frame, view by view, of those whose image is there."""
        labelled = [
            (sequence, frame, view)
            for sequence, labels in self._labels.items()
            for frame in range(len(labels))
            for view in self._folder.views
        ]
        if not self._folder.images:
            return raw.Survey(labelled, [], self._odd)
        paths = [self._folder.image_path(sequence, view, n) for sequence, n, view in labelled]
        is_there = [path is not None and os.path.isfile(path) for path in paths]
        found = [key for key, there in zip(labelled, is_there, strict=True) if there]
        missing = [
            raw_files.missing_image(path)
            for path, there in zip(paths, is_there, strict=True)
            if path and not there
        ]
        return raw.Survey(found, missing, self._odd)

    def where(self, key: tuple[str, int, str], /) -> str:
        """As `raw.RawSplit.where`."""
        sequence, frame, view = key
        return f"{self._folder.label_path(sequence)}, frame {frame}, view {view}"

    def example(self, key: tuple[str, int, str]) -> RawExample:
        """The hand of a sequence's frame, as a view sees it. Raises `BadSample`."""
        sequence, frame, view = key
        labelled = one_hand(self._labels[sequence][frame], view)
        name = f"stb/{sequence}/{view}/{frame}"
        path = self._folder.image_path(sequence, view, frame)
        if path is None:
            return {**labelled, "id": name}
        image = raw_files.read_image(path, self._folder.raw_dir)
        if encoded.size(image) != SIZE:
            raise BadSample(path, f"is not of {SIZE[0]}×{SIZE[1]} px, as STB's cameras see")
        return {**labelled, "image": image, "id": name}


class Stb(Builder):
    """STB as a TensorFlow dataset."""


def read_labels(path: str, root: str) -> Float[np.ndarray, "frames 21 3"]:
    """Labels of a sequence in mm, native order, of a file below `root`. Raises `BadSample`."""
    try:
        if raw_files.leads_out(path, root):
            raise ValueError(f"is a link that leads out of {root}")
        labels = matlab.read(path, "handPara")
        if labels.ndim != 3 or labels.shape[:2] != (3, hand.NUM_JOINTS) or not labels.size:
            raise ValueError(f"handPara is {labels.shape}, not (3, 21, frames)")
    except OSError as error:
        raise BadSample(path, f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BadSample(path, f"{error}; download it again") from None
    return labels.transpose(2, 1, 0)


def one_hand(label_mm: Float[np.ndarray, "21 3"], view: str) -> RawHand:
    """The hand of a label (native order) as `view` sees it."""
    points = to_view(label_mm, view)
    xyz_mm = points[hand.STB_TO_CANONICAL]
    palm_mm = points[PALM]
    wrist, ring_mcp = hand.PALM_JOINTS["stb"]
    xyz_mm[wrist] = xyz_mm[ring_mcp] + 2 * (palm_mm - xyz_mm[ring_mcp])
    K = SK_COLOR_K if view == "color" else BB_K
    return raw.all_visible(xyz_mm, palm_mm, K, hand.LEFT)


def to_view(points_mm: Float[np.ndarray, "N 3"], view: str) -> Float[np.ndarray, "N 3"]:
    """Labelled points → the frame of a view's own camera."""
    if view == "left":
        return points_mm.copy()
    if view == "right":
        return points_mm - [BASELINE_MM, 0, 0]
    return Rotation.from_rotvec(SK_ROTATION_VECTOR).apply(points_mm - SK_TRANSLATION_MM)
