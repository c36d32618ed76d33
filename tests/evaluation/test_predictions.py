"""Predictions collected over batches: their order, frames and units, and what is refused."""

import numpy as np
import pytest
import toy_batches

from dcmls_tf import geometry
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.evaluation import predictions


@pytest.fixture(scope="module")
def data():
    return toy_batches.examples()


@pytest.fixture
def batches(data):
    return toy_batches.batches_of(data)


def test_samples_keep_the_order_of_the_data(data, batches):
    evaluated = predictions.collect(lambda batch: -1.0 * batch["y"], batches)
    assert len(evaluated) == toy_batches.SAMPLES
    assert evaluated.ids.tolist() == [f"sample/{i}" for i in range(toy_batches.SAMPLES)]
    assert evaluated.visible.dtype == bool
    np.testing.assert_array_equal(evaluated.y_pred, -data["y"])
    for name in ("y", "visible", "root_mm", "scale_mm", "A", "H", "K"):
        np.testing.assert_array_equal(getattr(evaluated, name), data[name])


def test_poses_return_to_the_camera_frame(data, batches):
    evaluated = predictions.collect(toy_batches.perfect, batches)
    expected = data["xyz_mm"] - data["root_mm"][:, None]
    np.testing.assert_allclose(evaluated.truth_mm, expected, atol=1e-3)
    np.testing.assert_allclose(evaluated.pred_mm(), expected, atol=1e-3)


def test_poses_are_drawn_where_the_image_has_them(data, batches):
    evaluated = predictions.collect(toy_batches.perfect, batches)
    expected = geometry.apply_homography(data["uv"], data["H"])
    np.testing.assert_allclose(evaluated.uv_in_crop(evaluated.y), expected, atol=0.01)


def test_the_predicted_scale_bone_is_not_normalised(batches):
    """A prediction 10% too large stays too large: `scale=gt` only multiplies."""
    evaluated = predictions.collect(lambda batch: 1.1 * batch["y"], batches)
    np.testing.assert_allclose(evaluated.pred_mm(), 1.1 * evaluated.truth_mm, rtol=1e-5, atol=1e-4)


def test_one_length_of_the_scale_bone_may_hold_for_all(data, batches):
    evaluated = predictions.collect(toy_batches.perfect, batches)
    factor = 25 / data["scale_mm"][:, None, None]
    np.testing.assert_allclose(evaluated.pred_mm(25), factor * evaluated.truth_mm, atol=1e-3)
    expected = np.linalg.norm((factor - 1) * evaluated.truth_mm, axis=-1)
    np.testing.assert_allclose(evaluated.errors_mm(25), expected, atol=1e-3)


def test_a_constant_is_predicted_for_each_sample(data, batches):
    evaluated = predictions.collect(toy_batches.perfect, batches)
    constant = evaluated.with_constant(data["y"][4])
    difference = data["scale_mm"][:, None, None] * (data["y"][4] - data["y"])
    expected = np.linalg.norm(difference, axis=-1)
    np.testing.assert_allclose(constant.errors_mm(), expected, rtol=1e-4, atol=1e-3)


def test_a_true_pose_that_is_not_finite_names_its_sample(batches):
    first, *others = batches
    y = np.array(first["y"])
    y[1, 3, 0] = np.inf
    spoilt = [{**first, "y": y}, *others]
    with pytest.raises(UserError, match=r"--raw_dir: sample sample/1 has joints that are no hand"):
        predictions.collect(lambda batch: np.zeros(batch["y"].shape), spoilt)


def test_a_prediction_that_is_not_finite_names_its_sample(batches):
    def diverged(batch):
        y_pred = np.array(batch["y"])
        y_pred[-1, 4, 2] = np.nan
        return y_pred

    with pytest.raises(Diverged, match="sample sample/7 is not finite"):
        predictions.collect(diverged, batches)


def test_wrong_shapes_and_no_samples(batches):
    with pytest.raises(UserError, match=r"predicts \(8, 20, 3\)"):
        predictions.collect(lambda batch: batch["y"][:, :20], batches)
    with pytest.raises(UserError, match="no samples"):
        predictions.collect(toy_batches.perfect, [])
