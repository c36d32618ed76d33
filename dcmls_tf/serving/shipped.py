"""The models in the box: TFLite files that come with the package, a card beside each.

`export/release.py` makes them from runs.
"""

import os

from dcmls_tf.errors import UserError
from dcmls_tf.pretrained import FOLDER

KEYPOINTS, RGB, RGB_SMALL = NAMES = ("keypoints", "rgb", "rgb_small")
MODALITIES = {KEYPOINTS: "2d", RGB: "rgb", RGB_SMALL: "rgb"}
# How a file stores its weights, and how many bytes it may have.
PRECISIONS = {KEYPOINTS: "dynamic", RGB: "int8", RGB_SMALL: "dynamic"}
LARGEST = {KEYPOINTS: 3_000_000, RGB: 13_000_000, RGB_SMALL: 3_000_000}
# Those whose networks ship as well, for other trainings to start from.
WITH_NETWORKS = (RGB_SMALL,)


def file_of(name: str, folder: str | None = None) -> str:
    """The path of a model by its name in `NAMES`, whether it is there or not."""
    return os.path.join(folder or FOLDER, f"{name}.tflite")


def available() -> list[str]:
    """The names of the models that are there."""
    return [name for name in NAMES if os.path.isfile(file_of(name))]


def path(*names: str) -> str:
    """The file of the first of some models that is there. Raises `UserError` when none is."""
    there = [name for name in names if name in available()]
    if not there:
        instead = ", or no --box" if MODALITIES[names[0]] == "rgb" else ""
        raise UserError(
            f"{file_of(names[0])}: is missing in this installation; give --model a run, a "
            f"SavedModel or a .tflite file{instead}"
        )
    return file_of(there[0])
