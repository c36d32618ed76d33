"""COCO's annotations and results, whole bodies, and mmpose's instances."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.formats import coco
from dcmls_tf.formats.hand2d import EVERY_PICTURE

RNG = np.random.default_rng(0)
ONE, OTHER = RNG.uniform(0, 300, (2, 21, 2)).round(2)
TIP_FIRST = [0, *(4 * finger + part for finger in range(5) for part in (4, 3, 2, 1))]


def flat(uv, v=2.0):
    return np.column_stack([uv, np.full(len(uv), v)]).ravel().tolist()


def annotations(*entries, names=None, category="hand"):
    return {
        "images": [{"id": 7, "file_name": "x/a.jpg"}, {"id": 9, "file_name": "b.jpg"}],
        "annotations": list(entries),
        "categories": [{"id": 1, "name": category, **({"keypoints": names} if names else {})}],
    }


def entry(**fields):
    return {"id": 1, "image_id": 7, "category_id": 1, **fields}


def test_hands_by_their_pictures_name():
    found = coco.of_annotations(
        annotations(entry(keypoints=flat(ONE)), entry(keypoints=flat(OTHER)))
    )
    assert set(found) == {"x/a.jpg", "b.jpg"}
    assert found["b.jpg"] == []
    for one, uv in zip(found["x/a.jpg"], (ONE, OTHER), strict=True):
        np.testing.assert_allclose(one.uv, uv, atol=1e-4)
        assert one.confidence.min() == 1


def test_names_say_the_order():
    names = [hand.JOINTS[joint] for joint in TIP_FIRST]
    (one,) = coco.of_annotations(annotations(entry(keypoints=flat(ONE[TIP_FIRST])), names=names))[
        "x/a.jpg"
    ]
    np.testing.assert_allclose(one.uv, ONE, atol=1e-4)


def test_unlabelled_joints_are_not_sure_and_an_empty_hand_is_none():
    keypoints = flat(ONE)
    keypoints[6:9] = 0, 0, 0
    found = coco.of_annotations(annotations(entry(keypoints=keypoints), entry(keypoints=[0] * 63)))
    (one,) = found["x/a.jpg"]
    np.testing.assert_array_equal(np.flatnonzero(one.unsure(0)), [2])


@pytest.mark.parametrize("key", ["handedness", "hand_type", "side"])
def test_a_side_is_said(key):
    (one,) = coco.hands_of({"keypoints": flat(ONE), key: "left"}, {})
    assert one.side == hand.LEFT
    (one,) = coco.hands_of({"keypoints": flat(ONE)}, {"name": "right_hand"})
    assert one.side == hand.RIGHT


def test_whole_bodies_have_two_hands():
    body = np.zeros((133, 2))
    body[91:112], body[112:133] = ONE, OTHER
    kpts = {"lefthand_kpts": flat(ONE), "righthand_kpts": flat(OTHER), "keypoints": [1] * 51}
    for annotation in ({"keypoints": flat(body)}, kpts):
        left, right = coco.hands_of(annotation, {})
        assert (left.side, right.side) == (hand.LEFT, hand.RIGHT)
        np.testing.assert_allclose(left.uv, ONE, atol=1e-4)
        np.testing.assert_allclose(right.uv, OTHER, atol=1e-4)
    (only,) = coco.hands_of({**kpts, "lefthand_valid": False}, {})
    assert only.side == hand.RIGHT


def test_results_and_instances():
    found = coco.of_instances([{"image_id": 42, "keypoints": flat(ONE, 0.3), "score": 0.3}])
    (one,) = found["42"]
    np.testing.assert_allclose(one.confidence, 0.3, rtol=1e-6)
    instance = {"keypoints": OTHER.tolist(), "keypoint_scores": [0.5] * 21}
    ((one,),) = coco.of_instances([instance]).values()
    np.testing.assert_allclose(one.uv, OTHER, atol=1e-4)
    assert set(coco.of_instances([instance])) == {EVERY_PICTURE}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (annotations(entry(keypoints=flat(ONE), image_id=8)), "annotation 1 is of an image"),
        (annotations(entry(keypoints=flat(ONE), image_id=[7])), "annotation 1 is of an image"),
        (annotations(entry(keypoints=flat(ONE[:20]))), "annotation 1 has 20 joints"),
        (annotations(entry(keypoints="many")), "annotation 1 has "),
        (annotations(entry()), "annotation 1 has "),
        (annotations(entry(keypoints=flat(ONE)), names=["nose"] * 21), "such as nose"),
        (annotations(entry(keypoints=[float("nan"), 1, 2] * 21)), "not finite"),
        ({"images": 3, "annotations": []}, "images that are no list"),
        ({"images": [], "annotations": [1]}, "annotations that are no list"),
    ],
)
def test_what_is_wrong_is_named(content, said):
    with pytest.raises(ValueError, match=said):
        coco.of_annotations(content)
