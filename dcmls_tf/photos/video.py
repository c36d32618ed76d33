"""Videos and cameras by OpenCV: read as `Photo`s, written as MP4 files."""

import itertools
import math
import os
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from jaxtyping import UInt8

from dcmls_tf.errors import UserError
from dcmls_tf.photos import opencv
from dcmls_tf.photos.photo import MOST_PIXELS, Photo, camera
from dcmls_tf.photos.sources import Source, shown

DEFAULT_FPS = 30.0
# Containers may say that there are this many frames more than there are.
MISCOUNTED = 1
# Frames in a row that do not decode, after which a video is taken to have ended.
MOST_LOST = 1000


class Video:
    """The frames of a video file or a camera, as `Photo`s.

    Iterating skips frames that do not decode; `lost` says how many there were so far. `frames`
    is how many the file says it has, `None` where it does not. Raises `UserError` when it cannot
    be opened or has no frame that decodes.
    """

    def __init__(self, source: Source, focal: float | None = None):
        cv2 = opencv.load()
        self.source, self._focal, self.lost = source, focal, 0
        is_file = source.kind == "video"
        if is_file and os.path.getsize(source.name) == 0:
            raise UserError(f"{source.name}: is empty; give a video")
        if shown(source.name) != source.name:  # It ends the process.
            raise UserError(f"{source.name}: OpenCV needs a name in UTF-8; rename it")
        self._capture = cv2.VideoCapture(source.name if is_file else int(source.name))
        if not self._capture.isOpened():
            problem = "is damaged or no video" if is_file else "there is no such camera"
            raise UserError(f"{source.name}: {problem}")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        if math.prod(self._capture.get(side) for side in sides) > MOST_PIXELS:
            raise UserError(f"{source.name}: has frames of too many pixels; reduce it first")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float = fps if 0 < fps < 1000 else DEFAULT_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames: int | None = int(count) if is_file and count > 0 else None

    def __iter__(self) -> Iterator[Photo]:
        cv2 = opencv.load()
        try:
            missing, any_decoded = 0, False
            # OpenCV says the same of a frame that does not decode and of the end.
            for number in range(self.frames) if self.frames else itertools.count():
                decoded, pixels = self._capture.read()
                if decoded:
                    self.lost, missing, any_decoded = self.lost + missing, 0, True
                    time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield self._photo(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), number, time_s)
                elif self.frames and missing < MOST_LOST:
                    missing += 1
                else:
                    break
        finally:
            self._capture.release()
        if self.frames and not any_decoded:
            raise UserError(f"{self.source.name}: has no frame that can be decoded")
        if missing > MISCOUNTED:
            self.lost += missing

    def _photo(self, pixels: UInt8[np.ndarray, "h w 3"], number: int, time_s: float) -> Photo:
        size = pixels.shape[1], pixels.shape[0]
        K, origin = camera(size, self._focal)
        return Photo(self.source.name, pixels, size, K, origin, number, time_s)


class VideoFile:
    """An MP4 file that is complete or absent: `add` frames within `with`."""

    def __init__(self, path: str, fps: float):
        self._path, self._fps = path, fps
        self._writer: Any = None
        self._partial = f"{os.path.splitext(path)[0]}.partial.mp4"

    def __enter__(self) -> Self:
        return self

    def add(self, picture: UInt8[np.ndarray, "H W 3"]) -> None:
        """A frame in RGB, all of one size. Raises `UserError`."""
        if self._writer is None:
            cv2 = opencv.load()
            code = cv2.VideoWriter.fourcc(*"mp4v")
            size = picture.shape[1], picture.shape[0]
            self._writer = cv2.VideoWriter(self._partial, code, self._fps, size)
            if not self._writer.isOpened():
                raise UserError(f"--out_dir: {self._path} cannot be written by OpenCV")
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None or kind is KeyboardInterrupt:  # What was asked for until then.
            try:
                os.replace(self._partial, self._path)
            except OSError as error:
                raise not_written(self._path, error) from None
        else:
            os.remove(self._partial)


def not_written(path: str, error: OSError) -> UserError:
    """What a user is told when a file below `--out_dir` cannot be written."""
    return UserError(f"--out_dir: {path} cannot be written ({error.strerror})")
