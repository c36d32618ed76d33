"""OpenCV, which is an extra: videos, cameras, and cutting turned squares out of pictures."""

import os
from typing import Any

from dcmls_tf.errors import UserError

SILENT = 0


def load() -> Any:
    """The module `cv2`. Raises `UserError` when it is not installed."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # What is wrong is said in a sentence.
    try:
        import cv2
    except ImportError:
        raise UserError("needs OpenCV: pip install '.[predict]'") from None
    logging: Any = getattr(cv2.utils, "logging", cv2)  # a module of its own since OpenCV 5
    logging.setLogLevel(SILENT)
    return cv2
