"""Videos made for tests by PyAV, of a bright bar that moves to the right by its width a frame."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT, BAR = 160, 120, 10
# When frames of a recording whose rate changes are shown, s.
UNEVEN = (0.0, 0.1, 0.15, 0.5, 0.55, 1.0, 1.3, 1.35, 2.0, 2.05, 2.1, 2.9)
MS = Fraction(1, 1000)


def picture(number: int) -> np.ndarray:
    """A frame by its number, RGB."""
    pixels = np.random.default_rng(number).integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, BAR * number : BAR * (number + 1)] = 255
    return pixels


def times(frames: Any) -> np.ndarray:
    """When frames are shown, s; one that does not say is not a number."""
    return np.array([frame.time_s for frame in frames], float)


def bar(pixels: np.ndarray) -> int:
    """The number of a frame by what it shows."""
    return int(pixels.mean(axis=(0, 2)).argmax()) * WIDTH // pixels.shape[1] // BAR


def write(path: Path, codec: str = "libx264", at_s: Any = UNEVEN, **options: str) -> str:
    """A video with a frame at each of `at_s`, in the container that the path's name says."""
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = MS if codec != "mpeg4" else Fraction(1, 100)
        for number, time_s in enumerate(at_s):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time_s / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def remux(path: str, to: Path, start_s: float = 0.0) -> str:
    """A video's packets in another container, without encoding; cut, where `start_s` says so."""
    import av

    with av.open(path) as container, av.open(str(to), "w") as out:
        stream: Any = container.streams.video[0]
        copy = out.add_stream_from_template(stream)
        if start_s:
            container.seek(round(start_s / stream.time_base), stream=stream)
        for packet in container.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return str(to)
