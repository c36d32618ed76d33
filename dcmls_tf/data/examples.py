"""The dicts that data passes through: read, canonical and model example, and batch.

Joint order is `hand.JOINTS`. Pixels and frames are as in `geometry`: px count from the outer
corner of the image's first pixel; the camera's frame has x right, y down, z forward. `*B` is
any number of leading dimensions: none for one example, one for a batch of them.
"""

from typing import NotRequired, TypedDict

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from dcmls_tf.arrays import Array

# The field that holds the encoded image.
IMAGE = "image"
# Names of the splits, in raw folders and prepared data alike.
TRAINING, EVALUATION = "training", "evaluation"
SPLITS = (TRAINING, EVALUATION)


class RawHand(TypedDict):
    """What a label says of a hand, in NumPy; the fields are those of `CanonicalExample`."""

    uv: Float[np.ndarray, "21 2"]
    xyz_mm: Float[np.ndarray, "21 3"]
    visible: Bool[np.ndarray, "21"]
    palm_uv: Float[np.ndarray, "2"]
    palm_mm: Float[np.ndarray, "3"]
    palm_visible: bool
    K: Float[np.ndarray, "3 3"]
    side: int


class RawExample(RawHand):
    """A canonical example as a reader of a raw folder gives it."""

    image: NotRequired[bytes]
    id: str


class Joints(TypedDict):
    """Joints of a hand in the image and in space.

    uv: px of the image.
    xyz_mm: mm, camera's frame.
    visible: whether a joint counts in evaluation.
    """

    uv: Float[Array, "*B 21 2"]
    xyz_mm: Float[Array, "*B 21 3"]
    visible: Bool[Array, "*B 21"]


class CanonicalExample(Joints):
    """A hand as every data set gives it; joint 0 is the wrist.

    image: the encoded image, as in the raw folder; absent when prepared without images.
    palm_uv, palm_mm, palm_visible: the palm's centre, as `Joints` has the joints.
    K: intrinsics, mm in the camera's frame → px.
    side: `hand.LEFT` or `hand.RIGHT`.
    id: text, unique in the data set.
    """

    image: NotRequired[Shaped[Array, "*B"]]
    palm_uv: Float[Array, "*B 2"]
    palm_mm: Float[Array, "*B 3"]
    palm_visible: Bool[Array, "*B"]
    K: Float[Array, "*B 3 3"]
    side: Int[Array, "*B"]
    id: Shaped[Array, "*B"]


class PlacedHand(TypedDict):
    """Where a hand is in an image, which is all that its crop follows from.

    uv: px of the joints, or of two corners of a box around them.
    K, side: as in `CanonicalExample`.
    """

    uv: Float[Array, "*B N 2"]
    K: Float[Array, "*B 3 3"]
    side: Int[Array, "*B"]


class ModelInput(TypedDict):
    """What a model sees.

    x: the crop in [-0.5, 0.5], or the joints' px in it over its side, less 0.5.
    x_target: for images, the smaller one that decoder_x has to give, in [-0.5, 0.5].
    """

    x: Float[Array, "*B S S 3"] | Float[Array, "*B 21 2"]
    x_target: NotRequired[Float[Array, "*B R R 3"]]


class PlacedExample(Joints):
    """A hand and its crop's frame; `uv` and `xyz_mm` stay the source's.

    y: root-relative, in scale bones, in the crop's frame.
    uv, xyz_mm, visible: as canonical, but with `--root=palm` joint 0 is the palm's centre.
    H: source px → crop px.
    A: camera's frame → crop's frame, orthogonal.
    root_mm, scale_mm: the root and the length of the scale bone, which take y back to mm.
    K, side, id: as canonical; `side` is the hand's own, whether the crop is mirrored or not.
    """

    y: Float[Array, "*B 21 3"]
    H: Float[Array, "*B 3 3"]
    A: Float[Array, "*B 3 3"]
    root_mm: Float[Array, "*B 3"]
    scale_mm: Float[Array, "*B"]
    K: Float[Array, "*B 3 3"]
    side: Int[Array, "*B"]
    id: Shaped[Array, "*B"]


class ModelExample(PlacedExample, ModelInput):
    """What a model is trained and evaluated on."""


class Unpaired(ModelInput):
    """x of some examples and y of others; `side` is that of x, where it is known."""

    side: NotRequired[Int[Array, "B"]]
    y: Float[Array, "B 21 3"]


class Batch(ModelExample):
    """`B` model examples, `*B` being `B`.

    unpaired: as many x and y that are no pairs, in training with `Config.has_unpaired`.
    image: the encoded images, in evaluation from images.
    """

    unpaired: NotRequired[Unpaired]
    image: NotRequired[Shaped[Array, "B"]]
