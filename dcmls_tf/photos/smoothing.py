"""Poses of a video made steady, by the One Euro filter (Casiez, Roussel and Vogel, CHI 2012).

A hand that rests is filtered strongly, one that moves fast hardly, so that it does not lag. The
filter is its authors' own; each coordinate has one, in hand's breadths.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float
from OneEuroFilter import OneEuroFilter

from dcmls_tf.photos.hands import HandPose

# Hz of a hand at rest, and how much more for each hand's breadth a second.
MIN_CUTOFF_HZ, BETA = 1.5, 3.0
BREADTH_MM = 80.0
_FORGET_S = 0.5
_ANY_RATE = 30.0  # until two frames have told theirs


class Smoother:
    """Makes the poses of one video's frames steady; called with each frame's, in order."""

    def __init__(self, min_cutoff_hz: float = MIN_CUTOFF_HZ, beta: float = BETA):
        self._options = {"mincutoff": min_cutoff_hz, "beta": beta}
        self._hands: dict[tuple[int, int], tuple[float, _Filters]] = {}

    def __call__(self, poses: Iterable[HandPose], time_s: float) -> list[HandPose]:
        """The poses at `time_s`, each by what its hand did before.

        A hand is told by its region's `track`, or its place among those of the frame, and its
        side; one that was not seen for half a second starts anew.
        """
        return [self._smooth(number, pose, time_s) for number, pose in enumerate(poses)]

    def _smooth(self, number: int, pose: HandPose, time_s: float) -> HandPose:
        track = number if pose.region.track is None else pose.region.track
        key = (track, pose.region.side)
        last_s, filters = self._hands.get(key, (time_s, None))
        if filters is None or time_s - last_s > _FORGET_S:
            side = (pose.region.box[2:] - pose.region.box[:2]).max()
            filters = _Filters(float(max(side, 1.0)), self._options)
        self._hands[key] = (time_s, filters)
        return filters(pose, time_s)


class _Filters:
    """The filters of one hand; `px`: what a hand's breadth is in its picture at first."""

    def __init__(self, px: float, options: dict[str, float]):
        self._px, self._options = px, options
        self._filters: dict[str, list[OneEuroFilter]] = {}

    def __call__(self, pose: HandPose, time_s: float) -> HandPose:
        return dataclasses.replace(
            pose,
            joints_mm=self._filter("joints_mm", pose.joints_mm, BREADTH_MM, time_s),
            root_mm=self._filter("root_mm", pose.root_mm, BREADTH_MM, time_s),
            uv=self._filter("uv", pose.uv, self._px, time_s),
        )

    def _filter(
        self, name: str, values: Float[np.ndarray, "*N"], unit: float, time_s: float
    ) -> Float[np.ndarray, "*N"]:
        flat = np.asarray(values, float).ravel() / unit
        if name not in self._filters:
            self._filters[name] = [OneEuroFilter(_ANY_RATE, **self._options) for _ in flat]
        steady = [one(value, time_s) for one, value in zip(self._filters[name], flat, strict=True)]
        return (unit * np.array(steady)).reshape(np.shape(values)).astype(np.float32)
