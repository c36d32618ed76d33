"""Which hands of a picture are meant, as the command line says it."""

import dataclasses
import math
from typing import TYPE_CHECKING, Self

from absl import flags

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import boxes, detection

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from dcmls_tf.photos.detection import Detection, Detector
    from dcmls_tf.photos.hands import RegionFinder
    from dcmls_tf.photos.photo import Photo

MAX_HANDS = 4
# What a single look at a picture does not find: hands that are small in it, among many.
MANY_TILES, MOST_TILES = 4, 8


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """The flags that say which hands, and by what camera they are seen."""
    flags.DEFINE_multi_string(
        "box", [], "left,top,right,bottom px around a hand's joints.", flag_values=flag_values
    )
    flags.DEFINE_string(
        "keypoints",
        None,
        "File of 2D keypoints: lists, CSV, COCO, MediaPipe, OpenPose (docs/formats.md).",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "min_confidence",
        0.0,
        "Keypoints of a file that are not surer are put in line with others.",
        lower_bound=0,
        upper_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "side",
        None,
        hand.SIDES,
        "Which hand it is (the detector's, or right).",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "focal",
        None,
        "Focal length in px (EXIF's, or a guess).",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "max_hands", MAX_HANDS, "Hands found in a picture.", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_float(
        "min_score",
        detection.MIN_PRESENCE,
        "Least confidence of the detector in a hand.",
        lower_bound=0,
        upper_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "tiles",
        0,
        "Hands that are small in the picture are looked for in 2, 3, … up to so many squares along "
        f"its longer side; 1: in the whole alone; 0: {MANY_TILES} where --max_hands is above "
        f"{MAX_HANDS}, or 1.",
        lower_bound=0,
        upper_bound=MOST_TILES,
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "mirror",
        False,
        "The pictures are mirrored, as selfie cameras' are: turn them back first. Sides, joints, "
        "px and --box are of the picture turned back.",
        flag_values=flag_values,
    )


@dataclasses.dataclass(frozen=True)
class HandsAsked:
    """Which hands are meant, as `hands.finder` takes it; without boxes and keypoints, detected."""

    boxes: tuple[tuple[float, ...], ...] = ()
    keypoints_path: str | None = None
    side: int | None = None
    max_hands: int = MAX_HANDS
    min_confidence: float = 0.0
    min_score: float = detection.MIN_PRESENCE
    tiles: int = 1
    mirror: bool = False

    @classmethod
    def from_flags(cls, flag_values: flags.FlagValues = flags.FLAGS) -> Self:
        """What the command line asks for.

        Raises `UserError` for a box that is none, boxes and keypoints together, and numbers that
        are not finite.
        """
        for name in ("focal", "min_confidence", "min_score"):
            value = flag_values[name].value
            if value is not None and not math.isfinite(value):
                raise UserError(f"--{name}={value}: must be finite")
        if flag_values.keypoints == "":
            raise UserError("--keypoints=: give a file, or leave it out")
        if flag_values.box and flag_values.keypoints:
            raise UserError("--box and --keypoints: give one of them")
        return cls(
            tuple(tuple(boxes.parse(text)) for text in flag_values.box),
            flag_values.keypoints,
            flag_values.side and hand.SIDES.index(flag_values.side),
            flag_values.max_hands,
            flag_values.min_confidence,
            flag_values.min_score,
            flag_values.tiles or (MANY_TILES if flag_values.max_hands > MAX_HANDS else 1),
            flag_values.mirror,
        )

    @property
    def detects(self) -> bool:
        """Whether a detector has to find them."""
        return not self.boxes and not self.keypoints_path

    def upright(self, photo: "Photo") -> "Photo":
        """The photo that they are looked for in: turned back where it is mirrored."""
        return photo.unmirrored() if self.mirror else photo

    def detector(self) -> "Detector":
        """What finds them. Raises `UserError` when its networks cannot be had."""
        return detection.Detector(self.max_hands, min_score=self.min_score, tiles=self.tiles)

    def said(self) -> dict[str, float | bool]:
        """What of this an answer tells; of the detector where it was asked."""
        if not self.detects:
            return {"mirror": self.mirror}
        names = "max_hands", "min_score", "tiles", "mirror"
        return {name: getattr(self, name) for name in names}

    def finder(
        self, detector: "Callable[[np.ndarray], list[Detection]] | None" = None
    ) -> "RegionFinder":
        """What finds them, by `detector` or one of its own. Raises `UserError`."""
        from dcmls_tf.photos import hands

        if self.detects and detector is None:
            detector = self.detector()
        return hands.finder(
            self.boxes, self.keypoints_path, self.side, detector, self.min_confidence
        )
