"""Pictures and videos at addresses: fetched with a limit, or left to be streamed."""

import contextlib
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

from dcmls_tf.errors import UserError
from dcmls_tf.photos import sources
from dcmls_tf.photos.sources import Source

MOST_BYTES = 500_000_000
TIMEOUT_S = 20.0
# What has no end, or is a list of what is to be played: FFmpeg reads it as it comes.
STREAMED = ("multipart/x-mixed-replace", "application/vnd.apple.mpegurl", "application/x-mpegurl")
_PIECE = 1 << 20


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Source]:
    """What is at an `http(s)://` address: a picture or video in a file, or a stream.

    Raises `UserError` when it cannot be had, or has more than `MOST_BYTES`.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield _in_folder(address, os.path.join(folder, "fetched"))


def _in_folder(address: str, path: str) -> Source:
    try:
        with _opener().open(address, timeout=TIMEOUT_S) as answer:
            kind = _kind(address, answer.headers.get_content_type())
            if kind != sources.STREAM:
                _save(address, answer, path)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{address}: cannot be fetched ({reason}); give a file, or look after the network"
        ) from None
    return Source(kind, address, None if kind == sources.STREAM else path)


def _kind(address: str, content_type: str) -> str:
    path = urllib.parse.urlsplit(address).path
    if content_type in STREAMED or path.lower().endswith(".m3u8"):
        return sources.STREAM
    of_type = content_type.partition("/")[0]
    if of_type in ("video", "image"):
        return sources.VIDEO if of_type == "video" else sources.PICTURE
    return sources.of_extension(path)


def _save(address: str, answer: Any, path: str) -> None:
    size = 0
    with open(path, "wb") as file:
        while piece := answer.read(_PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                raise UserError(
                    f"{address}: has more than {MOST_BYTES / 1e6:.0f} MB; fetch it first, and "
                    "give the file"
                )
            file.write(piece)


class _OnlyHTTP(urllib.request.HTTPRedirectHandler):
    """Python would follow to FTP as well."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[override]
        """The next request. Raises `URLError` for another protocol."""
        if urllib.parse.urlsplit(newurl).scheme.lower() not in ("http", "https"):
            fp.close()
            raise urllib.error.URLError(f"leads to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.build_opener(_OnlyHTTP)
    opener.addheaders = [("User-Agent", "dcmls_tf")]  # Some hosts refuse Python's own.
    return opener
