"""What a run was trained on, so that it does not go on with something else.

Folders may move, and data be prepared anew: what counts is what the examples hold.
"""

import dataclasses
import hashlib
import json
import os
from typing import Any, Self

import numpy as np

from dcmls_tf import files
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline
from dcmls_tf.data.examples import IMAGE, TRAINING
from dcmls_tf.data.raw import PreparedData
from dcmls_tf.errors import UserError

FINGERPRINT_FILE = "training_data.json"
BATCH = 1024


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """The training split, validation examples too: how many examples, and SHA-256 of the rest.

    ids: of the examples' ids in their order; labels: of joints, cameras and sides; pictures: of
    the encoded images, empty where the run does without.
    """

    examples: int
    ids: str
    labels: str
    pictures: str

    def save(self, run_dir: files.StrPath) -> None:
        """Writes `training_data.json` into `run_dir` atomically."""
        files.write_json(os.path.join(run_dir, FINGERPRINT_FILE), dataclasses.asdict(self))

    @classmethod
    def load(cls, run_dir: files.StrPath) -> Self | None:
        """Reads what `save` wrote; `None` without it. Raises `UserError` when it is damaged."""
        path = os.path.join(run_dir, FINGERPRINT_FILE)
        try:
            with open(path, encoding="utf-8") as file:
                return cls(**json.load(file))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"--run_dir: {path} is damaged ({error}); remove it if the data is still the same"
            ) from None

    @property
    def number(self) -> int:
        """One below 2**40 that stands for all of it."""
        return int.from_bytes(hashlib.sha256(repr(self).encode()).digest()[:5])

    def differences(self, other: Self) -> list[str]:
        """What another one has that is not this one's, in words."""
        if self.examples != other.examples:
            return [f"{other.examples} training examples, not {self.examples}"]
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return [f"other {name}" for name, value in mine.items() if value != others[name]]


def of(builder: PreparedData, config: Config) -> Fingerprint:
    """The fingerprint of prepared data as a `Config` trains on it; all of it is read once."""
    images = config.modality == "rgb"
    digests = {name: hashlib.sha256() for name in ("ids", "labels", "pictures")}
    examples = pipeline.canonical_examples(builder, TRAINING, images=images)
    for batch in examples.batch(BATCH):
        for key in sorted(batch):
            digest = digests[{"id": "ids", IMAGE: "pictures"}.get(key, "labels")]
            digest.update(_bytes(batch[key].numpy()))
    return Fingerprint(
        examples=pipeline.num_examples(builder, TRAINING),
        ids=digests["ids"].hexdigest(),
        labels=digests["labels"].hexdigest(),
        pictures=digests["pictures"].hexdigest() if images else "",
    )


def check(config: Config, known: Fingerprint, now: Fingerprint) -> None:
    """Raises `UserError` when a run's data now is not what it is `known` to be trained on."""
    changes = known.differences(now)
    if changes:
        raise UserError(
            f"--raw_dir={config.raw_dir}: is not the data that {config.run_dir} was trained on: it "
            f"has {' and '.join(changes)}; give the same data, or another --run_dir"
        )


def _bytes(values: Any) -> bytes:
    """Numbers, or texts with their lengths, as bytes."""
    if values.dtype != object:
        return np.ascontiguousarray(values).tobytes()
    return b"".join(part for v in values for part in (len(v).to_bytes(8, "little"), v))
