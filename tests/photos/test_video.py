"""Videos, good, cut and damaged, in files and streams: which frames are given, when, what is said.

Covers `containers` too, on files of three kinds.
"""

import os
import struct

import numpy as np
import pytest
import videos

from dcmls_tf.errors import UserError
from dcmls_tf.photos import video as video_lib
from dcmls_tf.photos.sources import STREAM, Source
from dcmls_tf.photos.video import Video

pytest.importorskip("av")


def read(path):
    video = Video(Source("video", str(path)))
    return video, list(video)


def numbers(frames):
    return [videos.bar(frame.pixels) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("v.webm", "libvpx-vp9"),
        ("v.mkv", "libx264"),
        ("v.mp4", "libx264"),
        ("v.mov", "libx265"),
        ("v.3gp", "mpeg4"),
        ("v.flv", "flv1"),
        ("v.ts", "libx264"),
        ("v.avi", "mjpeg"),
        ("v.wmv", "wmv2"),
    ],
)
def test_all_frames_at_their_times_whatever_holds_them(tmp_path, name, codec):
    video, frames = read(videos.write(tmp_path / name, codec))
    assert numbers(frames) == [f.frame for f in frames] == list(range(len(videos.UNEVEN)))
    np.testing.assert_allclose(videos.times(frames), videos.UNEVEN, atol=0.02)
    assert (video.lost, video.incomplete) == (0, False)
    assert video.frames


@pytest.mark.parametrize("name", ["v.mkv", "v.mov", "v.ts"])
def test_remuxed_and_cut_without_encoding(tmp_path, name):
    options = {"g": "4", "bf": "0"}
    whole = videos.write(tmp_path / "whole.mp4", at_s=np.arange(12) / 10, **options)
    video, frames = read(videos.remux(whole, tmp_path / name, start_s=0.5))
    assert numbers(frames) == list(range(numbers(frames)[0], 12))
    assert 0 < numbers(frames)[0] <= 5
    np.testing.assert_allclose(videos.times(frames), np.arange(len(frames)) / 10, atol=2e-3)
    assert (video.lost, video.incomplete) == (0, False)


def test_a_frame_that_does_not_decode_is_left_out_and_counted(tmp_path):
    path = tmp_path / "v.avi"
    videos.write(path, "mjpeg", np.arange(12) / 10)
    content = bytearray(path.read_bytes())
    frames_at = [i for i in range(len(content)) if content[i : i + 4] == b"00dc"]
    start = [i for i in frames_at if content[i + 8 : i + 10] == b"\xff\xd8"][5]
    content[start + 8 : start + 1500] = bytes(1492)
    path.write_bytes(content)
    video, frames = read(path)
    assert video.lost == 1
    assert numbers(frames) == [f.frame for f in frames] == [0, 1, 2, 3, 4, *range(6, 12)]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi"])
def test_what_is_missing_at_the_end_is_said(tmp_path, name):
    path = tmp_path / name
    videos.write(path, "mjpeg" if name == "v.avi" else "libx264", np.arange(12) / 10, bf="0")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    video, frames = read(path)
    assert video.incomplete
    assert numbers(frames) == list(range(len(frames)))
    assert 0 < len(frames) <= 12


# x, y → x, y of the upright picture, as telephones write it, for quarter turns clockwise.
MATRICES = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}


@pytest.mark.parametrize("turns", MATRICES)
def test_videos_that_were_turned_are_upright(tmp_path, turns):
    path = tmp_path / "v.mp4"
    videos.write(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in MATRICES[turns])
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    _, frames = read(path)
    for number in (0, 7):
        stored = np.rot90(frames[number].pixels, turns)
        assert stored.shape == (videos.HEIGHT, videos.WIDTH, 3)
        assert videos.bar(stored) == number
        assert frames[number].size == frames[number].pixels.shape[1::-1]


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video(tmp_path, content):
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"v\.mp4: is"):
        list(Video(Source("video", str(path))))


def test_a_playlist_in_a_videos_place_opens_no_other_file(tmp_path):
    other = videos.write(tmp_path / "other.ts")
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:2,\n{other}\n",
        "ffconcat version 1.0\nfile other.ts\n",
    ):
        (tmp_path / "v.mp4").write_text(text)
        with pytest.raises(UserError, match=r"v\.mp4: is damaged or no video"):
            Video(Source("video", str(tmp_path / "v.mp4")))


def test_a_name_that_is_not_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/v\xff.mp4"
    os.rename(videos.write(tmp_path / "v.mp4"), path)
    _, frames = read(os.fsdecode(path))
    assert len(frames) == len(videos.UNEVEN)


def test_frames_of_very_many_pixels_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(video_lib, "MOST_PIXELS", videos.WIDTH * videos.HEIGHT - 1)
    with pytest.raises(UserError, match="frames of too many pixels"):
        Video(Source("video", videos.write(tmp_path / "v.mp4")))


def test_sound_alone_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        out.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(UserError, match="only sound"):
        Video(Source("video", str(tmp_path / "v.mp4")))


def test_a_stream_that_is_not_there(monkeypatch):
    monkeypatch.setattr(video_lib, "TIMEOUTS_S", (2.0, 2.0))
    with pytest.raises(UserError, match=r"^rtsp://127\.0\.0\.1:9/x: cannot be reached") as raised:
        Video(Source(STREAM, "rtsp://127.0.0.1:9/x"))
    assert "\n" not in str(raised.value)


def test_a_stream_by_rtsp(tmp_path):
    import rtsp_server

    times = np.arange(12) / 10
    with rtsp_server.serving(videos.write(tmp_path / "v.ts", at_s=times, g="1", bf="0")) as url:
        video = Video(Source(STREAM, url))
        frames = list(video)
    assert video.frames is None
    shown = numbers(frames)
    assert len(shown) >= 8  # The first ones tell FFmpeg what comes.
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    np.testing.assert_allclose(np.diff(videos.times(frames)), 0.1, atol=0.01)
