"""The demo page before visitors who mean it no good, over HTTP as a browser would speak to it."""

import http.server
import io
import json
import threading
import time
import uuid
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

import bombs
import hand_files
import page_server
import pytest
from PIL import Image

requests = pytest.importorskip("requests")
pytest.importorskip("gradio")
pytestmark = pytest.mark.slow

# Notes every place that the server's process connects to or asks the name of.
SPY = """
import os, socket
connect, look_up = socket.socket.connect, socket.getaddrinfo
def note(place):
    with open(os.environ["SPY_LOG"], "a") as file:
        print(place, file=file)
def noted_connect(self, address):
    note(address if isinstance(address, str) else address[0])
    return connect(self, address)
def noted_look_up(host, *rest, **more):
    note(host)
    return look_up(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = noted_connect, noted_look_up
"""


class Page(NamedTuple):
    """A served page: its address, the folder of its uploads, the places it spoke to, its log."""

    url: str
    cache: Path
    spoken_to: Path
    log: Path

    def upload(self, content: bytes, name: str = "a.png") -> Any:
        """The response to a file."""
        files = {"files": (name, content, "image/png")}
        return requests.post(f"{self.url}gradio_api/upload", files=files, timeout=120)

    def find(self, path: str, box: str = "5,5,60,60", **more: str) -> dict[str, Any]:
        """What the button answers for a file by its path on the server: the last event."""
        config = requests.get(f"{self.url}config", timeout=60).json()
        (find,) = [d for d in config["dependencies"] if d["targets"][0][1] == "click"]
        visitor = uuid.uuid4().hex
        photo = {"path": path, "meta": {"_type": "gradio.FileData"}, **more}
        data = [photo, "left", box, False]
        event = {"data": data, "fn_index": find["id"], "session_hash": visitor}
        joined = requests.post(f"{self.url}gradio_api/queue/join", json=event, timeout=60)
        if not joined.ok:
            return {"status": joined.status_code, "output": joined.json()}
        address = f"{self.url}gradio_api/queue/data?session_hash={visitor}"
        with requests.get(address, stream=True, timeout=120) as events:
            for line in events.iter_lines():
                message = json.loads(line.removeprefix(b"data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    return message
        raise AssertionError("the page did not answer")

    def refusal(self, path: str, **more: str) -> str:
        """The sentence with which the button refuses a file."""
        answer = self.find(path, **more)
        assert answer.get("success") is not True, answer
        return str(answer["output"].get("error") or answer["output"].get("detail"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "sitecustomize.py").write_text(SPY)
    run_dir = hand_files.write_run(tmp_path_factory.mktemp("run"))
    env = {
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "SPY_LOG": str(folder / "spoken_to"),
        "PYTHONPATH": str(folder),
    }
    with page_server.serving(run_dir, folder, **env) as url:
        yield Page(url, folder / "cache", folder / "spoken_to", folder / "demo.log")


def encoded(form="PNG", size=(160, 120)):
    content = io.BytesIO()
    Image.new("RGB", size, (0, 0, 60)).save(content, form)
    return content.getvalue()


def kept(page):
    return {path for path in page.cache.rglob("*") if path.is_file()}


def test_a_good_photo_is_answered(page):
    (path,) = page.upload(encoded()).json()
    answer = page.find(path)
    assert answer["success"], answer
    assert any("1 hand: left (given)" in str(value) for value in answer["output"]["data"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture at all", "is no picture that can be read"),
        (b"", "is empty"),
        (encoded()[:80], "is damaged"),
        (encoded("EPS"), "is no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture that can be read"),
    ],
    ids=["text", "empty", "cut", "EPS", "SVG"],
)
@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.gif"])
def test_garbage_gets_a_sentence(content, said, name, page):
    (path,) = page.upload(content, name).json()
    told = page.refusal(path, orig_name=name)
    assert said in told
    assert str(page.cache) not in told


def test_a_picture_of_169_million_pixels_is_refused_at_once(page):
    (path,) = page.upload(bombs.blank_png(13_000, 13_000)).json()
    started = time.monotonic()
    assert "more than 120 million pixels" in page.refusal(path)
    assert time.monotonic() - started < 20


def test_an_upload_that_is_too_large_is_refused_and_not_kept(page):
    before = kept(page)
    response = page.upload(b"\0" * 40_000_000)
    assert response.status_code == 413
    assert kept(page) == before


def test_a_request_that_is_too_large_is_refused(page):
    body = {"data": ["x" * 40_000_000], "fn_index": 0, "session_hash": "a"}
    response = requests.post(f"{page.url}gradio_api/queue/join", json=body, timeout=60)
    assert response.status_code == 413
    unknown = requests.post(f"{page.url}gradio_api/queue/join", data=iter([b"{", b"}"]), timeout=60)
    assert unknown.status_code == 411


@pytest.mark.parametrize(
    "name",
    ["../../escaped.png", "/tmp/escaped.png", "..\\escaped.png", "a/../../../escaped.png", "..",
     "%2e%2e%2fescaped.png", "escaped.png\0.html", "x" * 5000 + ".png", "<img onerror=1>.png"],
)  # fmt: skip
def test_no_name_leads_out_of_the_uploads(name, page):
    before = kept(page)
    response = page.upload(encoded(size=(9, 9 + len(name) % 90)), name)
    for path in response.json() if response.ok else ():
        assert Path(path).resolve().is_relative_to(page.cache.resolve())
    assert not list(page.cache.parent.glob("*escaped*"))
    assert not list(Path("/tmp").glob("*escaped*"))
    assert all(path.is_relative_to(page.cache) for path in kept(page) - before)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "{cache}/../spoken_to", "{cache}/../../../../../../etc/passwd", "~/.bashrc",
     "//etc/passwd", "file:///etc/passwd", "{cache}%2f..%2fspoken_to", "setup.py", ".git/config",
     "/proc/self/environ"],
)  # fmt: skip
def test_no_path_leads_out_of_the_uploads(path, page):
    path = path.format(cache=page.cache)
    for method in (requests.get, requests.head):
        response = method(f"{page.url}gradio_api/file={path}", timeout=60)
        assert response.status_code in (400, 403, 404)
    answer = page.find(path)
    assert answer.get("success") is not True
    assert "root:" not in json.dumps(answer)


class Counting(http.server.BaseHTTPRequestHandler):
    """Counts who comes."""

    visits = 0

    def do_GET(self) -> None:
        type(self).visits += 1
        self.send_response(200)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_no_url_is_fetched(page):
    inside = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=inside.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{inside.server_port}/secret.png"
    try:
        paths = (url, url.replace("http", "HTTP"), "https://example.com/a.png")
        more_of = ({}, {"url": url})
        for path, more in ((p, m) for p in (*paths, "a.png") for m in more_of):
            assert page.find(path, **more).get("success") is not True
        for route in ("proxy=", "file=", "file=%20", "file=/", "FILE="):
            for address in (url, url.replace("http", "HTTP"), url.replace("http", "%68ttp")):
                response = requests.get(f"{page.url}gradio_api/{route}{address}", timeout=60)
                assert response.status_code in (403, 404)
    finally:
        inside.shutdown()
        inside.server_close()
    assert Counting.visits == 0


def test_more_visitors_than_the_queue_holds_are_told_so(page):
    (path,) = page.upload(encoded()).json()
    with futures.ThreadPoolExecutor(60) as visitors:
        answers = list(visitors.map(lambda _: page.find(path), range(60)))
    served = sum(answer.get("success") is True for answer in answers)
    turned_away = [a for a in answers if "full" in json.dumps(a.get("output")).lower()]
    assert served + len(turned_away) == 60
    assert served >= 20
    assert turned_away


def test_routes_beside_the_queue_are_closed(page):
    for route in ("run/predict", "api/find", "run/find"):
        data = {"data": [None, "left", "", False], "fn_index": 0}
        response = requests.post(f"{page.url}gradio_api/{route}", json=data, timeout=60)
        assert response.status_code >= 400


def test_nobody_else_is_spoken_to(page):
    """No telemetry, no fonts, no version check: the last test, after all that the others did."""
    places = set(page.spoken_to.read_text().split())
    assert places <= {"127.0.0.1", "localhost", "::1", "0.0.0.0"}
