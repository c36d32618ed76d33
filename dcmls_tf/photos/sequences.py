"""Files of several pictures: animated GIF, WebP, PNG and AVIF, and the pages of TIFF."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from PIL import Image

from dcmls_tf.photos import photo
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import DEFAULT_FPS

PICTURE, ANIMATION, PAGES = "picture", "animation", "pages"
# What browsers show a frame that says nothing of its time, or less than they take for meant.
USUAL_S, LEAST_S = 0.1, 0.011


def kind(source: Source) -> str:
    """Whether an image file is a `PICTURE`, an `ANIMATION` or has `PAGES`. Raises `UserError`."""
    with photo.opened(source.content, source.name) as image:
        if not photo.several(image):
            return PICTURE
        if image.format in photo.ANIMATED:
            return ANIMATION
        return PAGES


def pages(source: Source, focal: float | None = None) -> Iterator[Photo]:
    """The pages of a TIFF file; `frame` is the page's number.

    focal: as for `photo.read`. Raises `UserError`.
    """
    with photo.opened(source.content, source.name) as image:
        for number in photo.pages(image):
            page = photo.of_image(source.content, image, focal, source.name)
            yield dataclasses.replace(page, frame=number)


class Animation:
    """The frames of an animated picture, each as it is shown, with its time.

    `fps`, `frames`, `lost` and `incomplete` are those of a `video.Video`.
    """

    lost, incomplete = 0, False

    def __init__(self, source: Source, focal: float | None = None):
        self.source, self._focal = source, focal
        with photo.opened(source.content, source.name) as image:
            self.frames: int | None = getattr(image, "n_frames", 1)
            image.load()
            self.fps: float = min(1 / _seconds(image), DEFAULT_FPS)

    def __iter__(self) -> Iterator[Photo]:
        time_s = 0.0
        with photo.opened(self.source.content, self.source.name) as image:
            for number in range(self.frames or 1):
                image.seek(number)
                image.load()
                seen = photo.of_image(self.source.content, image, self._focal, self.source.name)
                yield dataclasses.replace(seen, frame=number, time_s=time_s)
                time_s += _seconds(image)


def _seconds(image: Image.Image) -> float:
    """How long the frame that an image is at is shown."""
    seconds: Any = image.info.get("duration", 0) / 1000
    return seconds if seconds >= LEAST_S else USUAL_S
