"""What a run keeps of its training set."""

import json
from typing import Any

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.data.statistics import STATISTICS_FILE, TrainingStatistics
from dcmls_tf.errors import UserError


def test_they_survive_saving(tmp_path):
    mean_pose = np.random.default_rng(0).normal(size=(hand.NUM_JOINTS, 3))
    TrainingStatistics(mean_pose, 36.5).save(tmp_path)
    loaded = TrainingStatistics.load(tmp_path)
    np.testing.assert_array_equal(loaded.mean_pose, mean_pose)
    assert loaded.mean_scale_mm == 36.5


POSE = [[0.0, 0, 0]] * hand.NUM_JOINTS


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"no JSON",
        b"\xff\xfe",
        b'{"mean_pose": [[0, 0, 0]], "mean_scale_mm": 36}',
        b'{"mean_pose": null}',
        json.dumps({"mean_pose": POSE, "mean_scale_mm": float("nan")}).encode(),
        json.dumps({"mean_pose": POSE, "mean_scale_mm": 0}).encode(),
        json.dumps({"mean_pose": [[float("inf"), 0, 0], *POSE[1:]], "mean_scale_mm": 36}).encode(),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / STATISTICS_FILE).write_bytes(content)
    with pytest.raises(UserError, match=rf"--run_dir: .*{STATISTICS_FILE} is damaged"):
        TrainingStatistics.load(tmp_path)


def test_a_folder_in_their_place_is_named(tmp_path):
    (tmp_path / STATISTICS_FILE).mkdir()
    with pytest.raises(UserError, match=rf"{STATISTICS_FILE} is damaged \(.*Is a directory"):
        TrainingStatistics.load(tmp_path)


def test_a_run_without_them_is_to_be_trained(tmp_path):
    with pytest.raises(UserError, match="train the run first"):
        TrainingStatistics.load(tmp_path / "elsewhere")


def test_they_are_means_over_all_batches_and_a_sample_without_pose_is_named():
    rng = np.random.default_rng(0)
    y, scale_mm = rng.normal(size=(5, hand.NUM_JOINTS, 3)), rng.uniform(20, 40, 5)
    ids = np.array([b"a", b"b", b"c", b"d", b"e"], object)

    def batches() -> Any:
        for part in (slice(0, 3), slice(3, 5)):
            yield {"y": y[part], "scale_mm": scale_mm[part], "id": ids[part]}

    statistics = TrainingStatistics.of(batches())
    np.testing.assert_allclose(statistics.mean_pose, y.mean(axis=0))
    assert statistics.mean_scale_mm == pytest.approx(scale_mm.mean())
    y[3, 2, 1] = np.nan
    with pytest.raises(UserError, match=r"--raw_dir: sample d has joints that are no hand's"):
        TrainingStatistics.of(batches())
