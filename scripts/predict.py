"""3D hand poses from photos, videos or a camera.

    python scripts/predict.py --input=docs/hand.jpg
    python scripts/predict.py --input='holiday/*.jpg' --box=120,80,300,290
    python scripts/predict.py --input=video.mp4 --out_dir=predictions
    python scripts/predict.py --model=runs/rendered --input=0 --mirror
    python scripts/predict.py --input=https://example.org/hand.jpg --input=rtsp://camera/1
    python scripts/predict.py --input=class.jpg --max_hands=20

Without `--model` the shipped models answer: 2D to 3D on keypoints, or RGB where `--box` is given.
Hands are found by MediaPipe's detector, or given: `--box` around the joints, once for each hand,
or `--keypoints`. In videos a hand is followed from frame to frame, and its poses are smoothed
(`--nosmooth`: each frame by itself). Writes the skeletons over every picture or video,
`predictions.json`, `predictions.csv` and `index.html` (see `dcmls_tf/photos/output.py`). A camera
or stream records until Ctrl-C. Exit status 1 when a picture could not be read or predicted.
"""

import functools
import sys
from typing import TYPE_CHECKING

from absl import flags

from dcmls_tf import app
from dcmls_tf.errors import UserError
from dcmls_tf.photos import asked, sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcmls_tf.photos.hands import RegionFinder
    from dcmls_tf.photos.predictor import PosePredictor

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a prediction; the model brings its own."""
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file (the shipped).")
    flags.DEFINE_multi_string(
        "input", None, "Picture, folder, glob, video, camera number or address.", required=True
    )
    flags.DEFINE_string("out_dir", "predictions", "Folder to write to.")
    asked.define_flags()
    flags.DEFINE_integer("max_frames", 0, "Frames of a video or camera; 0: all.", lower_bound=0)
    flags.DEFINE_bool("smooth", True, "Make the poses of a video steady by the One Euro filter.")


def main(_: list[str]) -> None:
    """Flags → predictions in a folder."""
    inputs = sources.find(FLAGS.input)
    from dcmls_tf import api
    from dcmls_tf.photos.output import PredictionWriter

    pose_predictor = api.load(FLAGS.model).predictor
    hands = asked.HandsAsked.from_flags()
    find_hands, follow = _finders(pose_predictor, hands)
    writer = PredictionWriter(
        pose_predictor, find_hands, FLAGS.out_dir, FLAGS.focal, FLAGS.max_frames, follow,
        FLAGS.smooth, hands,
    )  # fmt: skip
    writer.run(inputs)
    print(f"{writer.summary()}\nwritten: {FLAGS.out_dir}")
    if writer.failures:
        sys.exit(f"error: {writer.failures} problems with the input, see above")


def _finders(
    pose_predictor: "PosePredictor", hands: asked.HandsAsked
) -> "tuple[RegionFinder, Callable[[], RegionFinder] | None]":
    """What finds the hands of a picture, and what makes such a thing for a video's frames."""
    from dcmls_tf.photos.roads import ShippedPredictor
    from dcmls_tf.photos.tracking import Tracker

    if hands.boxes and isinstance(pose_predictor, ShippedPredictor):
        _ = pose_predictor.of_pixels  # If it is missing, that is said once and at once.
    if hands.boxes and pose_predictor.needs_keypoints:
        raise UserError(f"--box: {FLAGS.model} reads 2D keypoints; give --keypoints, or neither")
    if not hands.detects:
        return hands.finder(), None
    detector = hands.detector()
    follow = functools.partial(Tracker, detector, hands.max_hands, hands.side)
    return hands.finder(detector), follow


def cli() -> None:
    """The command `dcmls-predict`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
