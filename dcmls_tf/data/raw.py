"""Raw folders: what a reader has to offer, what readers share, and how examples are stored."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.data import encoded, plausibility
from dcmls_tf.data.examples import IMAGE, RawExample, RawHand
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

# Missing files that a message names; samples that are judged at once.
NAMED, PIECE = 5, 64


class Source(Protocol):
    """Where examples come from, as messages name it: a folder, and where such a one can be had."""

    PAGE: ClassVar[str]
    raw_dir: str

    def chosen_by(self, split: str) -> str:
        """What says which hand of a frame is its sample; empty where all that are labelled are."""
        ...


class Survey(NamedTuple):
    """What a split has annotations of.

    keys: what examples are asked for by, in an order that stays; small, so that they can go to
    other machines. missing: what has no image. odd: what is no annotation of a sample.
    """

    keys: list[Any]
    missing: list[BadSample]
    odd: list[BadSample]


class RawSplit(Protocol):
    """A split of a raw folder, its annotations read.

    whole: whether its images are all that a camera sees. labelled: whether uv are labels, not
    what a detector found.
    """

    whole: bool
    labelled: bool

    def survey(self) -> Survey:
        """All that is annotated, nothing of it read yet."""
        ...

    def where(self, key: Any, /) -> str:
        """The file and entry that a key stands for."""
        ...

    def example(self, key: Any, /) -> RawExample:
        """The example of a key, as it is. Raises `BadSample`."""
        ...


class RawFolder(Source, Protocol):
    """A data set in its official layout; only read from.

    images: whether examples have their image.
    splits: the splits that it holds.
    absent: parts that are annotated and have no folder of images, which are left out.
    """

    images: bool
    splits: tuple[str, ...]
    absent: list[BadSample]

    def fingerprint(self) -> str:
        """Ten hex digits that change when annotations or the lists of images do."""
        ...

    def open(self, split: str) -> RawSplit:
        """A split. Raises `UserError`."""
        ...


def keys(split: RawSplit) -> list[Any]:
    """The keys of a split's examples; what has no image is left out, which a warning says.

    Raises `UserError` when no image is there, and for what is no annotation.
    """
    found, missing, odd = split.survey()
    if odd:
        raise odd[0]
    if missing and not found:
        raise UserError(
            f"--raw_dir: none of the {len(missing)} annotated images is there, such as "
            f"{missing[-1].where}; unpack them there"
        )
    if missing:
        named = ", ".join(sample.where for sample in missing[:NAMED])
        more = ", ..." if len(missing) > NAMED else ""
        logging.warning(
            "%d of %d annotated frames have no image and are left out: %s%s",
            len(missing), len(missing) + len(found), named, more,
        )  # fmt: skip
    return found


def examples(split: RawSplit, of: Sequence[Any] | None = None) -> Iterator[RawExample]:
    """The examples of keys (all of a split's), in their order. Raises `UserError` at a bad one."""
    return map(_or_raise, judged(split, keys(split) if of is None else of))


def example(split: RawSplit, key: Any) -> RawExample:
    """One example. Raises `BadSample`."""
    return _or_raise(next(judged(split, [key])))


def _or_raise(found: RawExample | BadSample) -> RawExample:
    if isinstance(found, BadSample):
        raise found
    return found


def judged(split: RawSplit, keys: Sequence[Any]) -> Iterator[RawExample | BadSample]:
    """For each key its example, or why it is none: not to be read, or not plausible."""
    for start in range(0, len(keys), PIECE):
        some = keys[start : start + PIECE]
        read = [_read(split, key) for key in some]
        problems = iter(_problems(split, [found for found in read if isinstance(found, dict)]))
        for key, found in zip(some, read, strict=True):
            problem = "" if isinstance(found, BadSample) else next(problems)
            yield BadSample(split.where(key), problem) if problem else found


def _read(split: RawSplit, key: Any) -> RawExample | BadSample:
    try:
        with np.errstate(all="ignore"):  # Of numbers that are judged afterwards.
            return split.example(key)
    except BadSample as bad:
        return bad


def _problems(split: RawSplit, read: Sequence[RawExample]) -> list[str]:
    """What is not plausible in each of some examples."""
    if not read:
        return []
    fields = {
        name: np.stack([np.asarray(example[name]) for example in read])
        for name in plausibility.Hands._fields
        if name in read[0]
    }
    sizes = [encoded.size(example["image"]) if "image" in example else (0, 0) for example in read]
    return plausibility.problems(
        plausibility.Hands(
            **fields, size=np.array(sizes), whole=split.whole, labelled=split.labelled
        )
    )


def features(images: bool) -> tfds.features.FeaturesDict:
    """How TFDS stores a `CanonicalExample`."""
    fields = {
        "uv": tfds.features.Tensor(shape=(hand.NUM_JOINTS, 2), dtype=np.float32),
        "xyz_mm": tfds.features.Tensor(shape=(hand.NUM_JOINTS, 3), dtype=np.float32),
        "visible": tfds.features.Tensor(shape=(hand.NUM_JOINTS,), dtype=np.bool_),
        "palm_uv": tfds.features.Tensor(shape=(2,), dtype=np.float32),
        "palm_mm": tfds.features.Tensor(shape=(3,), dtype=np.float32),
        "palm_visible": tfds.features.Scalar(dtype=np.bool_),
        "K": tfds.features.Tensor(shape=(3, 3), dtype=np.float32),
        "side": tfds.features.ClassLabel(names=list(hand.SIDES)),
        "id": tfds.features.Text(),
    }
    if images:
        fields[IMAGE] = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
    return tfds.features.FeaturesDict(fields)


class PreparedData(Protocol):
    """Examples ready to train on: a TFDS builder that knows its source."""

    @property
    def raw(self) -> Source:
        """Where the examples come from."""
        ...

    @property
    def info(self) -> tfds.core.DatasetInfo:
        """Features and splits."""
        ...

    @property
    def data_path(self) -> Any:
        """The folder of the prepared files."""
        ...


def all_visible(
    xyz_mm: Float[np.ndarray, "21 3"],
    palm_mm: Float[np.ndarray, "3"],
    K: Float[np.ndarray, "3 3"],
    side: int,
) -> RawHand:
    """The hand of labels without visibility: all its joints count as visible. mm → px by `K`."""
    uv = project(np.vstack([xyz_mm, palm_mm]), K)
    return {
        "uv": uv[:-1].astype(np.float32),
        "xyz_mm": xyz_mm.astype(np.float32),
        "visible": np.ones(hand.NUM_JOINTS, bool),
        "palm_uv": uv[-1].astype(np.float32),
        "palm_mm": palm_mm.astype(np.float32),
        "palm_visible": True,
        "K": K,
        "side": side,
    }


def project(
    xyz_mm: Float[np.ndarray, "N 3"], K: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "N 2"]:
    """`geometry.project` in NumPy, of points before the camera: mm → px."""
    homogeneous = xyz_mm @ K.T
    return homogeneous[:, :2] / homogeneous[:, 2:]
