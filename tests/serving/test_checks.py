"""What a served model refuses, by name and row; and that nothing else slips through.

Covers what `preprocessing` asks of `checks`; `test_encoded` has the pictures.
"""

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from bad_inputs import (
    BAD_BOX,
    BAD_K,
    BAD_PALM,
    BAD_SIDE,
    BAD_SIZE,
    BAD_UV,
    BOX,
    HEIGHT,
    INF,
    NAN,
    UV,
    WIDTH,
    K,
    with_entry,
)

from dcmls_tf import variants
from dcmls_tf.config import Config
from dcmls_tf.serving import checks, preprocessing
from dcmls_tf.serving.signatures import ServedModel

SMALL: dict[str, Any] = {"input_size": 32, "reconstruction_size": 16}
RGB, KEYPOINTS = Config(**SMALL), Config(modality="2d", **SMALL)
PHOTO = tf.io.encode_png(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).numpy()


def cases(name, values):
    return [pytest.param(name, value, id=f"{name}: {kind}") for kind, value in values.items()]


def row_of_three(good, bad):
    """Three rows, of which the middle one is bad."""
    return np.stack([good, np.asarray(bad, np.asarray(good).dtype), good])


def refused(ask, name):
    """The refusal of a request; it names the input and its row, in one line."""
    with (
        np.errstate(all="ignore"),
        pytest.raises((tf.errors.InvalidArgumentError, checks.Refused)) as raised,
    ):
        ask()
    error = raised.value
    said = str(error) if isinstance(error, checks.Refused) else checks.refusal(error)
    assert said.startswith(f"{name}: row 1 ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("name", "bad"), [*cases("box", BAD_BOX), *cases("K", BAD_K), *cases("side", BAD_SIDE)]
)
def test_a_photos_bad_row_is_named(name, bad):
    good = {"box": BOX, "K": K, "side": np.int32(1)}
    given: dict[str, Any] = {n: np.stack([v] * 3) for n, v in good.items()} | {
        name: row_of_three(good[name], bad)
    }
    sentence = refused(
        lambda: preprocessing.from_photos(RGB, tf.constant([PHOTO] * 3), **given), name
    )
    pixels = [np.zeros([HEIGHT, WIDTH, 3], np.uint8)] * 3
    in_numpy = refused(lambda: preprocessing.from_pixels(RGB, pixels, **given), name)
    assert without_numbers(in_numpy) == without_numbers(sentence)


def without_numbers(sentence):
    """A sentence without the row's values at its end."""
    return re.sub(r" \([^()]*\)$", "", sentence)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *cases("keypoints", BAD_UV),
        *cases("palm", BAD_PALM),
        *cases("image_size", BAD_SIZE),
        *cases("K", BAD_K),
        *cases("side", BAD_SIDE),
    ],
)
def test_a_bad_row_of_keypoints_is_named(name, bad):
    good = {
        "keypoints": UV,
        "palm": UV[0],
        "image_size": np.array([64, 48], np.float32),
        "K": K,
        "side": np.int32(1),
    }
    given: dict[str, Any] = {n: np.stack([v] * 3) for n, v in good.items()} | {
        name: row_of_three(good[name], bad)
    }
    in_numpy = refused(lambda: preprocessing.from_keypoints(KEYPOINTS, **given), name)
    tensors = {n: tf.constant(v) for n, v in given.items()}
    sentence = refused(lambda: preprocessing.from_keypoints(KEYPOINTS, **tensors), name)
    assert without_numbers(in_numpy) == without_numbers(sentence)


def test_a_palm_far_from_its_hand_is_named():
    uv, palm = (tf.constant(v) for v in (np.stack([UV] * 3), row_of_three(UV[0], [1e9, 0])))
    refused(lambda: preprocessing.from_keypoints(KEYPOINTS, uv, palm), "keypoints")


@pytest.mark.parametrize("value", [NAN, INF, -3.0, 255.0])
def test_crops_out_of_range_are_named(value):
    good = np.zeros([32, 32, 3], np.float32)
    bad = row_of_three(good, with_entry(good, (3, 4, 1), value))
    refused(lambda: preprocessing.from_crops(RGB, tf.constant(bad)), "crops")


def test_crops_of_another_size_are_refused_by_the_sizes():
    for height, width in ((64, 32), (32, 64), (16, 64)):
        crops = tf.zeros([2, height, width, 3], tf.uint8)
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            preprocessing.from_crops(RGB, crops)
        wanted = f"crops: are {width} px wide and {height} high; resize them to 32"
        assert checks.refusal(raised.value) == wanted


@pytest.mark.parametrize("name", ["box", "K", "side"])
def test_inputs_of_other_numbers_of_rows_are_named(name):
    given = {"box": BOX, "K": K, "side": np.int32(1)}
    two: dict[str, Any] = {name: np.stack([given[name]] * 2)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: has 2 rows for 3"):
        preprocessing.from_photos(RGB, tf.constant([PHOTO] * 3), **two)
    pixels = [np.zeros([HEIGHT, WIDTH, 3], np.uint8)] * 3
    with pytest.raises(checks.Refused, match=f"{name}: has 2 rows for 3"):
        preprocessing.from_pixels(RGB, pixels, **two)


def test_good_rows_are_left_as_they_are():
    given: dict[str, Any] = {"box": np.stack([BOX] * 2), "K": np.stack([K, 0 * K])}
    inputs: Any = preprocessing.from_photos(RGB, tf.constant([PHOTO] * 2), **given)
    np.testing.assert_array_equal(inputs["box"], given["box"])
    np.testing.assert_array_equal(inputs["K"], [K, K])  # 53 degrees are this camera's.


def test_an_answer_that_is_not_finite_is_refused():
    values = {"joints": tf.constant([[1.0], [2.0]]), "uv": tf.constant([[0.0], [NAN]])}
    refused(lambda: checks.answer(values), "answer")
    good = {"joints": tf.constant([[1.0], [2.0]])}
    np.testing.assert_array_equal(checks.answer(good)["joints"], [[1], [2]])


def test_what_else_tensorflow_refuses_is_told_by_its_last_line():
    error = tf.errors.InvalidArgumentError(None, None, "Graph error:\n\nInvalid PNG data, size 9\n")
    assert checks.refusal(error) == "Invalid PNG data, size 9"


def test_random_requests_are_answered_with_finite_numbers_or_refused():
    """Numbers of every size, in every input: the graph never answers with NaN."""
    rng = np.random.default_rng(0)
    model = variants.from_config(KEYPOINTS.replace(joint_width=8, disc_width=8))
    ask = ServedModel(model, 30.0).signatures()["keypoints"]
    outcomes = {"answered": 0, "refused": 0}
    for _ in range(150):
        scale = 10 ** rng.uniform(-3, 3, 3)
        inputs = {
            "keypoints": (UV + scale[0] * rng.normal(size=(1, 21, 2))),
            "palm": scale[1] * rng.normal(size=(1, 2)) * rng.integers(2),
            "image_size": scale[2] * rng.uniform(1, 9, (1, 2)) * rng.integers(2),
            "K": K[None] * [[10 ** rng.uniform(-4, 4)], [10 ** rng.uniform(-4, 4)], [1]],
        }
        inputs["K"] *= rng.integers(2)
        for value in inputs.values():
            if rng.uniform() < 0.05:
                value.flat[rng.integers(value.size)] = rng.choice([NAN, INF, -INF, 1e38, 0, -1])
        tensors = {name: tf.constant(value, tf.float32) for name, value in inputs.items()}
        try:
            answer = ask(**tensors, side=tf.constant([1]))
        except tf.errors.InvalidArgumentError as error:
            assert checks.refusal(error).split(":")[0] in {*inputs, "answer"}
            outcomes["refused"] += 1
        else:
            assert all(np.isfinite(value).all() for value in answer.values())
            outcomes["answered"] += 1
    assert min(outcomes.values()) > 20
