"""`benchmarks/factors.py`: what its factors do to a picture, and how it scores and counts."""

import dataclasses
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.rendering import backgrounds

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "factors.py"
SEED = 16


@pytest.fixture(scope="module")
def factors() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def view(factors):
    return next(factors["views"](SEED, factors["FACTORS"]["none"][1]))[1]


def changed(factors, name, view):
    return factors["FACTORS"][name][0](view, np.random.default_rng(0))


def rendered(factors, view):
    paths = backgrounds.of_split(backgrounds.photographs(), "evaluation")
    return factors["render"](view, np.random.default_rng(0), paths)


@pytest.mark.parametrize(
    ("name", "px"), [("hand of 320 px", 320), ("hand of 512 px, fills the picture", 512)]
)
def test_a_hand_is_as_large_as_its_row_says(name, px, factors, view):
    low, high = factors["_box"](changed(factors, name, view))
    assert (high - low).max() == pytest.approx(px)
    size = changed(factors, name, view).camera.size
    np.testing.assert_allclose((low + high) / 2, size / 2)


def test_half_a_hand_is_out_of_its_picture(factors, view):
    for seed in range(8):
        half = factors["half_out"](view, np.random.default_rng(seed))
        middle = np.mean(factors["_box"](half), axis=0)
        at_border = np.isclose(middle, 0) | np.isclose(middle, half.camera.size)
        assert at_border.sum() == 1


def test_a_picture_and_its_truth_are_of_one_hand(factors, view):
    plain = rendered(factors, view)
    low, high = factors["_box"](view)
    assert plain.pixels.shape == (640, 640, 3)
    np.testing.assert_allclose([plain.uv.min(0), plain.uv.max(0)], [low, high], atol=0.1)
    assert plain.visible.sum() >= 15
    np.testing.assert_array_equal(plain.joints_mm[0], 0)
    half = rendered(factors, factors["half_out"](view, np.random.default_rng(1)))
    inside = ((half.uv >= 0) & (half.uv < 640)).all(1)[1:]
    assert not half.visible[1:][~inside].any()
    np.testing.assert_allclose(half.joints_mm, plain.joints_mm, atol=1e-2)


def test_gloves_cover_the_hand_and_things_lie_in_it(factors, view):
    gloved, holding = (changed(factors, n, view) for n in ("cloth gloves", "something held"))
    figure = view.scene.figure
    assert gloved.scene.outfit.sleeve_end > 3
    moved = np.linalg.norm(gloved.scene.posed.vertices - figure.posed.vertices, axis=1)
    in_hand = np.char.startswith(np.array(figure.person.body.bones)[
        np.argmax(figure.person.body.weights, axis=1)], "finger")  # fmt: skip
    assert 0.001 < np.median(moved[in_hand]) < 0.006
    assert figure.thing is None
    assert holding is None or holding.scene.figure.thing is not None


def test_blur_smears_along_and_keeps_the_light(factors, view):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[32, 32] = 255
    blurred = factors["_in_linear_light"](pixels, np.full((1, 5), 0.2, np.float32))
    assert np.flatnonzero(blurred[32, :, 0]).tolist() == [30, 31, 32, 33, 34]
    # A fifth of the light, 0.2, is 0.4845 in sRGB.
    assert blurred[32, 32, 0] == pytest.approx(255 * 0.4845, abs=1)


def test_scores_are_mm_at_the_true_bone_over_visible_joints(factors):
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 40, (21, 3))
    truth -= truth[0]
    visible = np.arange(21) < 11
    uv = rng.uniform(100, 200, (21, 2)).astype(np.float32)
    picture = factors["Picture"](np.zeros((4, 4, 3), np.uint8), uv, truth, visible, hand.LEFT)
    off = 2 * truth
    off[5] += (0, 0, 22.0)
    region = HandRegion.from_keypoints(uv, hand.LEFT)
    pose = HandPose(region, uv, off + 7.0, np.zeros(3, np.float32))
    score = factors["score"]
    assert score(picture, pose) == (pytest.approx(11 / 11), True)
    other = dataclasses.replace(pose, region=region.of_side(hand.RIGHT))
    assert score(picture, other).is_side_right is False
    assert score(picture, None) is None


def test_a_row_counts_what_is_found_and_what_is_right(factors):
    score = factors["Score"]
    scores = [score(10.0, True), score(20.0, True), score(60.0, False), None]
    assert factors["row"]("gloves", scores) == (
        "| gloves | 4 | 75% | 67% | 30.0 ± 12.5 | 20.0 | 33% |"  # √(1400 / 3) / √3
    )
    assert factors["row"]("none", [None]) == "| none | 1 | 0% |  |  |  |  |"
    titles = factors["header"]().splitlines()[0]
    assert titles.count("|") == factors["row"]("none", [None]).count("|")
