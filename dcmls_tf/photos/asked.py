"""Which hands of a picture are meant, as the command line says it."""

import dataclasses
from typing import TYPE_CHECKING, Self

from absl import flags

from dcmls_tf import hand
from dcmls_tf.photos import boxes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from dcmls_tf.photos.detection import Detection
    from dcmls_tf.photos.hands import RegionFinder


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
        "max_hands", 4, "Hands found in a picture.", lower_bound=1, flag_values=flag_values
    )


@dataclasses.dataclass(frozen=True)
class HandsAsked:
    """Which hands are meant, as `hands.finder` takes it; without boxes and keypoints, detected."""

    boxes: tuple[tuple[float, ...], ...] = ()
    keypoints_path: str | None = None
    side: int | None = None
    max_hands: int = 4
    min_confidence: float = 0.0

    @classmethod
    def from_flags(cls, flag_values: flags.FlagValues = flags.FLAGS) -> Self:
        """What the command line asks for. Raises `UserError` for a box that is none."""
        return cls(
            tuple(tuple(boxes.parse(text)) for text in flag_values.box),
            flag_values.keypoints,
            flag_values.side and hand.SIDES.index(flag_values.side),
            flag_values.max_hands,
            flag_values.min_confidence,
        )

    @property
    def detects(self) -> bool:
        """Whether a detector has to find them."""
        return not self.boxes and not self.keypoints_path

    def finder(
        self, detector: "Callable[[np.ndarray], list[Detection]] | None" = None
    ) -> "RegionFinder":
        """What finds them, by `detector` or one of its own. Raises `UserError`."""
        from dcmls_tf.photos import detection, hands

        if self.detects and detector is None:
            detector = detection.Detector(self.max_hands)
        return hands.finder(
            self.boxes, self.keypoints_path, self.side, detector, self.min_confidence
        )
