"""Files of keypoints are told by what they look like; forms are tested with their readers."""

import json

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.formats import keypoint_files
from dcmls_tf.formats.hand2d import EVERY_PICTURE

ONE = np.random.default_rng(0).uniform(0, 1, (21, 2)).round(4)
SCORED = np.column_stack([ONE, np.full(21, 0.5)])
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [{"image_id": 1, "keypoints": SCORED.ravel().tolist()}],
}
MEDIAPIPE = {"hand_landmarks": [[{"x": x, "y": y} for x, y in ONE.tolist()]]}
OPENPOSE = {"people": [{"hand_right_keypoints_2d": SCORED.ravel().tolist()}]}
INSTANCES = [{"keypoints": ONE.tolist(), "keypoint_scores": [1.0] * 21}]


def test_every_form_is_told():
    forms = {
        EVERY_PICTURE: [
            ONE.tolist(), ONE.ravel().tolist(), [ONE.tolist()], [SCORED.ravel().tolist()],
            MEDIAPIPE, OPENPOSE, INSTANCES, {"instance_info": INSTANCES, "meta_info": {}},
        ],
        "a.jpg": [COCO, {"a.jpg": ONE.tolist()}, {"a.jpg": OPENPOSE}, {"a.jpg": INSTANCES},
                  {"a.jpg": MEDIAPIPE}],
        "5": [[{"image_id": 5, **INSTANCES[0]}]],
        "#2": [{"instance_info": [{"frame_id": 3, "instances": INSTANCES}]}],
    }  # fmt: skip
    for name, contents in forms.items():
        for content in contents:
            ((found, (one,)),) = keypoint_files.by_picture(content).items()
            assert found == name
            np.testing.assert_allclose(one.uv, ONE, atol=1e-4)


def test_openposes_folder_has_a_file_a_picture(tmp_path):
    for name in ("a", "clip_000000000012"):
        (tmp_path / f"{name}_keypoints.json").write_text(json.dumps(OPENPOSE))
    found = keypoint_files.read(str(tmp_path))
    assert set(found) == {"a", "clip_000000000012"}
    assert found["a"][0].side == hand.RIGHT
    with pytest.raises(ValueError, match=r"_keypoints\.json"):
        keypoint_files.read(str(tmp_path.parent))


@pytest.mark.parametrize("titles", ["", "x,y,score\n"])
@pytest.mark.parametrize("form", [ONE, SCORED, ONE.reshape(1, 42), SCORED.reshape(1, 63)])
def test_csv_of_joints_or_of_hands(tmp_path, titles, form):
    rows = "\n".join(",".join(map(str, row)) for row in form)
    (tmp_path / "k.csv").write_text(titles + rows)
    ((one,),) = keypoint_files.read(str(tmp_path / "k.csv")).values()
    np.testing.assert_allclose(one.uv, ONE, atol=1e-4)


@pytest.mark.parametrize("content", [3, "a", {"a": {"b": 1}}, {"a": COCO}, [[1, 2]] * 20, [[[1]]]])
def test_what_is_no_form_is_refused(content):
    with pytest.raises(ValueError, match=r"\w"):
        keypoint_files.by_picture(content)
