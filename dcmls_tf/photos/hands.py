"""The hands of a photo as data: where they are, given or detected, and their poses."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from dcmls_tf import hand
from dcmls_tf.photos import boxes, keypoints
from dcmls_tf.photos.detection import Detection
from dcmls_tf.photos.keypoints import Keypoints
from dcmls_tf.photos.photo import Photo

GIVEN, DETECTED, COMPARED, ASSUMED = "given", "detected", "compared", "assumed"


@dataclasses.dataclass(frozen=True)
class HandRegion:
    """Where a hand is in a photo, in px of the file, and which hand it is.

    box: left, top, right, bottom, tight around the joints.
    side: `hand.LEFT` or `hand.RIGHT`; `side_from` says how it is known: `given`, `detected`,
        `compared` (see `sides`) or `assumed`.
    keypoints: the joints, where they are known.
    score: the detector's confidence, where it found the hand.
    side_score: the detector's confidence in the side it says, 0.5 to 1; in videos, where earlier
        frames count as well, `None`.
    track: in a video, the hand's number, the same in all its frames.
    depths: the detector's, of the joints, in px (see `Detection`).
    filled: names of keypoints that were not given, or not surely, and put in line with others.
    """

    box: Float[np.ndarray, "4"]
    side: int = hand.RIGHT
    side_from: str = ASSUMED
    keypoints: Float[np.ndarray, "21 2"] | None = None
    score: float | None = None
    track: int | None = None
    filled: tuple[str, ...] = ()
    side_score: float | None = None
    depths: Float[np.ndarray, "21"] | None = None

    @classmethod
    def from_keypoints(
        cls,
        keypoints: ArrayLike,
        side: int = hand.RIGHT,
        side_from: str = ASSUMED,
        score: float | None = None,
    ) -> Self:
        """The region around keypoints `[21, 2]` px."""
        uv = np.asarray(keypoints, np.float32)
        return cls(boxes.around(uv), side, side_from, uv, score)

    @classmethod
    def from_file(cls, given: Keypoints) -> Self:
        """The region of a hand in a file of keypoints."""
        side, known = (hand.RIGHT, ASSUMED) if given.side is None else (given.side, GIVEN)
        region = cls.from_keypoints(given.uv, side, known)
        return dataclasses.replace(region, filled=given.filled)

    @classmethod
    def from_detection(cls, detection: Detection, photo: Photo) -> Self:
        """The region of a hand that was detected in a photo's `pixels`."""
        uv = detection.uv / photo.reduction
        region = cls.from_keypoints(uv, detection.side, DETECTED, detection.score)
        depths = None if detection.depths is None else detection.depths / photo.reduction
        return dataclasses.replace(region, side_score=detection.side_score, depths=depths)

    def of_side(self, side: int) -> Self:
        """The same region, its side being given."""
        return dataclasses.replace(self, side=side, side_from=GIVEN)


@dataclasses.dataclass(frozen=True)
class HandPose:
    """What a model says of the hand in a `HandRegion`.

    uv: px of the file.
    joints_mm: relative to the root, in the frame of the photo's camera (x right, y down, z
        forward).
    root_mm: where the root is in that frame.
    std_mm: spread of the poses that the model samples, `None` where it cannot sample.
    """

    region: HandRegion
    uv: Float[np.ndarray, "21 2"]
    joints_mm: Float[np.ndarray, "21 3"]
    root_mm: Float[np.ndarray, "3"]
    std_mm: Float[np.ndarray, "21"] | None = None


RegionFinder = Callable[[Photo], list[HandRegion]]


def finder(
    hand_boxes: Sequence[ArrayLike] = (),
    keypoints_path: str | None = None,
    side: int | None = None,
    detector: Callable[[np.ndarray], list[Detection]] | None = None,
    min_confidence: float = 0.0,
) -> RegionFinder:
    """A function that says which hands are in a photo.

    Args:
        hand_boxes: `[4]` px each; a hand a box.
        keypoints_path: a file of keypoints instead (see `keypoints`).
        side: 0 left, 1 right; `None`: the detector's or the file's, or a right hand.
        detector: a `detection.Detector` where neither boxes nor keypoints are given.
        min_confidence: keypoints that are not surer are filled in (see `keypoints`).
    """
    find = _finder(hand_boxes, keypoints_path, detector, min_confidence)
    if side is None:
        return find
    return lambda photo: [region.of_side(side) for region in find(photo)]


def _finder(hand_boxes, keypoints_path, detector, min_confidence) -> RegionFinder:
    if keypoints_path:
        by_picture = keypoints.read(keypoints_path)
        return lambda photo: [
            HandRegion.from_file(given)
            for given in keypoints.of_picture(
                by_picture, photo.source, photo.size, photo.frame, min_confidence
            )
        ]
    if hand_boxes:
        return lambda photo: [HandRegion(np.asarray(box, np.float32)) for box in hand_boxes]
    return lambda photo: [
        HandRegion.from_detection(detection, photo) for detection in detector(photo.pixels)
    ]
