"""What a trivial predictor and a deployed model know about the training set."""

import dataclasses
import json
import os
from typing import Self

import numpy as np
from jaxtyping import Float

from dcmls_tf import files, hand
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
            with open(path) as file:
                fields = json.load(file)
            mean_pose = np.array(fields["mean_pose"], float).reshape(hand.NUM_JOINTS, 3)
            return cls(mean_pose, float(fields["mean_scale_mm"]))
        except FileNotFoundError:
            raise UserError(f"--run_dir: {path} does not exist; train the run first") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"--run_dir: {path} is damaged ({error})") from None
