"""A camera at this machine, by OpenCV: read as `Photo`s, until it is taken away."""

import math
import time
from collections.abc import Iterator

from dcmls_tf.errors import UserError
from dcmls_tf.photos import opencv
from dcmls_tf.photos.photo import MOST_PIXELS, Photo, camera
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import DEFAULT_FPS


class Webcam:
    """The frames of a camera, by the clock. Raises `UserError` when there is none of its number.

    `fps`, `frames`, `lost` and `incomplete` are those of a `Video`.
    """

    lost, incomplete, frames = 0, False, None

    def __init__(self, source: Source, focal: float | None = None):
        cv2 = opencv.load()
        self.source, self._focal = source, focal
        self._capture = cv2.VideoCapture(int(source.name))
        if not self._capture.isOpened():
            raise UserError(f"{source.name}: there is no such camera")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        if math.prod(self._capture.get(side) for side in sides) > MOST_PIXELS:
            raise UserError(f"{source.name}: has frames of too many pixels; set it to smaller ones")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float = fps if 0 < fps < 1000 else DEFAULT_FPS

    def __iter__(self) -> Iterator[Photo]:
        cv2 = opencv.load()
        first_s, number = None, 0
        try:
            while (read := self._capture.read())[0]:
                now_s = time.monotonic()
                first_s = now_s if first_s is None else first_s
                pixels = cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
                size = pixels.shape[1], pixels.shape[0]
                K, origin = camera(size, self._focal)
                yield Photo(self.source.name, pixels, size, K, origin, number, now_s - first_s)
                number += 1
        finally:
            self._capture.release()
