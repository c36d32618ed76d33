"""Requests that the guard answers itself; `test_page_limits` sends them to the page."""

import asyncio

import pytest

from dcmls_tf.photos import page_guard


def status_of(path="/", method="GET", **headers):
    """The status of a request that a page answers with 200."""
    sent = []

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        raise AssertionError("the body is not read")

    async def send(message):
        sent.append(message)

    named = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": named}
    guard = page_guard.PageGuard(page, most_bytes=100)
    with asyncio.Runner() as runner:
        runner.run(guard(scope, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/gradio_api/file=/tmp/gradio/a/photo.png", 200),
        ("/gradio_api/file=http://example.com/a", 403),
        ("/gradio_api/file= HTTPS://example.com/a", 403),
        ("/gradio_api/file=ftp://example.com/a", 403),
        ("/gradio_api/proxy=https://a.hf.space/b", 403),
    ],
)
def test_nothing_is_fetched_from_elsewhere(path, status):
    assert status_of(path) == status


@pytest.mark.parametrize(("length", "status"), [("100", 200), ("101", 413), ("many", 411)])
def test_a_body_has_to_be_short(length, status):
    assert status_of("/gradio_api/upload", "POST", content_length=length) == status
    assert status_of("/gradio_api/upload", "POST") == 411


@pytest.mark.parametrize("path", ["http://example.com/a", " HTTPS://example.com", "data:x,y"])
def test_a_photos_path_is_no_address(path):
    async def move(path):
        return f"cached {path}"

    async def moved(path):
        return await page_guard.uploads_only(move)(path)

    with asyncio.Runner() as runner:
        assert runner.run(moved("/tmp/a.png")) == "cached /tmp/a.png"
        with pytest.raises(ValueError, match="nothing from elsewhere"):
            runner.run(moved(path))
