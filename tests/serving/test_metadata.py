"""What an export says of its model, and what is read back of it."""

import json

import numpy as np
import pytest

from dcmls_tf.config import Config
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.errors import UserError
from dcmls_tf.serving import metadata

CONFIG = Config(modality="2d", crop_margin=1.75, raw_dir="nowhere")
STATISTICS = TrainingStatistics(np.zeros((21, 3)), 36.5)
REPORT = {
    "epe_mm": 20.5,
    "auc_20_50": 0.8,
    "per_joint": {},
    "scale_mean": {"epe_mm": 22.5, "auc_20_50": 0.75, "samples": 3},
}


def test_metadata_gives_the_config_back_through_json(tmp_path):
    described = metadata.describe(CONFIG, STATISTICS, str(tmp_path), step=7)
    read = json.loads(json.dumps(described))
    assert metadata.config_of(read, "hands") == CONFIG
    assert read["checkpoint_step"] == 7
    assert read["mean_scale_mm"] == 36.5
    assert read["joint_names"][0] == "palm"
    assert read["report"] is None
    assert read["training_data"] == {"dataset": "rhd", "source": "not known"}


def test_a_runs_report_is_told_in_short(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    described = metadata.describe(CONFIG, STATISTICS, str(tmp_path), step=7)
    assert described["report"] == {
        "epe_mm": 20.5,
        "auc_20_50": 0.8,
        "scale_mean": {"epe_mm": 22.5, "auc_20_50": 0.75},
    }


@pytest.mark.parametrize("content", ["{", "[]", '{"epe_mm": 1.0}'])
def test_a_damaged_report_is_named(content, tmp_path):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(UserError, match=r"--run_dir: .*report\.json is damaged"):
        metadata.describe(CONFIG, STATISTICS, str(tmp_path), step=7)


@pytest.mark.parametrize(
    "read",
    [
        {},
        {"config": None},
        {"config": {"colour_of_the_sky": 1}},
        {"config": {"input_size": "large"}},
        {"config": {"z_dim": -1}},
    ],
)
def test_metadata_of_another_version_is_named(read):
    with pytest.raises(UserError, match="--model=hands: its metadata is of another version"):
        metadata.config_of(read, "hands")


@pytest.mark.parametrize("value", [None, "36", [36.5], True, 0, -1.0, float("nan"), float("inf")])
def test_a_mean_hand_that_is_none_is_named(value):
    with pytest.raises(UserError, match=r"--model=hands: .*mean_scale_mm"):
        metadata.mean_scale_mm_of({"mean_scale_mm": value}, "hands")
    assert metadata.mean_scale_mm_of({"mean_scale_mm": 36.5}, "hands") == 36.5
