"""Raw folders as TensorFlow Datasets."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from dcmls_tf.data import raw
from dcmls_tf.data.examples import RawExample
from dcmls_tf.data.raw import RawFolder

# TFDS's writer takes keys of 128 bits, and holds a thousandth of their range at a time in memory:
# small numbers would all be in the first.
KEY_RANGE = 1 << 128


@dataclasses.dataclass(eq=False, kw_only=True)
class RawConfig(tfds.core.BuilderConfig):
    """A builder's configuration: the raw folder that it reads, and whether Apache Beam does it.

    The configuration's name carries the fingerprint of the files, so other or changed files
    are prepared beside, not mixed up.
    """

    raw: RawFolder
    by_beam: bool = False


class Info(tfds.core.DatasetInfo):
    """What TFDS writes of a data set beside it."""

    def initialize_from_bucket(self) -> None:
        """Asks nobody for a user's own folder; TFDS would leave an empty temporary one behind."""


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Stores a raw folder's examples in the order in which its reader gives them."""

    # Part of the prepared folder's path: raise it when a reader's examples change.
    VERSION = tfds.core.Version("1.1.0")

    @property
    def raw(self) -> RawFolder:
        """The raw folder that it reads."""
        return self.builder_config.raw  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] (TFDS types it as the base class)

    def _info(self) -> tfds.core.DatasetInfo:
        features = raw.features(self.raw.images)
        return Info(builder=self, features=features, homepage=self.raw.PAGE, disable_shuffling=True)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded: the licences ask for the user's own hand.
        return {split: self._generate_examples(split) for split in self.raw.splits}

    def _generate_examples(self, split: str) -> Any:
        if self.builder_config.by_beam:  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] (TFDS types it as the base class)
            from dcmls_tf.data import beam

            return beam.examples(self.raw, split)
        return self._one_by_one(split)

    def _one_by_one(self, split: str) -> Iterator[tuple[int, RawExample]]:
        opened = self.raw.open(split)
        keys = raw.keys(opened)
        step = KEY_RANGE // max(1, len(keys))
        for number, example in enumerate(raw.examples(opened, keys)):
            yield step * number, example
