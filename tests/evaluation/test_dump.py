"""A dump holds what the report's numbers are taken of."""

import csv

import numpy as np
import pytest
from toy_batches import MEAN_SCALE_MM, SAMPLES, batches_of, examples, noisy

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import dump, predictions, scores


@pytest.fixture(scope="module")
def evaluated():
    return predictions.collect(noisy, batches_of(examples()))


def test_arrays_give_the_reports_errors(evaluated, tmp_path):
    dump.write(str(tmp_path / "d.npz"), evaluated, hand.joint_names("palm"))
    result = scores.of_split(evaluated, MEAN_SCALE_MM)
    with np.load(tmp_path / "d.npz", allow_pickle=False) as held:
        assert set(held) == set(dump.arrays(evaluated, hand.JOINTS))
        assert held["ids"].tolist() == evaluated.ids.tolist()
        seen = held["visible"]
        errors = np.linalg.norm(held["pred_mm"] - held["truth_mm"], axis=-1)
        np.testing.assert_allclose(errors, held["errors_mm"], rtol=1e-5)
        by_joint = [errors[seen[:, j], j].mean() for j in range(21)]
        assert np.mean(by_joint) == pytest.approx(result["epe_mm"])
        by_joint = [held["aligned_errors_mm"][seen[:, j], j].mean() for j in range(21)]
        assert np.mean(by_joint) == pytest.approx(result["aligned"]["epe_mm"])


def test_a_row_a_joint(evaluated, tmp_path):
    dump.write(str(tmp_path / "d.csv"), evaluated, hand.joint_names("palm"))
    with open(tmp_path / "d.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == SAMPLES * 21
    last = rows[-1]
    assert tuple(last) == dump.COLUMNS
    assert (last["id"], last["joint"], last["name"]) == (evaluated.ids[-1], "20", "little_tip")
    assert rows[0]["name"] == "palm"
    assert int(last["visible"]) == evaluated.visible[-1, 20]
    pred, truth = ([float(last[f"{of}{axis}_mm"]) for axis in "xyz"] for of in ("", "true_"))
    np.testing.assert_allclose(pred, evaluated.pred_mm()[-1, 20], atol=1e-3)
    assert np.linalg.norm(np.subtract(pred, truth)) == pytest.approx(
        float(last["error_mm"]), abs=1e-3
    )


@pytest.mark.parametrize("name", ["d.txt", "d", "none/d.csv"])
def test_a_file_that_cannot_be_is_named_before_the_work(tmp_path, name):
    with pytest.raises(UserError, match="--dump="):
        dump.check(str(tmp_path / name))
