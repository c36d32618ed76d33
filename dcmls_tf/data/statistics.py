"""What a trivial predictor and a deployed model know about the training set."""

import dataclasses
import json
import os
from collections.abc import Iterable
from typing import Self

import numpy as np
from jaxtyping import Float

from dcmls_tf import files, hand
from dcmls_tf.data.examples import Batch
from dcmls_tf.errors import UserError

STATISTICS_FILE = "training_statistics.json"


@dataclasses.dataclass(frozen=True)
class TrainingStatistics:
    """The training set's mean pose, in scale-bone units and the crop's frame, and mean scale bone.

    A trivial predictor always gives the mean pose; a deployed model, which does not know a
    hand's size, multiplies its poses by the mean length of the scale bone.
    """

    mean_pose: Float[np.ndarray, "21 3"]
    mean_scale_mm: float

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Self:
        """The statistics of a split's batches. Raises `UserError` naming a sample out of range."""
        poses, scales = [], []
        for batch in batches:
            y, scale_mm = np.asarray(batch["y"]), np.asarray(batch["scale_mm"])
            wrong = ~(np.isfinite(y).all(axis=(1, 2)) & np.isfinite(scale_mm))
            if wrong.any():
                name = np.asarray(batch["id"])[wrong][0].decode(errors="replace")
                raise UserError(
                    f"--raw_dir: sample {name} has joints that are no hand's (its pose is not "
                    "finite); scripts/prepare.py --check lists all such samples"
                )
            poses.append(y)
            scales.append(scale_mm)
        return cls(np.concatenate(poses).mean(axis=0), float(np.concatenate(scales).mean()))

    def save(self, run_dir: str | os.PathLike[str]) -> None:
        """Writes `training_statistics.json` into `run_dir` atomically."""
        fields = {"mean_pose": np.asarray(self.mean_pose).tolist()}
        fields["mean_scale_mm"] = float(self.mean_scale_mm)
        files.write_json(os.path.join(run_dir, STATISTICS_FILE), fields)

    @classmethod
    def load(cls, run_dir: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote. Raises `UserError` when there is none or it is damaged."""
        path = os.path.join(run_dir, STATISTICS_FILE)
        try:
            with open(path, encoding="utf-8") as file:
                fields = json.load(file)
            mean_pose = np.array(fields["mean_pose"], float).reshape(hand.NUM_JOINTS, 3)
            mean_scale_mm = float(fields["mean_scale_mm"])
            if not (np.isfinite(mean_pose).all() and 0 < mean_scale_mm < np.inf):
                raise ValueError("a number in it is not finite, or no length")
        except FileNotFoundError:
            raise UserError(f"--run_dir: {path} does not exist; train the run first") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"--run_dir: {path} is damaged ({error}); remove it, and scripts/train.py with the "
                "run's options makes it again"
            ) from None
        return cls(mean_pose, mean_scale_mm)
