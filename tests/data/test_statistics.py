"""What a run keeps of its training set."""

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


@pytest.mark.parametrize(
    "content",
    ["{}", "no JSON", '{"mean_pose": [[0, 0, 0]], "mean_scale_mm": 36}', '{"mean_pose": null}'],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / STATISTICS_FILE).write_text(content)
    with pytest.raises(UserError, match=rf"--run_dir: .*{STATISTICS_FILE} is damaged"):
        TrainingStatistics.load(tmp_path)


def test_a_run_without_them_is_to_be_trained(tmp_path):
    with pytest.raises(UserError, match="train the run first"):
        TrainingStatistics.load(tmp_path / "elsewhere")
