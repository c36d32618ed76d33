"""Videos in files and streams by PyAV, FFmpeg's own interface: read as `Photo`s.

Frames are read until the decoder ends and are placed by their time stamps: what a container says
of its frames' number and rate is a guess in WebM, MKV and everything that was cut or remuxed.
"""

import os
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
from jaxtyping import UInt8

from dcmls_tf.errors import UserError
from dcmls_tf.photos import containers
from dcmls_tf.photos.photo import MOST_PIXELS, Photo, camera
from dcmls_tf.photos.sources import STREAM, Source

DEFAULT_FPS = 30.0
# FFmpeg's readers of what cameras, telephones and browsers write. Others open further files.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v"
)
STREAMED = "rtsp,rtp,sdp,hls,mpjpeg,mpegts,mov,mp4,webm,matroska,flv"
NETWORK = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"
# To connect and to wait for more of a stream.
TIMEOUTS_S = (15.0, 15.0)


class Video:
    """The frames of a video file or stream, as `Photo`s, whose first is at 0 s.

    Iterating skips frames that do not decode; `lost` says how many there were so far, and
    `incomplete` whether the file ends before it should. `frames` is about how many there are,
    for a progress bar, `None` where nobody knows. Raises `UserError` when it cannot be opened or
    has no frame that decodes.
    """

    def __init__(self, source: Source, focal: float | None = None):
        self.source, self._focal = source, focal
        self.lost = 0
        self.incomplete = source.kind != STREAM and containers.is_cut_off(source.content)
        self._file, self._container = _open(source)
        try:
            self._stream = _video_stream(source, self._container)
        except UserError:
            self.close()
            raise
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps: float = float(rate) if rate and 0 < rate < 1000 else DEFAULT_FPS
        self.frames: int | None = self._stream.frames or self._frames_of_duration()

    def close(self) -> None:
        """Ends the reading; iterating to the end does so too."""
        self._container.close()
        if self._file:
            self._file.close()

    def __iter__(self) -> Iterator[Photo]:
        first_s, number, any_decoded = None, 0, False
        try:
            for frame in self._decoded():
                if frame is None:
                    self.lost, number = self.lost + 1, number + 1
                    continue
                time_s = number / self.fps if frame.time is None else float(frame.time)
                first_s = time_s if first_s is None else first_s
                pixels = upright(frame)
                if pixels.shape[0] * pixels.shape[1] > MOST_PIXELS:
                    raise _too_large(self.source)
                any_decoded = True
                yield self._photo(pixels, number, time_s - first_s)
                number += 1
        finally:
            self.close()
        if not any_decoded:
            raise UserError(f"{self.source.name}: has no frame that can be decoded")

    def _decoded(self) -> Iterator[Any]:
        """Frames in the order in which they are shown, `None` for what does not decode."""
        import av.error

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, EOFError):
                self.incomplete = True  # The rest is not there, or the network is gone.
                yield from self._last()
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                yield None

    def _last(self) -> Iterator[Any]:
        """The frames that the decoder still holds."""
        import av.error

        try:
            yield from self._stream.decode(None)
        except (av.error.FFmpegError, EOFError):
            return

    def _frames_of_duration(self) -> int | None:
        """Live streams have no duration."""
        duration = self._container.duration
        if self.source.kind == STREAM or not duration:
            return None
        return max(1, round(duration / 1e6 * self.fps))

    def _photo(self, pixels: UInt8[np.ndarray, "h w 3"], number: int, time_s: float) -> Photo:
        size = pixels.shape[1], pixels.shape[0]
        K, origin = camera(size, self._focal)
        return Photo(self.source.name, pixels, size, K, origin, number, time_s)


def _open(source: Source) -> tuple[IO[bytes] | None, Any]:
    """PyAV's container, and the file that it reads."""
    av = _av()
    if source.kind == STREAM:
        options = {"protocol_whitelist": NETWORK, "format_whitelist": STREAMED}
        if source.name.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        return None, _opened(
            source,
            lambda: av.open(source.name, options=options, timeout=TIMEOUTS_S),
            "cannot be reached, or is no video stream",
        )
    path = source.content
    if os.path.getsize(path) == 0:
        raise UserError(f"{source.name}: is empty; give a video")
    # FFmpeg itself knows names in UTF-8 alone.
    file = open(path, "rb")  # noqa: SIM115
    try:
        options = {"protocol_whitelist": "none", "format_whitelist": CONTAINERS}
        opened = _opened(source, lambda: av.open(file, options=options), "is damaged or no video")
    except UserError:
        file.close()
        raise
    return file, opened


def _opened(source: Source, opening: Callable[[], Any], problem: str) -> Any:
    import av.error

    try:
        return opening()
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{source.name}: {problem} ({reason})") from None


def _video_stream(source: Source, container: Any) -> Any:
    if not container.streams.video:
        raise UserError(f"{source.name}: has no pictures, only sound; give a video")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None:
        raise UserError(f"{source.name}: is of a codec that is not known; convert it to H.264")
    if context.width * context.height > MOST_PIXELS:
        raise _too_large(source)
    context.options = {"max_pixels": str(MOST_PIXELS)}
    stream.thread_type = "AUTO"
    return stream


def _too_large(source: Source) -> UserError:
    return UserError(f"{source.name}: has frames of too many pixels; reduce it first")


def upright(frame: Any) -> UInt8[np.ndarray, "h w 3"]:
    """A frame of PyAV's in RGB, as a person sees it: turned as its container says."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _av() -> Any:
    """PyAV, which says nothing itself. Raises `UserError` when it is not installed."""
    try:
        import av.logging
    except ImportError:
        raise UserError("videos need PyAV: pip install '.[predict]'") from None
    av.logging.set_level(None)
    return av
