"""Contact sheets of a data set, RHD's layout or shards: pictures with skeletons, and bare hands.

    python benchmarks/contact_sheet.py --raw_dir=rendered --split=evaluation --out=sheet

writes `sheet_frames.png`, with the labelled hand's joints drawn in, and `sheet_hands.png`,
square crops around that hand enlarged to 320 px.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from absl import app, flags
from jaxtyping import Float, UInt8

from dcmls_tf.data import pipeline, raw, rhd, shards
from dcmls_tf.data.examples import RawExample
from dcmls_tf.drawing import figures, skeletons

flags.DEFINE_string("raw_dir", None, "Folder in RHD's layout, or of shards.", required=True)
flags.DEFINE_string("split", "evaluation", "training or evaluation.")
flags.DEFINE_string("out", "sheet", "What the two files' names start with.")
flags.DEFINE_integer("first", 0, "First frame.", lower_bound=0)
flags.DEFINE_integer("frames", 48, "Number of frames.", lower_bound=1)
flags.DEFINE_integer("columns", 8, "Frames in a row.", lower_bound=1)
flags.DEFINE_float("margin", 1.7, "Crop's side in units of the hand's box.", lower_bound=1)
FLAGS = flags.FLAGS
SIZE = 320


def hand_crop(
    image: UInt8[np.ndarray, "H W 3"], uv: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "320 320 3"]:
    """The square around joints `uv`."""
    low, high = uv.min(0), uv.max(0)
    scale = SIZE / (FLAGS.margin * (high - low).max())
    shift = SIZE / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)


def whole(
    image: UInt8[np.ndarray, "H W 3"], uv: Float[np.ndarray, "21 2"]
) -> tuple[UInt8[np.ndarray, "320 320 3"], Float[np.ndarray, "21 2"]]:
    """The picture on a square of 320 px, and its joints there."""
    scale = SIZE / max(image.shape[:2])
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    return cv2.warpAffine(image, matrix, (SIZE, SIZE)), scale * uv


def examples() -> Iterator[RawExample]:
    """Canonical examples, in order."""
    if not shards.are_in(FLAGS.raw_dir):
        return raw.examples(rhd.RhdFolder(FLAGS.raw_dir, images=True).open(FLAGS.split))
    builder = shards.ShardBuilder(FLAGS.raw_dir, images=True)
    return pipeline.canonical_examples(builder, FLAGS.split).as_numpy_iterator()


def main(_: list[str]) -> None:
    """Flags → two files."""
    frames, hands = [], []
    for index, example in enumerate(examples()):
        if index >= FLAGS.first + FLAGS.frames:
            break
        if index >= FLAGS.first:
            image = cv2.imdecode(
                np.frombuffer(example.get("image", b""), np.uint8), cv2.IMREAD_COLOR
            )
            assert image is not None  # the reader has decoded it once
            image = np.ascontiguousarray(image[:, :, ::-1])
            picture, uv = whole(image, example["uv"])
            frames.append(skeletons.draw_skeleton(picture, uv, example["visible"]))
            hands.append(hand_crop(image, example["uv"]))
    for name, images in (("frames", frames), ("hands", hands)):
        sheet = figures.contact_sheet(images, FLAGS.columns)
        cv2.imwrite(f"{FLAGS.out}_{name}.png", sheet[:, :, ::-1])


if __name__ == "__main__":
    app.run(main)
