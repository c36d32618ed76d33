"""MediaPipe's results by each of its interfaces, and OpenPose's files."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.formats import landmarks

ONE, OTHER = np.random.default_rng(0).uniform(0, 1, (2, 21, 2)).round(4)


def points(uv):
    return [
        {"x": x, "y": y, "z": -0.01, "visibility": 0.0, "presence": 0.0} for x, y in uv.tolist()
    ]


def category(name, key="category_name"):
    return [{"index": 0, "score": 0.98, key: name}]


RESULTS = {
    "Tasks in Python": {
        "handedness": [category("Left"), category("Right")],
        "hand_landmarks": [points(ONE), points(OTHER)],
        "hand_world_landmarks": [points(ONE), points(OTHER)],
    },
    "Tasks in JavaScript": {
        "landmarks": [points(ONE), points(OTHER)],
        "worldLandmarks": [points(ONE), points(OTHER)],
        "handednesses": [category("Left", "categoryName"), category("Right", "categoryName")],
    },
    # Solutions name the sides of a mirrored picture.
    "Solutions in Python": {
        "multi_hand_landmarks": [{"landmark": points(ONE)}, {"landmark": points(OTHER)}],
        "multi_handedness": [{"classification": category(s, "label")} for s in ("Right", "Left")],
    },
    "Solutions in JavaScript": {
        "multiHandLandmarks": [points(ONE), points(OTHER)],
        "multiHandedness": [category(s, "label")[0] for s in ("Right", "Left")],
    },
}


@pytest.mark.parametrize("kind", RESULTS)
def test_results_have_places_and_sides(kind):
    assert landmarks.is_mediapipe(RESULTS[kind])
    left, right = landmarks.of_mediapipe(RESULTS[kind])
    assert (left.side, right.side) == (hand.LEFT, hand.RIGHT)
    for one, uv in ((left, ONE), (right, OTHER)):
        np.testing.assert_allclose(one.in_pixels((640, 480)).uv, uv * [640, 480], rtol=1e-5)
        assert one.relative


@pytest.mark.parametrize(
    "content",
    [{"landmark": points(ONE)}, [{"landmark": points(ONE)}], points(ONE), [points(ONE)]],
)
def test_landmarks_alone(content):
    assert landmarks.is_mediapipe(content)
    (one,) = landmarks.of_mediapipe(content)
    np.testing.assert_allclose(one.uv, ONE, atol=1e-6)
    assert one.side is None


def test_no_hand_is_none():
    assert landmarks.of_mediapipe({"hand_landmarks": [], "handedness": []}) == []
    assert landmarks.of_openpose({"version": 1.3, "people": []}) == []


def test_openpose_has_hands_of_people_in_pixels():
    rows = np.column_stack([ONE * 300, np.full(21, 0.7)]).ravel().tolist()
    person = {
        "person_id": [-1],
        "pose_keypoints_2d": [1.0] * 75,
        "hand_left_keypoints_2d": rows,
        "hand_right_keypoints_2d": [0.0] * 63,
    }
    content = {"version": 1.3, "people": [person]}
    assert landmarks.is_openpose(content)
    (one,) = landmarks.of_openpose(content)
    assert one.side == hand.LEFT
    assert not one.relative
    np.testing.assert_allclose(one.uv, ONE * 300, rtol=1e-5)
    np.testing.assert_allclose(one.confidence, 0.7, rtol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        {"hand_landmarks": "many"},
        {"hand_landmarks": [3]},
        {"hand_landmarks": [points(ONE)[:20]]},
        {"hand_landmarks": [[{"x": None, "y": 1}] * 21]},
    ],
)
def test_anything_else_is_refused(content):
    with pytest.raises(ValueError, match=r"landmarks|joints|numbers|not finite"):
        landmarks.of_mediapipe(content)
