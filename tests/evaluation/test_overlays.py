"""Which samples a report shows, with which pictures."""

import numpy as np
import pytest
import toy_batches

from dcmls_tf.drawing import skeletons
from dcmls_tf.evaluation import overlays, predictions
from dcmls_tf.evaluation.predictions import EvaluatedSplit

SIZE = toy_batches.SIZE


@pytest.fixture(scope="module")
def data():
    return toy_batches.examples()


@pytest.fixture(scope="module")
def evaluated(data) -> EvaluatedSplit:
    return predictions.collect(toy_batches.noisy, toy_batches.batches_of(data))


def test_picks_are_in_order_and_without_repetition(evaluated):
    picked = overlays.pick(evaluated)
    errors_mm = evaluated.errors_mm()
    error = [errors_mm[n][evaluated.visible[n]].mean() for n in range(toy_batches.SAMPLES)]
    order = sorted(range(toy_batches.SAMPLES), key=error.__getitem__)
    assert [picked[f"best {i}"] for i in (1, 2, 3)] == order[:3]
    assert [picked[f"median {i}"] for i in (1, 2, 3)] == order[8:11]
    assert [picked[f"worst {i}"] for i in (1, 2, 3)] == order[:-4:-1]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_picks_of_very_few_samples(data, count):
    few = toy_batches.batches_of(data, count)[0]
    picked = overlays.pick(predictions.collect(toy_batches.perfect, [few]))
    assert 1 <= len(picked) <= count
    assert len(set(picked.values())) == len(picked)


def test_samples_without_visible_joints_are_not_picked(data):
    visible = data["visible"].copy()
    visible[1:] = False
    batches = toy_batches.batches_of({**data, "visible": visible})
    picked = overlays.pick(predictions.collect(toy_batches.noisy, batches))
    assert picked == {"best 1": 0}


def test_crops_are_those_of_the_samples(data):
    """Of three batches of 8, 8 and 4; the last is not read when nothing in it is asked for."""

    def batches():
        yield from toy_batches.batches_of(data)[:2]
        raise AssertionError("read on")

    crops = overlays.crops(batches(), [15, 2, 8, 2], SIZE)
    assert sorted(crops) == [2, 8, 15]
    for n, crop in crops.items():
        np.testing.assert_array_equal(crop, skeletons.as_uint8(data["x"][n]))


def test_joints_have_blank_crops():
    batches = toy_batches.batches_of(toy_batches.examples("2d"))
    crops = overlays.crops(batches, [19], SIZE)
    np.testing.assert_array_equal(crops[19], np.full((SIZE, SIZE, 3), skeletons.PAPER, np.uint8))


def test_a_row_shows_truth_and_prediction_of_its_sample(data, evaluated):
    crop = skeletons.as_uint8(data["x"][5])
    figure = overlays.page(evaluated, {"best 1": 3, "worst 1": 5}, {3: crop, 5: crop}, "title")
    titles = [ax.get_title() for ax in figure.axes[:4]]
    assert titles == ["truth", "prediction", "front", "from the right (depth →)"]
    seen, error = evaluated.visible[5], evaluated.errors_mm()[5]
    assert figure.axes[4].get_ylabel() == f"worst 1\nsample/5\n{error[seen].mean():.1f} mm"
    pose, truth = (evaluated.scale_mm[5] * y[5] for y in (evaluated.y_pred, evaluated.y))
    expected = [
        skeletons.draw_skeleton(crop, evaluated.uv_in_crop(evaluated.y)[5], seen),
        skeletons.draw_skeleton(crop, evaluated.uv_in_crop(evaluated.y_pred)[5], seen),
        skeletons.draw_pose_3d(pose, truth, view="front", grid=50),
        skeletons.draw_pose_3d(pose, truth, view="side", grid=50),
    ]
    for ax, picture in zip(figure.axes[4:8], expected, strict=True):
        np.testing.assert_array_equal(ax.get_images()[0].get_array(), picture)
