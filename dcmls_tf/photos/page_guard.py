"""What of a request never reaches the demo page: bodies that are too large, addresses to fetch.

Gradio limits a file's size, not a request's; and it fetches any public address for its visitors,
by a route or as the photo's path.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# An address where a file's path belongs, or Gradio's own way to another server.
ELSEWHERE = re.compile(r"/(file=\s*/*[a-z][a-z0-9+.-]*:|proxy=)", re.IGNORECASE)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class PageGuard:
    """An ASGI middleware before the page.

    Args:
        app: the page.
        most_bytes: how long a request's body may be.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], most_bytes: int):
        self._app, self._most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request itself, or hands it on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, text = refusal
        headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if ELSEWHERE.search(scope["path"]):
            return 403, "This page fetches nothing from elsewhere."
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            return 411, "Say how long the request is."
        if int(length) > self._most_bytes:
            return 413, f"Give at most {self._most_bytes // 1_000_000} MB."
        return None


def uploads_only(move: Callable[[str], Awaitable[str | None]]) -> Callable[[str], Awaitable[Any]]:
    """Gradio's way of a file into its cache, for what was uploaded and not for addresses."""

    async def moved(path: str) -> str | None:
        if re.match(r"\s*[a-z][a-z0-9+.-]*:", path, re.IGNORECASE):
            raise ValueError("this page fetches nothing from elsewhere")
        return await move(path)

    return moved
