"""Videos as they are written: what a browser plays, with each frame at its time."""

import errno

import numpy as np
import pytest
import videos

from dcmls_tf.errors import UserError
from dcmls_tf.photos import video_file
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import Video
from dcmls_tf.photos.video_file import VideoFile

av = pytest.importorskip("av")


def write(path, times=videos.UNEVEN):
    with VideoFile(str(path), 10) as out:
        for number, time_s in enumerate(times):
            out.add(videos.picture(number), time_s)
    return str(path)


@pytest.mark.parametrize("encoder", video_file.ENCODERS)
def test_frames_are_at_their_times(tmp_path, monkeypatch, encoder):
    monkeypatch.setattr(video_file, "encoder", lambda: encoder)
    path = write(tmp_path / "v.mp4")
    frames = list(Video(Source("video", path)))
    assert [videos.bar(f.pixels) for f in frames] == list(range(len(videos.UNEVEN)))
    np.testing.assert_allclose(videos.times(frames), videos.UNEVEN, atol=1e-4)
    with av.open(path) as container:
        stored = [p for p in container.demux(video=0) if p.pts is not None]
        lasts = np.diff([float(p.pts * p.time_base) for p in stored])
        if encoder == "libx264":  # VP9's file gives all of them the rate's.
            said = [float(p.duration * p.time_base) for p in stored[:-1]]
            np.testing.assert_allclose(said, lasts, atol=1e-4)
        assert (lasts > 0).all()
        context = container.streams.video[0].codec_context
        assert context.name in ("h264", "libvpx-vp9", "vp9")
        assert context.pix_fmt == "yuv420p"
    content = (tmp_path / "v.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_frames_of_one_time_follow_each_other(tmp_path):
    path = write(tmp_path / "v.mp4", [0.0, 0.5, 0.5, 0.4, 1.0])
    frames = list(Video(Source("video", path)))
    assert [videos.bar(f.pixels) for f in frames] == list(range(5))
    assert (np.diff(videos.times(frames)) > 0).all()


def test_odd_sizes_and_sizes_that_change(tmp_path):
    with VideoFile(str(tmp_path / "v.mp4"), 10) as out:
        out.add(np.full((31, 45, 3), 200, np.uint8), 0)
        out.add(np.full((60, 90, 3), 200, np.uint8), 0.1)
    frames = list(Video(Source("video", str(tmp_path / "v.mp4"))))
    assert [f.size for f in frames] == [(46, 32)] * 2
    assert np.abs(frames[1].pixels.astype(int) - 200).max() < 12


@pytest.mark.parametrize(("error", "kept"), [(ValueError, False), (KeyboardInterrupt, True)])
def test_a_file_is_complete_or_absent(tmp_path, error, kept):
    def write_and_fail():
        with VideoFile(str(tmp_path / "v.mp4"), 10) as out:
            out.add(videos.picture(0), 0)
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"] * kept


def test_a_video_without_a_frame_leaves_no_file(tmp_path):
    with VideoFile(str(tmp_path / "v.mp4"), 10):
        pass
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"--out_dir: .*none/v\.mp4 cannot be written"):
        write(tmp_path / "none" / "v.mp4")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(video_file.os, "replace", full)
    with pytest.raises(UserError, match=r"v\.mp4 cannot be written \(No space left"):
        write(tmp_path / "v.mp4")
    assert not list(tmp_path.iterdir())


def test_without_an_encoder_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with pytest.raises(UserError, match="install its wheel"):
        video_file.encoder()


@pytest.mark.slow
@pytest.mark.parametrize("encoder", video_file.ENCODERS)
def test_a_browser_plays_it_at_its_times(tmp_path, monkeypatch, encoder):
    import browser
    from selenium.webdriver.support.ui import WebDriverWait

    monkeypatch.setattr(video_file, "encoder", lambda: encoder)
    write(tmp_path / "v.mp4")
    (tmp_path / "index.html").write_text("<video src=v.mp4 muted></video>")
    seek = """
        const done = arguments[arguments.length - 1], video = document.querySelector('video');
        video.onerror = () => done(String(video.error.message));
        video.onseeked = () => done([video.videoWidth, video.videoHeight, video.duration]);
        video.currentTime = arguments[0];
    """
    with browser.chromium(tmp_path / "profile") as driver:
        driver.get((tmp_path / "index.html").as_uri())
        wait = WebDriverWait(driver, 20)
        state = "return document.querySelector('video').readyState"
        wait.until(lambda d: d.execute_script(state) >= 2)
        for number in range(len(videos.UNEVEN) - 1):
            middle = videos.UNEVEN[number] + 0.02
            width, height, duration = driver.execute_async_script(seek, middle)
            assert (width, height) == (videos.WIDTH, videos.HEIGHT)
            assert duration == pytest.approx(videos.UNEVEN[-1], abs=1.0)
            element = driver.find_element("css selector", "video")
            (tmp_path / "shown.png").write_bytes(element.screenshot_as_png)
            assert videos.bar(_shown(tmp_path / "shown.png")) == number


def _shown(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))
