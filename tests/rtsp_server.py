"""An RTSP server of one MPEG transport stream for one client, as RFC 2326 and 3551 have it."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=v\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:v\r\n"
# Seven packets of a transport stream go into one of RTP.
PACKETS, CLOCK_HZ = 7 * 188, 90_000


@contextlib.contextmanager
def serving(path: str) -> Iterator[str]:
    """The address of a video's stream, which ends with the file."""
    with open(path, "rb") as file:
        content = file.read()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, content), daemon=True)
        thread.start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/v"
    thread.join(timeout=20)


def _serve(server: socket.socket, content: bytes) -> None:
    with contextlib.suppress(OSError):
        client, _ = server.accept()
        with client, client.makefile("rb") as requests:
            while _answer(client, requests, content):
                pass


def _answer(client: socket.socket, requests, content: bytes) -> bool:
    lines = []
    while (line := requests.readline().decode().strip()) or not lines:
        if not line:
            return False
        lines.append(line)
    fields = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines[1:])}
    method = lines[0].split()[0]
    body, more = "", ["Session: 1"]
    if method == "DESCRIBE":
        body, more = SDP, ["Content-Type: application/sdp", f"Content-Length: {len(SDP)}"]
    elif method == "SETUP":
        more.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
    head = ["RTSP/1.0 200 OK", f"CSeq: {fields['cseq']}", *more, "", body]
    client.sendall("\r\n".join(head).encode())
    if method != "PLAY":
        return method != "TEARDOWN"
    for number, at in enumerate(range(0, len(content), PACKETS)):
        rtp = struct.pack(">BBHII", 0x80, 33, number, number * CLOCK_HZ // 100, 1)
        packet = rtp + content[at : at + PACKETS]
        client.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
    return False
