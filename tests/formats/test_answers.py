"""Answers read back: joints from the wrist in the camera's frame, whatever the model's root."""

import json

import answer_files
import numpy as np
import pytest
import raw_trees

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.formats import answers

XYZ = raw_trees.random_hand(np.random.default_rng(0)) + [30, -20, 600]


@pytest.mark.parametrize("root", ["palm", "wrist", "middle_mcp"])
def test_joints_are_those_of_the_hand(tmp_path, root):
    path = answer_files.write(tmp_path / "p.json", [("a.jpg", [(XYZ, hand.LEFT, None)])], root)
    (picture,) = answers.read(path)
    (one,) = picture.hands
    np.testing.assert_allclose(one.xyz_mm, XYZ, atol=5e-3)
    assert (picture.file, picture.frame, picture.size) == ("a.jpg", None, (640, 480))
    assert (one.side, one.score, one.track) == (hand.LEFT, 0.9, 0)
    K = answer_files.photo_of(np.zeros((480, 640, 3), np.uint8)).K
    np.testing.assert_allclose(one.uv, raw_trees.project(XYZ, K), atol=1e-2)


def test_a_palm_by_stbs_rule(tmp_path):
    path = answer_files.write(tmp_path / "p.json", [("a.jpg", [(XYZ, hand.LEFT, None)])])
    content = answer_files.load(path)
    palm = XYZ[[0, hand.INDEX["ring_mcp"]]].mean(0)
    content["pictures"][0]["hands"][0]["joints_mm"] = (np.vstack([palm, XYZ[1:]]) - palm).tolist()
    content["pictures"][0]["hands"][0]["root_mm"] = palm.tolist()
    (tmp_path / "p.json").write_text(json.dumps(content))
    np.testing.assert_allclose(answers.read(path, "stb")[0].hands[0].xyz_mm, XYZ, atol=5e-3)


def test_pictures_that_could_not_be_read_are_none(tmp_path):
    path = answer_files.write(tmp_path / "p.json", [("a.jpg", [])])
    content = answer_files.load(path)
    content["pictures"].append({"file": "b.jpg", "error": "b.jpg: is empty"})
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert [picture.file for picture in answers.read(path)] == ["a.jpg"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"joint_names": [], "pictures": []}', "[" * 50_000, '{"joint_names": 3}'],
)
def test_other_files_are_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UserError, match=r"--predictions=.*is no predictions\.json"):
        answers.read(str(tmp_path / "p.json"))
    with pytest.raises(UserError, match="cannot be read"):
        answers.read(str(tmp_path / "none.json"))


def test_hands_of_other_shapes_are_refused(tmp_path):
    path = answer_files.write(tmp_path / "p.json", [("a.jpg", [(XYZ, hand.LEFT, None)])])
    content = answer_files.load(path)
    content["pictures"][0]["hands"][0]["joints_mm"].pop()
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"is no predictions\.json"):
        answers.read(path)
