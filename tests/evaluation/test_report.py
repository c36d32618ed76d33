"""The protocol end to end with predictors whose error is known."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image
from toy_batches import MEAN_SCALE_MM, SAMPLES, SIZE, batches_of, examples, noisy, perfect

from dcmls_tf import files, hand
from dcmls_tf.config import Config
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics, predictions, report, scores

METRICS = ["epe_mm", "epe_mm_mean", "epe_mm_median", "auc_20_50", "auc_0_50", "auc_hand3d"]


@pytest.fixture(scope="module")
def data():
    return examples()


@pytest.fixture
def batches(data):
    return batches_of(data)


def off_by_mm(offset_mm):
    """A predictor that misses every joint by `offset_mm` [3] in the crop's frame."""
    return lambda batch: batch["y"] + np.divide(offset_mm, batch["scale_mm"][:, None, None])


def test_a_perfect_predictor(batches):
    result = scores.of_split(predictions.collect(perfect, batches), MEAN_SCALE_MM)
    assert result["epe_mm"] == pytest.approx(0, abs=1e-4)
    assert [result[f"auc_{grid}"] for grid in metrics.GRIDS_MM] == pytest.approx(
        [1, 1, 1], abs=1e-3
    )


def test_a_constant_offset(batches):
    """Missing every joint by (3, 0, 4) mm is an error of 5 mm whatever frame it is in."""
    result = scores.of_split(predictions.collect(off_by_mm([3, 0, 4]), batches), MEAN_SCALE_MM)
    for key in ("epe_mm", "epe_mm_mean", "epe_mm_median"):
        assert result[key] == pytest.approx(5, abs=1e-3)
    assert list(result["per_joint"]["epe_mm"].values()) == pytest.approx([5] * 21, abs=1e-3)
    # PCK is 0 below 5 mm and 1 above.
    assert result["auc_20_50"] == pytest.approx(1)
    assert result["auc_0_50"] == pytest.approx(45 / 50, abs=metrics.STEP_MM / 50)


def test_the_mean_scale_is_all_that_differs_from_the_true_one(data, batches):
    """A perfect shape at the mean scale: off by the joint's distance from the root, rescaled."""
    result = scores.of_split(predictions.collect(perfect, batches), MEAN_SCALE_MM)
    distance = np.linalg.norm(data["y"], axis=-1)
    error = distance * abs(MEAN_SCALE_MM - data["scale_mm"])[:, None]
    seen = data["visible"]
    expected = np.mean([error[seen[:, j], j].mean() for j in range(hand.NUM_JOINTS)])
    assert result["scale_mean"]["epe_mm"] == pytest.approx(expected, rel=1e-4)
    assert result["scale_mean"]["mean_scale_mm"] == MEAN_SCALE_MM


def test_hidden_joints_count_only_when_asked(data, batches):
    def wrong_where_hidden(batch):
        return batch["y"] + 10.0 * ~batch["visible"][..., None]

    collected = predictions.collect(wrong_where_hidden, batches)
    result = scores.of_split(collected, MEAN_SCALE_MM)
    assert result["epe_mm"] == pytest.approx(0, abs=1e-4)
    assert result["visible_joints"] == data["visible"].sum()
    result = scores.of_split(collected.counting_hidden(), MEAN_SCALE_MM)
    assert result["epe_mm"] > 1
    assert result["visible_joints"] == SAMPLES * hand.NUM_JOINTS


def test_report_is_complete_and_survives_json(batches, tmp_path):
    result = scores.of_split(predictions.collect(noisy, batches), MEAN_SCALE_MM)
    path = str(tmp_path / "report.json")
    files.write_json(path, result)
    with open(path) as file:
        assert json.load(file) == result
    assert result["samples"] == SAMPLES
    for part in (result, result["scale_mean"]):
        assert {"samples", *METRICS} <= set(part)
        for metric in set(METRICS) - {"epe_mm_mean"}:
            assert list(part["per_joint"][metric]) == ["palm", *hand.JOINTS[1:]]
    assert os.listdir(tmp_path) == ["report.json"]


def test_joint_0_is_named_after_the_root(batches):
    collected = predictions.collect(perfect, batches)
    for root, name in {"palm": "palm", "wrist": "wrist", "middle_mcp": "wrist"}.items():
        result = scores.of_split(collected, MEAN_SCALE_MM, root=root)
        assert next(iter(result["per_joint"]["epe_mm"])) == name


def test_a_joint_that_is_never_visible_is_left_out(data):
    hidden = data["visible"].copy()
    hidden[:, 5] = False
    batches = batches_of({**data, "visible": hidden})
    result = scores.of_split(predictions.collect(perfect, batches), MEAN_SCALE_MM)
    assert hand.JOINTS[5] not in result["per_joint"]["epe_mm"]
    assert len(result["per_joint"]["epe_mm"]) == 20


@pytest.fixture(params=["rgb", "2d"], scope="module")
def evaluated(request, tmp_path_factory):
    """A whole evaluation: report, folder and data."""
    data = examples(request.param)
    statistics = TrainingStatistics(data["y"].mean(axis=0), MEAN_SCALE_MM)
    config = Config(modality=request.param, input_size=SIZE)
    arguments = (noisy, lambda: batches_of(data), config, "evaluation", statistics)
    folder = tmp_path_factory.mktemp("evaluated") / "reports"
    result = report.evaluate(*arguments, str(folder / "out.json"), run={"step": 7})
    return result, folder, data


def test_everything_is_written(evaluated):
    result, folder, _ = evaluated
    expected = ["out.json", "out.overlays.png", "out.pck.csv", "out.pck.png"]
    assert sorted(os.listdir(folder)) == expected
    assert json.loads((folder / "out.json").read_text()) == result
    for name in expected[1::2]:
        with Image.open(folder / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10


def test_the_mean_pose_is_the_baseline(evaluated):
    result, _, data = evaluated
    error = np.linalg.norm(data["y"] - data["y"].mean(axis=0), axis=-1) * data["scale_mm"][:, None]
    seen = data["visible"]
    expected = np.mean([error[seen[:, j], j].mean() for j in range(hand.NUM_JOINTS)])
    assert result["baselines"]["mean_pose"]["epe_mm"] == pytest.approx(expected, rel=1e-4)


def test_the_curve_in_the_csv_gives_the_auc_in_the_report(evaluated):
    result, folder, _ = evaluated
    with open(folder / "out.pck.csv") as file:
        rows = list(csv.DictReader(file))
    t = np.array([float(row["threshold_mm"]) for row in rows])
    parts = {
        "pck": result,
        "pck_scale_mean": result["scale_mean"],
        "pck_mean_pose": result["baselines"]["mean_pose"],
    }
    for column, part in parts.items():
        pck = np.array([float(row[column]) for row in rows])
        for name, first in {"auc_0_50": 0, "auc_20_50": 20}.items():
            inside = t >= first
            area = metrics.area_under_curve(t[inside], pck[inside])
            assert area == pytest.approx(part[name], abs=1e-5)


def test_the_report_says_what_was_evaluated(evaluated):
    result, _, _ = evaluated
    assert (result["dataset"], result["split"], result["root"]) == ("rhd", "evaluation", "palm")
    assert result["run"] == {"step": 7}
    assert result["config"]["input_size"] == SIZE
    assert {"python", "numpy", "tensorflow"} <= set(result["versions"])
    assert {"date", "protocol", "visible_joints", "source"} <= set(result)


def test_the_table_shows_the_reports_numbers(evaluated):
    result, _, _ = evaluated
    baseline = result["baselines"]["mean_pose"]
    title, heads, *rows, fingers, mmpose, last = report.table(result).splitlines()
    assert f"EPE {result['epe_mm']:.2f} mm" in title
    assert heads.split() == ["mm", "EPE", "mean", "median", "AUC", "20-50", "0-50", "hand3d"]
    parts = [part for of in (result, baseline) for part in (of, of["scale_mean"], of["aligned"])]
    first = (
        result["per_finger"]["epe_mm"]["thumb"],
        result["aligned"]["per_finger"]["epe_mm"]["thumb"],
    )
    assert fingers.startswith("EPE/aligned: thumb {:.1f}/{:.1f}, index".format(*first))
    assert f": MPJPE {result['mmpose']['MPJPE']:.2f}, P-MPJPE" in mmpose
    for row, part in zip(rows, parts, strict=True):
        assert row[28:].split() == [
            *(f"{part[metric]:.2f}" for metric in METRICS[:3]),
            *(f"{part[metric]:.3f}" for metric in METRICS[3:]),
        ]
    assert last == f"EPE is {1 - result['epe_mm'] / baseline['epe_mm']:.0%} below the mean pose's"
    assert max(len(line) for line in (title, heads, *rows, fingers, mmpose, last)) <= 100


def test_files_of_a_report_are_named_after_it():
    assert report.sibling_path("a/out.json", "pck.csv") == "a/out.pck.csv"
    assert report.sibling_path("a.b/out", "pck.csv") == "a.b/out.pck.csv"
    assert report.sibling_path("out.txt", "pck.csv") == "out.txt.pck.csv"


def test_all_joints_count_when_asked(data, tmp_path):
    statistics = TrainingStatistics(data["y"][0], MEAN_SCALE_MM)
    few = batches_of(data, 4)[:1]
    arguments = (perfect, lambda: few, Config(input_size=SIZE), "evaluation", statistics)
    result = report.evaluate(*arguments, str(tmp_path / "out.json"), joints="all", hands_by="masks")
    assert (result["joints"], result["visible_joints"]) == ("all", 4 * hand.NUM_JOINTS)
    title = report.table(result).splitlines()[0]
    assert "4 samples (hands by masks), 84 joints, hidden ones too, " in title
    assert result["hands_by"] == "masks"


def test_a_split_without_visible_joints_is_refused(data, tmp_path):
    hidden = batches_of({**data, "visible": np.zeros_like(data["visible"])})
    statistics = TrainingStatistics(data["y"][0], MEAN_SCALE_MM)
    arguments = (perfect, lambda: hidden, Config(), "evaluation", statistics)
    with pytest.raises(UserError, match="--split=evaluation: no joint of its 20 samples"):
        report.evaluate(*arguments, str(tmp_path / "out.json"))


def test_a_report_that_cannot_be_written_stops_before_the_work(data, tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")

    def never():
        raise AssertionError("work was started")

    statistics = TrainingStatistics(data["y"][0], MEAN_SCALE_MM)
    for path in (tmp_path / "file" / "out.json", tmp_path, tmp_path / "pipe"):
        with pytest.raises(UserError, match="--report="):
            report.evaluate(perfect, never, Config(), "evaluation", statistics, str(path))
