"""A raw folder's examples read by Apache Beam, for TensorFlow Datasets to store in their order."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import apache_beam  # pyright: ignore[reportMissingImports]

from dcmls_tf.data import raw
from dcmls_tf.data.examples import RawExample

if TYPE_CHECKING:
    from dcmls_tf.data.raw import RawFolder


def examples(folder: "RawFolder", split: str) -> Any:
    """A transform to `(number, example)`; numbers count the examples as they are one by one.

    Keys alone go to the machines, each of which reads the annotations and its share of the images.
    """
    numbered = list(enumerate(raw.keys(folder.open(split))))
    return (
        "Keys" >> apache_beam.Create(numbered)
        | "Spread" >> apache_beam.Reshuffle()
        | "Read" >> apache_beam.ParDo(Read(folder, split))
    )


class Read(apache_beam.DoFn):
    """Reads examples by their keys."""

    def __init__(self, folder: "RawFolder", split: str) -> None:
        self._folder, self._split = folder, split

    def setup(self) -> None:
        """Reads the annotations once a worker."""
        self._opened = self._folder.open(self._split)

    def process(self, numbered: tuple[int, Any]) -> Iterator[tuple[int, RawExample]]:
        """One example."""
        number, key = numbered
        yield number, raw.example(self._opened, key)
