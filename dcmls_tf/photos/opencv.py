"""OpenCV, which is an extra: videos, cameras, and cutting turned squares out of pictures."""

import os
from typing import Any

from dcmls_tf.errors import UserError


def load() -> Any:
    """The module `cv2`. Raises `UserError` when it is not installed."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # What is wrong is said in a sentence.
    try:
        import cv2
    except ImportError:
        raise UserError("needs OpenCV: pip install '.[predict]'") from None
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
