"""What an exported model answers: its signatures, preprocessing in the graph and core ops only.

Each joins an input of `preprocessing` with an answer of `answers`; `saved_model` writes them to
disk. The batch dimension is free, inputs and outputs are named:

| Signature | For | Inputs | Outputs |
|---|---|---|---|
| `serving_default` | RGB | a photo | `joints`, `joints_mm`, `uv`, `root_mm` |
| `serving_default`, `keypoints` | 2D | keypoints | `joints`, `joints_mm` |
| `photo` | RGB | `image` alone | as `serving_default` |
| `keypoints_alone` | 2D | `keypoints` alone | as `serving_default` |
| `crops`, `crops_float` | RGB | crops | `joints`, `joints_mm` |
| `encode` | both | as `serving_default` | `z_h`, `z_c`, `z_h_std`, `z_c_std` |
| `decode` | both | `z_h`, `z_c` (x's own) | `joints`, `joints_mm`, and `x`'s reconstruction |
| `hypotheses` | both | as `serving_default`, `seed` | K poses, and `std`, `std_mm` |

Inputs, `B` hands at once; all but the first have a default:

    image      [B] text: encoded PNG, JPEG or BMP of at most 50 million pixels, upright: one that
               EXIF says is to be turned is refused
    box        [B, 4] float32: left, top, right, bottom px of the joints' tight box, not parts of
               the image; the crop's margin is added here. Zeros: the whole image is the crop
    keypoints  [B, 21, 2] float32 px, joint 0 the wrist
    palm       [B, 2] float32 px, for models whose root is the palm. Zeros: midway between the
               two joints that the training data has it between
    image_size [B, 2] float32: width, height of the keypoints' image. Zeros: not known
    side       [B] int32: 0 left, 1 right (default)
    K          [B, 3, 3] float32 intrinsics. Zeros: not known, see below
    crops      [B, S, S, 3] uint8, square crops around the hand, as in the photo: left hands are
               mirrored here. `crops_float`: float32 in [-0.5, 0.5]. Of another size: refused
    seed       [B] int32: the same seed gives the same samples

Outputs:

    joints     [B, 21, 3]: relative to the root, in scale bones, in the frame of the photo's
               camera (x right, y down, z forward); in the crop's frame for `crops` and `decode`
    joints_mm  the same times the training set's mean scale bone
    root_mm    [B, 3]: where the root is in the camera's frame, if the hand fills its box and has
               the mean scale bone; no better than those two guesses
    uv         [B, 21, 2] px: `joints_mm` there, projected into the photo
    std        [B, 21]: root mean square distance of a joint's samples from their mean

Without K a camera is taken to see 53° over its image's longer side, principal point in the
middle; where `image_size` is missing too, to look straight at the hand. Models trained with
--perspective_crop need K to know how far off the axis the hand is: a wrong one turns the whole
pose by the error of that angle, nothing in the middle of the image and most near its edge.

An input that is none (see `checks` and `encoded`) is refused with INVALID_ARGUMENT and a sentence
that names it, its row and what to give; no answer is ever NaN or infinite. A request has one
status: a bad row refuses the request that it is in, and where a server puts the requests of
several clients together, theirs too. So batching is off by default (docs/deployment.md).

A SignatureDef holds the defaults, but servers older than it demand every input, and batching
demands the same number of rows in all of them: a careful client sends them all, or asks the
signatures that have one input. Python's `tf.saved_model.load(folder).signatures` demand all inputs
too; the functions of the same names, `tf.saved_model.load(folder).serving_default`, do not.
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import tensorflow as tf

from dcmls_tf import addons, hand
from dcmls_tf.config import Config
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.serving import checks, preprocessing
from dcmls_tf.serving.answers import Answer, ModelAnswers
from dcmls_tf.serving.names import (
    DECODE,
    DEFAULT_HYPOTHESES,
    ENCODE,
    HYPOTHESES,
    SERVING_DEFAULT,
)
from dcmls_tf.serving.preprocessing import (
    NO_BOX,
    NO_K,
    NO_PALM,
    NO_SIZE,
    RIGHT_HAND,
    NetworkInputs,
)
from dcmls_tf.variants import Model

# Signatures of one input.
PHOTO_ALONE, KEYPOINTS_ALONE = "photo", "keypoints_alone"
# Networks that a prediction, a reconstruction or a sample needs.
SERVED_NETWORKS = ("encoder_x", "translator", "decoder_y", "decoder_x")

PHOTO = {
    "image": tf.TensorSpec([None], tf.string, "image"),
    "box": tf.TensorSpec([None, 4], tf.float32, "box"),
    "side": tf.TensorSpec([None], tf.int32, "side"),
    "K": tf.TensorSpec([None, 3, 3], tf.float32, "K"),
}
KEYPOINTS = {
    "keypoints": tf.TensorSpec([None, hand.NUM_JOINTS, 2], tf.float32, "keypoints"),
    "palm": tf.TensorSpec([None, 2], tf.float32, "palm"),
    "image_size": tf.TensorSpec([None, 2], tf.float32, "image_size"),
    "side": PHOTO["side"],
    "K": PHOTO["K"],
}
SEED = tf.TensorSpec([None], tf.int32, "seed")
FIRST_SEED: Any = np.zeros([1], np.int32)

Signature = Callable[..., Answer]  # a `tf.function` with its `input_signature`


class ServedModel(tf.Module):
    """A model with its signatures; holds each weight once, and nothing that training needs.

    Args:
        model: what `checkpoints.load_model` returns.
        mean_scale_mm: mean scale bone of the training set.
        hypotheses: poses that the signature of that name samples.
    """

    # What `saved_model.save` sends along.
    metadata: Any

    def __init__(self, model: Model, mean_scale_mm: float, hypotheses: int = DEFAULT_HYPOTHESES):
        super().__init__(name="dcmls")
        networks = model.networks()
        self.weights = {
            name: addons.tf_variables(networks[name])
            for name in SERVED_NETWORKS
            if name in networks
        }
        self._answers = ModelAnswers(model, mean_scale_mm, hypotheses)

    @classmethod
    def from_run(cls, model: Model, run_dir: str, hypotheses: int = DEFAULT_HYPOTHESES) -> Self:
        """A run's model with the mean scale bone that the run was trained on.

        Raises `UserError` when the run's training statistics cannot be read.
        """
        return cls(model, TrainingStatistics.load(run_dir).mean_scale_mm, hypotheses)

    @property
    def config(self) -> Config:
        """The `Config` of the model."""
        return self._answers.config

    def signatures(self) -> dict[str, Signature]:
        """The signatures by name."""
        config, answers = self.config, self._answers
        if config.modality == "rgb":
            source, seeded_source = _of_photo, _of_photo_and_seed
            signatures = {
                PHOTO_ALONE: _of_photo_alone(config, answers.pose),
                "crops": _of_crops(config, tf.uint8, answers.pose),
                "crops_float": _of_crops(config, tf.float32, answers.pose),
            }
        else:
            source, seeded_source = _of_keypoints, _of_keypoints_and_seed
            signatures = {
                KEYPOINTS_ALONE: _of_keypoints_alone(config, answers.pose),
                "keypoints": source(config, answers.pose),
            }
        signatures[SERVING_DEFAULT] = source(config, answers.pose)
        if answers.has_codes:
            signatures[ENCODE] = source(config, answers.codes)
            signatures[DECODE] = _of_codes(config, answers.decoded)
            signatures[HYPOTHESES] = seeded_source(config, answers.samples)
        return signatures


def neutral_input(spec: tf.TensorSpec, rows: int) -> np.ndarray:
    """What stands for an input that is not given: a right hand, zeros for anything else."""
    fill = np.ones if spec.name == "side" else np.zeros
    return fill([rows, *spec.shape[1:]], spec.dtype.as_numpy_dtype)


def _tensors(*arrays: np.ndarray) -> list[tf.Tensor]:
    """Defaults of a signature: SignatureDefs keep those that are tensors."""
    return [tf.constant(array) for array in arrays]


def _of_photo(config: Config, answer: Callable[[NetworkInputs], Answer]) -> Signature:
    no_box, right, no_K = _tensors(NO_BOX, RIGHT_HAND, NO_K)

    @tf.function(input_signature=list(PHOTO.values()))
    def signature(image, box=no_box, side=right, K=no_K):
        return answer(preprocessing.from_photos(config, image, box, side, K))

    return signature


def _of_photo_alone(config: Config, answer: Callable[[NetworkInputs], Answer]) -> Signature:
    @tf.function(input_signature=[PHOTO["image"]])
    def signature(image):
        return answer(preprocessing.from_photos(config, image))

    return signature


def _of_photo_and_seed(
    config: Config, answer: Callable[[NetworkInputs, tf.Tensor], Answer]
) -> Signature:
    no_box, right, no_K, first = _tensors(NO_BOX, RIGHT_HAND, NO_K, FIRST_SEED)

    @tf.function(input_signature=[*PHOTO.values(), SEED])
    def signature(image, box=no_box, side=right, K=no_K, seed=first):
        return answer(preprocessing.from_photos(config, image, box, side, K), seed)

    return signature


def _of_keypoints(config: Config, answer: Callable[[NetworkInputs], Answer]) -> Signature:
    no_palm, no_size, right, no_K = _tensors(NO_PALM, NO_SIZE, RIGHT_HAND, NO_K)

    @tf.function(input_signature=list(KEYPOINTS.values()))
    def signature(keypoints, palm=no_palm, image_size=no_size, side=right, K=no_K):
        return answer(preprocessing.from_keypoints(config, keypoints, palm, image_size, side, K))

    return signature


def _of_keypoints_alone(config: Config, answer: Callable[[NetworkInputs], Answer]) -> Signature:
    @tf.function(input_signature=[KEYPOINTS["keypoints"]])
    def signature(keypoints):
        return answer(preprocessing.from_keypoints(config, keypoints))

    return signature


def _of_keypoints_and_seed(
    config: Config, answer: Callable[[NetworkInputs, tf.Tensor], Answer]
) -> Signature:
    unknown = _tensors(NO_PALM, NO_SIZE, RIGHT_HAND, NO_K, FIRST_SEED)
    no_palm, no_size, right, no_K, first = unknown

    @tf.function(input_signature=[*KEYPOINTS.values(), SEED])
    def signature(keypoints, palm=no_palm, image_size=no_size, side=right, K=no_K, seed=first):
        return answer(
            preprocessing.from_keypoints(config, keypoints, palm, image_size, side, K), seed
        )

    return signature


def _of_crops(config: Config, dtype: Any, answer: Callable[[NetworkInputs], Answer]) -> Signature:
    size = config.input_size
    crops_spec = tf.TensorSpec([None, size, size, 3], dtype, "crops")

    (right,) = _tensors(RIGHT_HAND)

    @tf.function(input_signature=[crops_spec, PHOTO["side"]])
    def signature(crops, side=right):
        return answer(preprocessing.from_crops(config, crops, side))

    return signature


def _of_codes(config: Config, answer: Callable[[tf.Tensor, tf.Tensor], Answer]) -> Signature:
    z_h_spec = tf.TensorSpec([None, config.z_h_dim], tf.float32, "z_h")
    z_c_spec = tf.TensorSpec([None, config.z_c_dim], tf.float32, "z_c")

    def decoded(z_h, z_c):
        return answer(checks.numbers("z_h", z_h), checks.numbers("z_c", z_c))

    if not config.z_c_dim:
        return tf.function(lambda z_h: decoded(z_h, z_h[:, :0]), input_signature=[z_h_spec])
    return tf.function(lambda z_h, z_c: decoded(z_h, z_c), input_signature=[z_h_spec, z_c_spec])
