"""Hands followed through a video: each keeps a number and a side, and is looked for where it was.

The palm detector, which takes most of a frame's time and would name hands anew in each, runs
where no hand is followed, for a second after one was lost, and every half a second for hands that
came. A hand that was lost and comes back near where it was keeps its number.
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

# Frames after which it is looked for new hands, at a usual rate; time stamps say when that is.
LOOK_AROUND, USUAL_FPS = 15, 30.0
# How long a lost hand is remembered, and how far off it may be found again, in its box's sides.
REMEMBERED_S, NEAR = 1.0, 1.0
# The square that a hand is looked for in stays where it is until a corner is this far off, in its
# sides: where it moves with every frame, joints jump to and fro that rest.
STEADY = 0.05
# What a hand's earlier frames count for its side, against the frame at hand.
MEMORY = 0.9


class HandDetector(Protocol):
    """What a `Tracker` needs of `detection.Detector`."""

    def __call__(self, pixels: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """The hands in a picture, the surest first."""
        ...

    def again(self, pixels: UInt8[np.ndarray, "H W 3"], known: Detection) -> Detection | None:
        """The hand where a `known` one was."""
        ...


@dataclasses.dataclass(eq=False)
class _Track:
    number: int
    seen: Detection
    looked_for: Detection  # says where to look; as new as `seen`, or a little older
    right: float = 0.0  # above 0 where its frames say that it is a right hand
    last_s: float = 0.0

    def follow(self, detection: Detection, now_s: float) -> None:
        self.last_s = now_s
        sign = 1 if detection.side == hand.RIGHT else -1
        self.seen = detection
        if _is_off(self.looked_for, detection):
            self.looked_for = detection
        self.right = MEMORY * self.right + sign * (detection.side_score - 0.5)

    @property
    def side(self) -> int:
        return hand.RIGHT if self.right >= 0 else hand.LEFT

    def gap(self, detection: Detection) -> float:
        """How far off a detection is from where the hand was seen, in the sides of its box."""
        (near, far), (new_near, new_far) = (d.box.reshape(2, 2) for d in (self.seen, detection))
        middles = (new_near + new_far - near - far) / 2
        return float(np.linalg.norm(middles) / max((far - near).max(), 1e-6))


class Tracker:
    """A `hands.RegionFinder` for the frames of one video, in their order.

    A region's `track` is the hand's number, which stays while the hand is seen, and for a second.
    """

    def __init__(self, detector: HandDetector, max_hands: int = 4, side: int | None = None):
        self._detector, self._max_hands, self._side = detector, max_hands, side
        self._tracks: list[_Track] = []
        self._lost: list[_Track] = []
        self._looked_s = -np.inf
        self._numbers = itertools.count()
        self._frames = itertools.count()

    def __call__(self, photo: Photo) -> list[HandRegion]:
        """The hands in the next frame, in the order in which they came."""
        number = next(self._frames)
        now_s = number / USUAL_FPS if photo.time_s is None else photo.time_s
        self._follow(photo.pixels, now_s)
        is_turn = now_s - self._looked_s > LOOK_AROUND / USUAL_FPS - 1e-6
        self._looked_s = now_s if is_turn else self._looked_s
        if is_turn or not self._tracks or self._lost:
            self._look_around(photo.pixels, now_s)
        return [self._region(track, photo) for track in self._tracks]

    def _follow(self, pixels: UInt8[np.ndarray, "H W 3"], now_s: float) -> None:
        tracks, self._tracks = self._tracks, []
        seen = [(track, self._detector.again(pixels, track.looked_for)) for track in tracks]
        found = [(track.gap(detection), track, detection) for track, detection in seen if detection]
        # Where two end on one hand, it is the nearer one's.
        for _, track, detection in sorted(found, key=lambda one: one[0]):
            if self._is_new(detection):
                track.follow(detection, now_s)
                self._tracks.append(track)
        self._lost += [track for track in tracks if track not in self._tracks]
        self._lost = [track for track in self._lost if now_s - track.last_s <= REMEMBERED_S]
        self._tracks.sort(key=lambda track: track.number)

    def _look_around(self, pixels: UInt8[np.ndarray, "H W 3"], now_s: float) -> None:
        if len(self._tracks) >= self._max_hands:
            return
        for detection in self._detector(pixels):
            if len(self._tracks) < self._max_hands and self._is_new(detection):
                track = self._known(detection)
                track.follow(detection, now_s)
                self._tracks.append(track)
        self._tracks.sort(key=lambda track: track.number)

    def _known(self, detection: Detection) -> _Track:
        """The lost hand that was seen where one is found now, or a new one."""
        near = [track for track in self._lost if track.gap(detection) < NEAR]
        same = [track for track in near if track.side == detection.side] or near
        if not same:
            return _Track(next(self._numbers), detection, detection)
        track = min(same, key=lambda track: track.gap(detection))
        self._lost = [other for other in self._lost if other is not track]
        track.looked_for = detection
        return track

    def _is_new(self, detection: Detection) -> bool:
        return all(iou(detection.box, track.seen.box) < SAME_HAND_IOU for track in self._tracks)

    def _region(self, track: _Track, photo: Photo) -> HandRegion:
        region = HandRegion.from_detection(track.seen, photo)
        region = dataclasses.replace(region, side=track.side, side_score=None, track=track.number)
        return region if self._side is None else region.of_side(self._side)


def _is_off(known: Detection, new: Detection) -> bool:
    """Whether the square around a hand has moved from where it is known."""
    squares = [roi_of_joints(detection.uv) for detection in (known, new)]
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1.0]])
    gap = (corners @ (squares[1] - squares[0]).T)[:, :2]
    return bool(np.abs(gap).max() > STEADY * np.linalg.norm(squares[1][:2, 0]))
