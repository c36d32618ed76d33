"""Hands followed through a video: each keeps a number and a side, and is looked for where it was.

The palm detector, which takes most of a frame's time and would name hands anew in each, runs
where no hand is followed, where one was lost, and every `LOOK_AROUND` frames for hands that came.
"""

import dataclasses
import itertools
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from dcmls_tf import hand
from dcmls_tf.photos.detection import SAME_HAND_IOU, Detection, iou, roi_of_joints
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.photo import Photo

LOOK_AROUND = 15
# The square that a hand is looked for in stays where it is until a corner is this far off, in its
# sides: where it moves with every frame, joints jump to and fro that rest.
STEADY = 0.05
# What a hand's earlier frames count for its side, against the frame at hand.
_MEMORY = 0.9


class HandDetector(Protocol):
    """What a `Tracker` needs of `detection.Detector`."""

    def __call__(self, pixels: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """The hands in a picture, the surest first."""
        ...

    def again(self, pixels: UInt8[np.ndarray, "H W 3"], known: Detection) -> Detection | None:
        """The hand where a `known` one was."""
        ...


@dataclasses.dataclass
class _Track:
    number: int
    seen: Detection
    looked_for: Detection  # says where to look; as new as `seen`, or a little older
    right: float = 0.0  # above 0 where its frames say that it is a right hand

    def follow(self, detection: Detection) -> None:
        sign = 1 if detection.side == hand.RIGHT else -1
        self.seen = detection
        if _is_off(self.looked_for, detection):
            self.looked_for = detection
        self.right = _MEMORY * self.right + sign * (detection.side_score - 0.5)

    @property
    def side(self) -> int:
        return hand.RIGHT if self.right >= 0 else hand.LEFT


class Tracker:
    """A `hands.RegionFinder` for the frames of one video, in their order.

    A region's `track` is the hand's number, which stays while the hand is seen.
    """

    def __init__(self, detector: HandDetector, max_hands: int = 4, side: int | None = None):
        self._detector, self._max_hands, self._side = detector, max_hands, side
        self._tracks: list[_Track] = []
        self._numbers = itertools.count()
        self._frames = itertools.count()

    def __call__(self, photo: Photo) -> list[HandRegion]:
        """The hands in the next frame, in the order in which they came."""
        before = len(self._tracks)
        self._follow(photo.pixels)
        is_turn = next(self._frames) % LOOK_AROUND == 0
        if is_turn or not self._tracks or len(self._tracks) < before:
            self._look_around(photo.pixels)
        return [self._region(track, photo) for track in self._tracks]

    def _follow(self, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
        tracks, self._tracks = self._tracks, []
        for track in tracks:
            detection = self._detector.again(pixels, track.looked_for)
            if detection and self._is_new(detection):
                track.follow(detection)
                self._tracks.append(track)

    def _look_around(self, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
        if len(self._tracks) >= self._max_hands:
            return
        for detection in self._detector(pixels):
            if len(self._tracks) < self._max_hands and self._is_new(detection):
                track = _Track(next(self._numbers), detection, detection)
                track.follow(detection)
                self._tracks.append(track)

    def _is_new(self, detection: Detection) -> bool:
        return all(iou(detection.box, track.seen.box) < SAME_HAND_IOU for track in self._tracks)

    def _region(self, track: _Track, photo: Photo) -> HandRegion:
        region = HandRegion.from_detection(track.seen, photo)
        region = dataclasses.replace(region, side=track.side, track=track.number)
        return region if self._side is None else region.of_side(self._side)


def _is_off(known: Detection, new: Detection) -> bool:
    """Whether the square around a hand has moved from where it is known."""
    squares = [roi_of_joints(detection.uv) for detection in (known, new)]
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1.0]])
    gap = (corners @ (squares[1] - squares[0]).T)[:, :2]
    return bool(np.abs(gap).max() > STEADY * np.linalg.norm(squares[1][:2, 0]))
