"""The protocol end to end with predictors whose error is known."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dcmls_tf import files, geometry, hand
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import metrics
from dcmls_tf.evaluation import report as evaluation
from dcmls_tf.rendering import dataset

SAMPLES, SIZE, FOCAL = 20, 64, 280.0
METRICS = ["epe_mm", "epe_mm_mean", "epe_mm_median", "auc_20_50", "auc_0_50", "auc_hand3d"]
MEAN_SCALE_MM = 30.0


def examples(modality="rgb", seed=0):
    """Hands of random joints before a camera, in the pipeline's batch format."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform([-100, -100, 450], [100, 100, 600], (SAMPLES, 1, 3))
    xyz_mm = np.float32(centre + rng.normal(0, 30, (SAMPLES, hand.NUM_JOINTS, 3)))
    K = np.tile(np.float32([[FOCAL, 0, 160], [0, FOCAL, 160], [0, 0, 1]]), (SAMPLES, 1, 1))
    uv = geometry.project(xyz_mm, K)
    side = rng.integers(0, 2, SAMPLES)
    H, A = geometry.crop_transform(
        *geometry.joints_box(uv, K, 1.5), K, SIZE, roll=rng.normal(size=SAMPLES), mirror=side == 0
    )
    root_mm, scale_mm = xyz_mm[:, 0], geometry.scale_bone_mm(xyz_mm)
    crop_px = geometry.apply_homography(uv, H)
    rgb = np.float32(rng.uniform(-0.5, 0.5, (SAMPLES, SIZE, SIZE, 3)))
    return {
        "x": rgb if modality == "rgb" else geometry.to_unit_square(crop_px, SIZE).numpy(),
        "y": geometry.normalise(xyz_mm, root_mm, scale_mm, A).numpy(),
        "visible": rng.random((SAMPLES, hand.NUM_JOINTS)) < 0.8,
        "root_mm": root_mm,
        "scale_mm": scale_mm.numpy(),
        "A": A.numpy(),
        "H": H.numpy(),
        "K": K,
        "xyz_mm": xyz_mm,
        "uv": uv.numpy(),
        "side": side,
        "id": np.array([f"sample/{i}".encode() for i in range(SAMPLES)], object),
    }


def batches_of(data, size=8):
    """Batches of the examples; the last one is smaller."""
    return [{k: v[i : i + size] for k, v in data.items()} for i in range(0, SAMPLES, size)]


@pytest.fixture(scope="module")
def data():
    return examples()


@pytest.fixture
def batches(data):
    return batches_of(data)


def perfect(batch):
    return batch["y"]


def off_by_mm(offset_mm):
    """A predictor that misses every joint by `offset_mm` [3] in the crop's frame."""
    return lambda batch: batch["y"] + np.divide(offset_mm, batch["scale_mm"][:, None, None])


def noisy(batch):
    return batch["y"] + np.random.default_rng(3).normal(0, 0.4, batch["y"].shape)


def test_a_perfect_predictor(batches):
    result = evaluation.report(evaluation.collect(perfect, batches), MEAN_SCALE_MM)
    assert result["epe_mm"] == pytest.approx(0, abs=1e-4)
    assert [result[f"auc_{grid}"] for grid in metrics.GRIDS_MM] == pytest.approx(
        [1, 1, 1], abs=1e-3
    )


def test_a_constant_offset(batches):
    """Missing every joint by (3, 0, 4) mm is an error of 5 mm whatever frame it is in."""
    result = evaluation.report(evaluation.collect(off_by_mm([3, 0, 4]), batches), MEAN_SCALE_MM)
    for key in ("epe_mm", "epe_mm_mean", "epe_mm_median"):
        assert result[key] == pytest.approx(5, abs=1e-3)
    assert list(result["per_joint"]["epe_mm"].values()) == pytest.approx([5] * 21, abs=1e-3)
    # PCK is 0 below 5 mm and 1 above.
    assert result["auc_20_50"] == pytest.approx(1)
    assert result["auc_0_50"] == pytest.approx(45 / 50, abs=metrics.STEP_MM / 50)


def test_poses_return_to_the_camera_frame(data, batches):
    found = evaluation.collect(perfect, batches)
    expected = data["xyz_mm"] - data["root_mm"][:, None]
    np.testing.assert_allclose(found.truth_mm, expected, atol=1e-3)
    np.testing.assert_allclose(found.pred_mm(), expected, atol=1e-3)


def test_poses_are_drawn_where_the_image_has_them(data, batches):
    found = evaluation.collect(perfect, batches)
    expected = geometry.apply_homography(data["uv"], data["H"])
    np.testing.assert_allclose(found.uv_in_crop(found.y), expected, atol=0.01)


def test_the_mean_scale_is_all_that_differs_from_the_true_one(data, batches):
    """A perfect shape at the mean scale: off by the joint's distance from the root, rescaled."""
    result = evaluation.report(evaluation.collect(perfect, batches), MEAN_SCALE_MM)
    distance = np.linalg.norm(data["y"], axis=-1)
    error = distance * abs(MEAN_SCALE_MM - data["scale_mm"])[:, None]
    seen = data["visible"]
    expected = np.mean([error[seen[:, j], j].mean() for j in range(hand.NUM_JOINTS)])
    assert result["scale_mean"]["epe_mm"] == pytest.approx(expected, rel=1e-4)
    assert result["scale_mean"]["mean_scale_mm"] == MEAN_SCALE_MM


def test_the_predicted_scale_bone_is_not_normalised(data, batches):
    """A prediction 10% too large stays too large: `scale=gt` only multiplies."""
    found = evaluation.collect(lambda batch: 1.1 * batch["y"], batches)
    np.testing.assert_allclose(found.pred_mm(), 1.1 * found.truth_mm, rtol=1e-5, atol=1e-4)


def test_hidden_joints_count_only_when_asked(data, batches):
    def wrong_where_hidden(batch):
        return batch["y"] + 10.0 * ~batch["visible"][..., None]

    found = evaluation.collect(wrong_where_hidden, batches)
    result = evaluation.report(found, MEAN_SCALE_MM)
    assert result["epe_mm"] == pytest.approx(0, abs=1e-4)
    assert result["visible_joints"] == data["visible"].sum()
    result = evaluation.report(found.counting_hidden(), MEAN_SCALE_MM)
    assert result["epe_mm"] > 1
    assert result["visible_joints"] == SAMPLES * hand.NUM_JOINTS


def test_report_is_complete_and_survives_json(batches, tmp_path):
    result = evaluation.report(evaluation.collect(noisy, batches), MEAN_SCALE_MM)
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
    found = evaluation.collect(perfect, batches)
    for root, name in {"palm": "palm", "wrist": "wrist", "middle_mcp": "wrist"}.items():
        result = evaluation.report(found, MEAN_SCALE_MM, root=root)
        assert next(iter(result["per_joint"]["epe_mm"])) == name


def test_a_joint_that_is_never_visible_is_left_out(data):
    hidden = data["visible"].copy()
    hidden[:, 5] = False
    batches = batches_of({**data, "visible": hidden})
    result = evaluation.report(evaluation.collect(perfect, batches), MEAN_SCALE_MM)
    assert hand.JOINTS[5] not in result["per_joint"]["epe_mm"]
    assert len(result["per_joint"]["epe_mm"]) == 20


def test_a_prediction_that_is_not_finite_names_its_sample(batches):
    def diverged(batch):
        y_pred = np.array(batch["y"])
        y_pred[-1, 4, 2] = np.nan
        return y_pred

    with pytest.raises(UserError, match="sample sample/7 is not finite"):
        evaluation.collect(diverged, batches)


def test_wrong_shapes_and_no_samples(batches):
    with pytest.raises(UserError, match=r"predicts \(8, 20, 3\)"):
        evaluation.collect(lambda batch: batch["y"][:, :20], batches)
    with pytest.raises(UserError, match="no samples"):
        evaluation.collect(perfect, [])


def test_picks_are_in_order_and_without_repetition(batches):
    found = evaluation.collect(noisy, batches)
    picked = evaluation.pick(found)
    error = [found.errors_mm()[n][found.visible[n]].mean() for n in range(SAMPLES)]
    order = sorted(range(SAMPLES), key=error.__getitem__)
    assert [picked[f"best {i}"] for i in (1, 2, 3)] == order[:3]
    assert [picked[f"median {i}"] for i in (1, 2, 3)] == order[8:11]
    assert [picked[f"worst {i}"] for i in (1, 2, 3)] == order[:-4:-1]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_picks_of_very_few_samples(data, count):
    few = {k: v[:count] for k, v in data.items()}
    picked = evaluation.pick(evaluation.collect(perfect, [few]))
    assert 1 <= len(picked) <= count
    assert len(set(picked.values())) == len(picked)


def test_training_statistics_survive_saving(tmp_path):
    mean_pose = np.random.default_rng(0).normal(size=(hand.NUM_JOINTS, 3))
    evaluation.TrainingStatistics(mean_pose, 36.5).save(tmp_path)
    found = evaluation.TrainingStatistics.load(tmp_path)
    np.testing.assert_array_equal(found.mean_pose, mean_pose)
    assert found.mean_scale_mm == 36.5
    (tmp_path / evaluation.STATISTICS_FILE).write_text("{}")
    with pytest.raises(UserError, match="is damaged"):
        evaluation.TrainingStatistics.load(tmp_path)
    with pytest.raises(UserError, match="train the run first"):
        evaluation.TrainingStatistics.load(tmp_path / "elsewhere")


@pytest.fixture(params=["rgb", "2d"], scope="module")
def evaluated(request, tmp_path_factory):
    """A whole evaluation: report, folder and data."""
    data = examples(request.param)
    statistics = evaluation.TrainingStatistics(data["y"].mean(axis=0), MEAN_SCALE_MM)
    config = Config(modality=request.param, input_size=SIZE)
    arguments = (noisy, lambda: batches_of(data), config, "evaluation", statistics)
    folder = tmp_path_factory.mktemp("evaluated") / "reports"
    result = evaluation.evaluate(*arguments, str(folder / "out.json"), run={"step": 7})
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
    for column, part in {"pck": result, "pck_scale_mean": result["scale_mean"]}.items():
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


def test_rendered_data_is_called_so(tmp_path):
    config = Config(dataset="rhd", raw_dir=str(tmp_path))
    assert evaluation.source_of(config) == "rhd"
    (tmp_path / dataset.SETTINGS).write_text("{}")
    assert evaluation.source_of(config) == "rendered"


def test_the_table_shows_the_reports_numbers(evaluated):
    result, _, _ = evaluated
    text = evaluation.table(result)
    assert f"{result['epe_mm']:.2f}" in text
    assert f"{result['scale_mean']['auc_hand3d']:.3f}" in text
    assert f"{result['baselines']['mean_pose']['epe_mm']:.2f}" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_a_report_that_cannot_be_written_stops_before_the_work(data, tmp_path):
    (tmp_path / "file").write_text("")

    def never():
        raise AssertionError("work was started")

    statistics = evaluation.TrainingStatistics(data["y"][0], MEAN_SCALE_MM)
    for path in (tmp_path / "file" / "out.json", tmp_path):
        with pytest.raises(UserError, match="--report="):
            evaluation.evaluate(perfect, never, Config(), "evaluation", statistics, str(path))


@pytest.mark.slow
def test_the_script_names_a_run_that_is_not_there(tmp_path):
    script = pathlib.Path(__file__).parents[2] / "scripts" / "evaluate.py"
    command = [sys.executable, script, f"--run_dir={tmp_path / 'nowhere'}"]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "nowhere/config.json does not exist" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not os.listdir(tmp_path)
