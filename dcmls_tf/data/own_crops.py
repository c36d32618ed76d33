"""Hands of one's own pictures that have no pose, cut out: x without y, for `--unpaired_dir`.

A hand becomes a square picture around its keypoints, mirrored where it is a left one, since
unpaired pictures are taken for right hands.
"""

import io
import os

from absl import logging
from PIL import Image, ImageOps

from dcmls_tf import files, hand
from dcmls_tf.data import own
from dcmls_tf.data.own import Labelled, OwnFolder
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

SIZE = 256
QUALITY = 95
# Fewer keypoints with a place say little of where the hand is.
LEAST_KNOWN = 6


def write(folder: OwnFolder, out_dir: str, margin: float) -> int:
    """Cuts out the hands of all splits that have no `xyz_mm`; returns how many.

    margin: the square's side over the longer side of the keypoints' box.

    Hands that cannot be cut out are named in a warning. Raises `UserError` when there are none.
    """
    os.makedirs(out_dir, exist_ok=True)
    written = 0
    for name in folder.splits:
        split = folder.open(name)
        for key, one in enumerate(split.hands):
            if one.xyz_mm is not None:
                continue
            try:
                content = _cut(split, key, one, margin)
            except BadSample as bad:
                logging.warning("%s: %s; left out", bad.where, bad.reason)
                continue
            files.write(os.path.join(out_dir, f"{name}_{key:06d}.jpg"), content)
            written += 1
    if not written:
        raise UserError(f"--raw_dir={folder.raw_dir}: no hand without xyz_mm could be cut out")
    return written


def _cut(split: own.OwnSplit, key: int, one: Labelled, margin: float) -> bytes:
    if one.side is None:
        raise BadSample(split.where(key), "has no side, left or right")
    if one.uv_known.sum() < LEAST_KNOWN:
        raise BadSample(split.where(key), f"has fewer than {LEAST_KNOWN} keypoints")
    with Image.open(io.BytesIO(split.image(key))) as picture:
        # What is outside of the picture becomes black.
        cut = picture.convert("RGB").crop(square(one, margin))
    cut = cut.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    if one.side == hand.LEFT:
        cut = ImageOps.mirror(cut)
    content = io.BytesIO()
    cut.save(content, format="jpeg", quality=QUALITY)
    return content.getvalue()


def square(one: Labelled, margin: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom px of the square around a hand's keypoints."""
    uv = one.uv[one.uv_known]
    low, high = uv.min(0), uv.max(0)
    side = max(1, round(margin * float((high - low).max())))
    left, top = (round(float(v)) for v in (low + high - side) / 2)
    return left, top, left + side, top + side
