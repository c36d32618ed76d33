"""The names of RHD's folders and files, for those who read them and those who write them.

    {training,evaluation}/color/%05d.png   320×320
    {training,evaluation}/mask/%05d.png    classes as in `hand.HAND_CLASSES`
    {training,evaluation}/depth/%05d.png
    {training,evaluation}/anno_{training,evaluation}.pickle

An annotation maps a frame's number to the arrays of `FIELDS`.
"""

import os

from dcmls_tf import hand

KINDS = ("color", "mask", "depth")
# What scripts/render.py was asked for: in a folder that it wrote, of whichever format.
RENDER_SETTINGS = "render_settings.json"
# xyz in metres, uv_vis in px and a visibility flag, both of all joints of the left hand and then
# of the right one, in RHD's order; K are the intrinsics.
FIELDS = {"xyz": (2 * hand.NUM_JOINTS, 3), "uv_vis": (2 * hand.NUM_JOINTS, 3), "K": (3, 3)}


def image_folder(root: str | os.PathLike[str], split: str, kind: str) -> str:
    """The folder of a split's images of a kind in `KINDS`."""
    return os.path.join(root, split, kind)


def image_path(root: str | os.PathLike[str], split: str, kind: str, number: int) -> str:
    """The path of one image of a frame."""
    return os.path.join(image_folder(root, split, kind), f"{number:05d}.png")


def annotation_path(root: str | os.PathLike[str], split: str) -> str:
    """The path of a split's annotations."""
    return os.path.join(root, split, f"anno_{split}.pickle")
