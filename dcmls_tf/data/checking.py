"""Which samples of a raw folder can be prepared, and what is wrong with each of the others."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import tqdm

from dcmls_tf.data import raw
from dcmls_tf.data.examples import RawExample
from dcmls_tf.data.raw import RawFolder, RawSplit, Survey
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError, in_a_line


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a check has found.

    good: by split, the keys of samples that can be prepared. bad: what cannot; a `UserError`
    that is no `BadSample` is of a file without which its split cannot be read.
    """

    good: dict[str, list[Any]]
    bad: list[UserError]

    @property
    def counted(self) -> str:
        """How many samples are good and bad, in words."""
        good = sum(map(len, self.good.values()))
        return f"{good} samples are good, {len(self.bad)} problems were found"

    def lines(self) -> list[str]:
        """Each problem's file and reason, in a line."""
        return [line_of(problem) for problem in self.bad]


def line_of(problem: UserError) -> str:
    """A problem's file and reason; names that do not print are escaped."""
    is_sample = isinstance(problem, BadSample)
    said = f"{problem.where}: {problem.reason}" if is_sample else str(problem)
    return in_a_line(said.removeprefix("--raw_dir: "))


def check(folder: RawFolder, progress: bool = False) -> Findings:
    """Reads every sample of a folder, as its preparation would. Raises nothing for bad ones."""
    good: dict[str, list[Any]] = {}
    bad: list[UserError] = list(folder.absent)
    for split in folder.splits:
        try:
            opened = folder.open(split)
        except UserError as problem:
            bad.append(problem)
            continue
        found, missing, odd = opened.survey()
        bad += [*odd, *missing]
        good[split] = []
        bar = tqdm.tqdm(found, desc=split, unit=" samples", disable=not progress)
        for key, sample in zip(bar, _judged(opened, found), strict=True):
            if isinstance(sample, BadSample):
                bad.append(sample)
            else:
                good[split].append(key)
    return Findings(good, bad)


def _judged(split: RawSplit, keys: list[Any]) -> Iterator[RawExample | BadSample]:
    """`raw.judged`, where an id may come once."""
    seen: set[str] = set()
    for key, sample in zip(keys, raw.judged(split, keys), strict=True):
        if isinstance(sample, BadSample):
            yield sample
        elif sample["id"] in seen:
            yield BadSample(split.where(key), f"there is another sample named {sample['id']}")
        else:
            seen.add(sample["id"])
            yield sample


class Chosen:
    """A raw folder with the samples alone that a check has found good."""

    PAGE: ClassVar[str] = ""

    def __init__(self, folder: RawFolder, good: dict[str, list[Any]]):
        self.PAGE = folder.PAGE  # pyright: ignore[reportAttributeAccessIssue] (the folder's own)
        self.raw_dir, self.images = folder.raw_dir, folder.images
        self.splits = tuple(split for split, keys in good.items() if keys)
        self.absent: list[BadSample] = []
        self._folder, self._good = folder, good

    def fingerprint(self) -> str:
        """As `RawFolder.fingerprint`, of all that is there."""
        return self._folder.fingerprint()

    def chosen_by(self, split: str) -> str:
        """As `raw.Source.chosen_by`."""
        return self._folder.chosen_by(split)

    def open(self, split: str) -> RawSplit:
        """A split."""
        return _ChosenSplit(self._folder.open(split), self._good[split])


class _ChosenSplit:
    """A split with some of its keys."""

    def __init__(self, split: RawSplit, keys: list[Any]):
        self._split, self._keys = split, keys
        self.whole, self.labelled = split.whole, split.labelled

    def survey(self) -> Survey:
        return Survey(self._keys, [], [])

    def where(self, key: Any, /) -> str:
        return self._split.where(key)

    def example(self, key: Any, /) -> RawExample:
        return self._split.example(key)
