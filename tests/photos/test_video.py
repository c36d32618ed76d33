"""Videos, good and damaged, and cameras: which frames are given, what is said.

Covers `opencv`; `test_output` covers `VideoFile`.
"""

import numpy as np
import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import Video

cv2 = pytest.importorskip("cv2")


def write_video(path, frames=12):
    """Frames with a bright bar that moves to the right."""
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120))
    for n in range(frames):
        frame = np.random.default_rng(n).integers(0, 60, (120, 160, 3), np.uint8)
        frame[:, 10 * n : 10 * n + 10] = 255
        out.write(frame)
    out.release()


def bar(photo):
    return int(photo.pixels.mean(axis=(0, 2)).argmax()) // 10


def test_videos(tmp_path):
    write_video(tmp_path / "v.avi")
    video = Video(Source("video", str(tmp_path / "v.avi")))
    frames = list(video)
    assert [bar(f) for f in frames] == [f.frame for f in frames] == list(range(12))
    assert [f.time_s for f in frames] == pytest.approx(np.arange(12) / 10, abs=1e-6)
    assert video.fps == 10
    assert video.lost == 0


def test_a_broken_frame_is_left_out_and_counted(tmp_path):
    path = tmp_path / "v.avi"
    write_video(path)
    content = bytearray(path.read_bytes())
    starts = [i for i in range(len(content)) if content.startswith(b"00dc", i)]
    content[starts[5] + 8 : starts[5] + 1500] = bytes(1492)
    path.write_bytes(content)
    video = Video(Source("video", str(path)))
    assert [bar(f) for f in video] == [0, 1, 2, 3, 4, *range(6, 12)] or video.lost == 1
    assert video.lost == 1


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video(tmp_path, content):
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"v\.mp4: is"):
        list(Video(Source("video", str(path))))


def test_a_camera_that_is_not_there():
    with pytest.raises(UserError, match="no such camera"):
        Video(Source("camera", "97"))


class Endless:
    """A capture whose file says that it has very many frames, or very large ones."""

    def __init__(self, frames: float = 12, side: float = 100, good: int = 3):
        self.said = {cv2.CAP_PROP_FRAME_COUNT: frames, cv2.CAP_PROP_FRAME_WIDTH: side}
        self.side, self.good, self.asked = side, good, 0

    def isOpened(self):
        return True

    def get(self, what):
        return self.said.get(what, self.side)

    def read(self):
        self.asked += 1
        good = self.asked <= self.good
        return good, np.zeros((8, 8, 3), np.uint8) if good else None

    def release(self):
        pass


def test_a_file_that_says_it_has_very_many_frames_ends(tmp_path, monkeypatch):
    (tmp_path / "v.avi").write_bytes(b"a")
    capture = Endless(frames=1e12)
    monkeypatch.setattr(cv2, "VideoCapture", lambda name: capture)
    assert len(list(Video(Source("video", str(tmp_path / "v.avi"))))) == 3
    assert capture.asked < 2000
    capture.good = 0
    with pytest.raises(UserError, match="no frame that can be decoded"):
        list(Video(Source("video", str(tmp_path / "v.avi"))))


def test_frames_of_very_many_pixels_are_refused_unread(tmp_path, monkeypatch):
    (tmp_path / "v.avi").write_bytes(b"a")
    capture = Endless(side=20_000)
    monkeypatch.setattr(cv2, "VideoCapture", lambda name: capture)
    with pytest.raises(UserError, match="frames of too many pixels"):
        Video(Source("video", str(tmp_path / "v.avi")))
    assert not capture.asked
