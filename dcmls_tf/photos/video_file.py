"""Videos as they are written: H.264 in MP4, which browsers play, each frame at its own time."""

import os
from fractions import Fraction
from typing import Any, Self

import numpy as np
from jaxtyping import UInt8

from dcmls_tf.errors import UserError

# By preference; builds of FFmpeg without x264 have VP9, which browsers play in MP4 too. Frames are
# stored in the order in which they are shown (`bf`): otherwise a file of uneven times says of each
# how long another one lasts, and browsers go by that.
ENCODERS = {
    "libx264": {"crf": "21", "preset": "veryfast", "bf": "0"},
    "libvpx-vp9": {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "5"},
}
TICKS = 90_000  # a second, as is usual in MP4


class VideoFile:
    """An MP4 file that is complete or absent: `add` frames within `with`.

    fps: about how many frames a second come, for the encoder.
    """

    def __init__(self, path: str, fps: float):
        self._path, self._fps = path, fps
        self._partial = f"{os.path.splitext(path)[0]}.partial.mp4"
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def __enter__(self) -> Self:
        return self

    def add(self, picture: UInt8[np.ndarray, "H W 3"], time_s: float) -> None:
        """A frame in RGB and when it is shown, in the first one's size. Raises `UserError`."""
        import av

        picture = _even(picture)
        try:
            container = self._container or self._start(picture.shape[1], picture.shape[0])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            # Frames of one time, or before the one that they follow, are a tick later.
            self._last = max(round(time_s * TICKS), self._last + 1)
            frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
            container.mux(self._stream.encode(frame))
        except OSError as error:
            raise not_written(self._path, error) from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._container is None:
            return
        wanted = kind is None or kind is KeyboardInterrupt  # What was asked for until then.
        try:
            if wanted:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if wanted:
                os.replace(self._partial, self._path)
        except OSError as error:
            if wanted:
                raise not_written(self._path, error) from None
        finally:
            if os.path.exists(self._partial):
                os.remove(self._partial)

    def _start(self, width: int, height: int) -> Any:
        import av

        # Its index first, so that a browser starts before it has all.
        self._container = av.open(
            self._partial, "w", format="mp4", options={"movflags": "faststart"}
        )
        name = encoder()
        rate = Fraction(self._fps).limit_denominator(1001)
        self._stream = self._container.add_stream(name, rate=rate, options=ENCODERS[name])
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)
        return self._container


def encoder() -> str:
    """The best of `ENCODERS` that PyAV has here. Raises `UserError`."""
    import av

    for name in ENCODERS:
        if name in av.codecs_available:
            return name
    raise UserError(f"PyAV has none of {', '.join(ENCODERS)}; install its wheel from PyPI")


def not_written(path: str, error: OSError) -> UserError:
    """What a user is told when a file below `--out_dir` cannot be written."""
    return UserError(f"--out_dir: {path} cannot be written ({error.strerror})")


def _even(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H2 W2 3"]:
    """Colours are kept for 2 × 2 px together."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
