"""Raw folders as TensorFlow Datasets."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from dcmls_tf.data import raw
from dcmls_tf.data.examples import RawExample
from dcmls_tf.data.raw import RawFolder


@dataclasses.dataclass(eq=False, kw_only=True)
class RawConfig(tfds.core.BuilderConfig):
    """A builder's configuration: the raw folder that it reads, and whether Apache Beam does it.

    The configuration's name carries the fingerprint of the files, so other or changed files
    are prepared beside, not mixed up.
    """

    raw: RawFolder
    by_beam: bool = False


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Stores a raw folder's examples in the order in which its reader gives them."""

    # Part of the prepared folder's path: raise it when a reader's examples change.
    VERSION = tfds.core.Version("1.1.0")

    @property
    def raw(self) -> RawFolder:
        """The raw folder that it reads."""
        return self.builder_config.raw  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] (TFDS types it as the base class)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=raw.features(self.raw.images), homepage=self.raw.PAGE, disable_shuffling=True
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded: the licences ask for the user's own hand.
        return {split: self._generate_examples(split) for split in self.raw.splits}

    def _generate_examples(self, split: str) -> Any:
        if self.builder_config.by_beam:  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] (TFDS types it as the base class)
            from dcmls_tf.data import beam

            return beam.examples(self.raw, split)
        return self._one_by_one(split)

    def _one_by_one(self, split: str) -> Iterator[tuple[int, RawExample]]:
        yield from enumerate(raw.examples(self.raw.open(split)))
