"""Cameras: one that is not there, and one that is played by a fake of OpenCV's."""

import numpy as np
import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.photos import webcam
from dcmls_tf.photos.sources import CAMERA, Source
from dcmls_tf.photos.webcam import Webcam

cv2 = pytest.importorskip("cv2")


class Capture:
    """Gives blue frames, as many as it has, of a side that it says."""

    def __init__(self, frames: int = 3, side: float = 100):
        self.left, self.side, self.released = frames, side, False

    def isOpened(self):
        return True

    def get(self, what):
        return 25.0 if what == cv2.CAP_PROP_FPS else self.side

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full((6, 8, 3), (200, 0, 0), np.uint8)

    def release(self):
        self.released = True


def test_a_camera_that_is_not_there():
    with pytest.raises(UserError, match="no such camera"):
        Webcam(Source(CAMERA, "97"))


def test_frames_have_the_times_of_the_clock(monkeypatch):
    capture, clock = Capture(), iter([7.0, 7.5, 9.0])
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)
    monkeypatch.setattr(webcam.time, "monotonic", lambda: next(clock))
    camera = Webcam(Source(CAMERA, "0"), focal=50)
    frames = list(camera)
    assert camera.fps == 25
    assert [(f.frame, f.time_s) for f in frames] == [(0, 0.0), (1, 0.5), (2, 2.0)]
    assert frames[0].pixels[0, 0].tolist() == [0, 0, 200]
    assert (frames[0].size, frames[0].K[0, 0]) == ((8, 6), 50)
    assert capture.released


def test_frames_of_very_many_pixels_are_refused_unread(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Capture(side=20_000))
    with pytest.raises(UserError, match="frames of too many pixels"):
        Webcam(Source(CAMERA, "0"))
