"""Which of the two hands of a frame in RHD's layout is its sample: the larger one.

That is the one with more mask pixels, the right one when they are equal. Masks decide for images
and for 2D keypoints alike, so that both have the same hands. 2D tasks do without masks too: there
it is the one with more visible joints, which is another one in some frames that show both (11 of
the first 60 of RHD's evaluation split).
"""

import os

import numpy as np
from absl import logging
from jaxtyping import Shaped, UInt8

from dcmls_tf import hand
from dcmls_tf.data import raw_files, rhd_layout
from dcmls_tf.data.raw_files import BadSample

MASKS, VISIBLE = "masks", "visible joints"


class LargerHand:
    """Says the side of each frame's sample in a split of `raw_dir`.

    needed: whether frames must have their mask.
    """

    def __init__(self, raw_dir: str, split: str, needed: bool):
        self._raw_dir, self._split, self._needed = raw_dir, split, needed

    def side(
        self, number: int, visible: Shaped[np.ndarray, "42"], size: tuple[int, int] | None = None
    ) -> int:
        """`hand.LEFT` or `hand.RIGHT`; size: the picture's width and height, where it is read.

        visible: flags of the left hand's joints, then of the right one's. Raises `BadSample`.
        """
        path = self._path(number)
        if not self._needed and not os.path.lexists(path):
            return side_of_visibility(visible)
        mask = self._mask(path)
        if size and mask.shape[1::-1] != size:
            raise BadSample(path, f"is not as large as its picture of {size[0]}×{size[1]} px")
        return side_of_mask(mask)

    def chosen_by(self, numbers: list[int]) -> str:
        """What says it for frames `numbers`, in words."""
        without = 0 if self._needed else self._without_mask(numbers)
        if not without:
            return MASKS
        if without == len(numbers):
            return VISIBLE
        return f"{MASKS}, {without} of {len(numbers)} by {VISIBLE}"

    def warn(self, numbers: list[int]) -> None:
        """Says how many frames have no mask."""
        without = self._without_mask(numbers)
        if without:
            logging.warning(
                "%s: %d of %d frames have no mask, so their hand is the one with more visible "
                "joints, which is not always the one that images would give",
                self._folder, without, len(numbers),
            )  # fmt: skip

    @property
    def _folder(self) -> str:
        return rhd_layout.image_folder(self._raw_dir, self._split, "mask")

    def _path(self, number: int) -> str:
        return rhd_layout.image_path(self._raw_dir, self._split, "mask", number)

    def _without_mask(self, numbers: list[int]) -> int:
        there = set(os.listdir(self._folder)) if os.path.isdir(self._folder) else set()
        return sum(os.path.basename(self._path(number)) not in there for number in numbers)

    def _mask(self, path: str) -> UInt8[np.ndarray, "h w 1"]:
        if not os.path.isfile(path):
            missing = raw_files.missing_image(path)
            raise BadSample(
                path,
                f"{missing.reason}; masks say which hand is an image's sample, so unpack them "
                "beside color/",
            )
        content = raw_files.read_file(path, self._raw_dir)
        mask = raw_files.decode_image(content, path, channels=1).numpy()
        if not any(hand.is_of_side(mask, side).any() for side in (hand.LEFT, hand.RIGHT)):
            raise BadSample(path, "has no pixel of a hand")
        return mask


def side_of_mask(mask: UInt8[np.ndarray, "*shape"]) -> int:
    """The side with more pixels in a mask of RHD's classes; right when equal."""
    left, right = (
        np.count_nonzero(hand.is_of_side(mask, side)) for side in (hand.LEFT, hand.RIGHT)
    )
    return hand.LEFT if left > right else hand.RIGHT


def side_of_visibility(visible: Shaped[np.ndarray, "42"]) -> int:
    """The side with more visible joints, of flags left, then right; right when equal."""
    left, right = np.count_nonzero(np.reshape(visible, (2, hand.NUM_JOINTS)), axis=1)
    return hand.LEFT if left > right else hand.RIGHT
