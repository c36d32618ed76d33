"""Addresses, at a server of this machine: pictures, videos, streams, and what is refused."""

import contextlib
import http.server
import threading

import pytest
import videos
from PIL import Image

from dcmls_tf.errors import UserError
from dcmls_tf.photos import photo, remote
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import Video


@contextlib.contextmanager
def serving(answers):
    """The address of a server; path → type and content, or where it leads."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = answers.get(self.path.partition("?")[0])
            if isinstance(found, tuple):
                self.send_response(200)
                self.send_header("Content-Type", found[0])
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(found[1])
            elif found:
                self.send_response(302)
                self.send_header("Location", found)
                self.end_headers()
            else:
                self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def content(tmp_path):
    Image.fromarray(videos.picture(3)).save(tmp_path / "a.png")
    videos.write(tmp_path / "v.mp4")
    return {name: (tmp_path / name).read_bytes() for name in ("a.png", "v.mp4")}


def test_pictures_and_videos_are_fetched(content):
    answers = {
        "/named.png": ("application/octet-stream", content["a.png"]),
        "/typed": ("image/png", content["a.png"]),
        "/named.mp4": ("application/octet-stream", content["v.mp4"]),
        "/film": ("video/mp4", content["v.mp4"]),
        "/moved": "/typed",
    }
    with serving(answers) as url:
        for path in ("/named.png?size=9", "/typed", "/moved"):
            with remote.fetched(url + path) as source:
                assert (source.kind, source.name) == ("picture", url + path)
                picture = photo.read(source.content, name=source.name)
            assert picture.source == url + path
            assert videos.bar(picture.pixels) == 3
        for path in ("/named.mp4", "/film"):
            with remote.fetched(url + path) as source:
                assert source.kind == "video"
                frames = list(Video(source))
            assert [videos.bar(f.pixels) for f in frames] == list(range(12))
            assert frames[0].source == url + path


def test_more_than_the_limit_is_refused(content, monkeypatch):
    monkeypatch.setattr(remote, "MOST_BYTES", 1000)
    with (
        serving({"/a.png": ("image/png", content["a.png"])}) as url,
        pytest.raises(UserError, match=r"a\.png: has more than 0 MB; fetch it first"),
        remote.fetched(f"{url}/a.png"),
    ):
        pass


def test_what_has_no_end_is_streamed(tmp_path):
    """As cameras with an address do it: JPEG after JPEG."""
    parts = []
    for number in range(5):
        Image.fromarray(videos.picture(number)).save(tmp_path / "a.jpg", quality=90)
        jpeg = (tmp_path / "a.jpg").read_bytes()
        head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        parts.append(head.encode() + jpeg + b"\r\n")
    kind = "multipart/x-mixed-replace; boundary=next"
    with serving({"/camera": (kind, b"".join(parts))}) as url:
        with remote.fetched(f"{url}/camera") as source:
            assert source == Source("stream", f"{url}/camera")
        frames = list(Video(source))
    assert [videos.bar(f.pixels) for f in frames] == list(range(5))


@pytest.mark.parametrize("path", ["/none", "/elsewhere"])
def test_what_cannot_be_fetched_is_one_sentence(path):
    with serving({"/elsewhere": "ftp://127.0.0.1/a.png"}) as url:
        told = f"{url}{path}: cannot be fetched"
        with pytest.raises(UserError) as raised, remote.fetched(url + path):
            pass
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)


def test_without_a_network_it_is_said():
    for url in ("http://127.0.0.1:9/a.png", "http://no-such-host.invalid/a.png"):
        with (
            pytest.raises(UserError, match=r"cannot be fetched .*look after the network"),
            remote.fetched(url),
        ):
            pass
