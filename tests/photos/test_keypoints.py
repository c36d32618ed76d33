"""Keypoints that a user brings: which picture's they are, and a sentence for what is none."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.formats import keypoint_files
from dcmls_tf.photos import keypoints

ONE = np.random.default_rng(0).uniform(0, 300, (21, 2)).round(2)
TWO = np.stack([ONE, ONE + 7])
SIZE = (640, 480)


def written(tmp_path, content, name="k.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize(("values", "hands"), [(ONE, 1), (TWO, 2)])
def test_one_hand_or_several(tmp_path, values, hands):
    found = keypoints.read(written(tmp_path, values.tolist()))
    of_any = keypoints.of_picture(found, "some/photo.jpg", SIZE)
    uv = [one.uv for one in of_any]
    np.testing.assert_allclose(uv, values.reshape(hands, 21, 2), atol=1e-4)
    assert all((one.side, one.filled) == (None, ()) for one in of_any)


def test_by_picture(tmp_path):
    content = {"a.jpg": ONE.tolist(), "x/b.jpg": TWO.tolist()}
    found = keypoints.read(written(tmp_path, content))
    assert len(keypoints.of_picture(found, "folder/a.jpg", SIZE)) == 1
    assert len(keypoints.of_picture(found, "x/b.jpg", SIZE)) == 2
    with pytest.raises(UserError, match=r"c\.jpg: --keypoints has none"):
        keypoints.of_picture(found, "c.jpg", SIZE)


def test_a_picture_is_found_by_the_names_that_others_give_it(tmp_path):
    results = [{"image_id": 397133, "keypoints": np.c_[ONE, np.ones(21)].ravel().tolist()}]
    found = keypoints.read(written(tmp_path, results))
    assert len(keypoints.of_picture(found, "val2017/000000397133.jpg", SIZE)) == 1
    frames = {f"clip_{n:012d}": TWO[:n].tolist() for n in (1, 2)}
    found = keypoints.read(written(tmp_path, frames))
    assert len(keypoints.of_picture(found, "a/clip.mp4", SIZE, frame=2)) == 2
    with pytest.raises(UserError, match="none for it"):
        keypoints.of_picture(found, "a/clip.mp4", SIZE, frame=3)


def test_parts_of_a_picture_become_its_pixels(tmp_path):
    landmarks = [{"x": x / 300, "y": y / 300} for x, y in ONE.tolist()]
    result = {"hand_landmarks": [landmarks], "handedness": [[{"category_name": "Left"}]]}
    found = keypoints.read(written(tmp_path, result))
    (one,) = keypoints.of_picture(found, "a.jpg", SIZE)
    np.testing.assert_allclose(one.uv, ONE / 300 * SIZE, rtol=1e-4)
    assert one.side == hand.LEFT


def test_unsure_joints_are_put_in_line_and_said(tmp_path, caplog):
    scored = np.c_[ONE, np.full(21, 0.9)]
    scored[[8, 11], 2] = 0.0, 0.2
    found = keypoints.read(written(tmp_path, scored.tolist()))
    (one,) = keypoints.of_picture(found, "a.jpg", SIZE)
    assert one.filled == ("index_tip",)
    assert "a.jpg: put in line with others: index_tip" in caplog.text
    (one,) = keypoints.of_picture(found, "a.jpg", SIZE, min_confidence=0.3)
    assert one.filled == ("index_tip", "middle_dip")
    np.testing.assert_allclose(one.uv[:8], ONE[:8], rtol=1e-4)
    assert keypoints.of_picture(found, "a.jpg", SIZE, min_confidence=0.95) == []
    assert "a hand is left out: --keypoints lacks wrist" in caplog.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("k.json", "not json"),
        ("k.json", [[1, 2]] * 20),
        ("k.json", [[1, 2, 3]] * 21),
        ("k.json", [[1, float("nan")]] * 21),
        ("k.json", {"a.jpg": "where"}),
        ("k.csv", "1,2\n" * 20),
        ("k.csv", "1,2,3\n" * 21),
        ("k.csv", "x,y\n" + "1,b\n" * 21),
        ("k.csv", ""),
        ("k.csv", "x" * 200_000 + ",2\n"),
        ("k.csv", "1," + "x" * 100_000 + "\n"),
        ("k.csv", "1,2\n\0,2\n"),
        ("k.csv", "1,1e999\n" * 21),
        ("k.json", "[" * 100_000),
        ("k.json", '{"a":' * 100_000),
        ("k.json", "[" * 500 + "]" * 500),
        ("k.json", [[1, 10**1000]] * 21),
        ("k.json", "[[1, " + "9" * 10_000 + "]]"),
        ("k.json", "[[1, -1e400]" + ", [1, 2]" * 20 + "]"),
        ("k.json", [[1, 1e300]] * 21),
        ("k.json", {"n" * 200_000: 1}),
        ("k.json", [[1, None]] * 21),
        ("k.json", [[1, {}]] * 21),
        ("k.json", 3),
        ("k.json", {"a": {"b": 1}}),
        ("k.json", {"people": [{"hand_left_keypoints_2d": {"a": 1}}]}),
        ("k.json", {"images": [{"id": []}], "annotations": []}),
        ("k.json", [{"keypoints": {}, "image_id": {}}]),
        ("k.json", {"instance_info": [{"frame_id": "a", "instances": []}]}),
        ("k.json", {"landmarks": [[{"x": "a"}]]}),
    ],
)
def test_anything_else_gets_one_sentence(tmp_path, name, content):
    path = written(tmp_path, content, name)
    with pytest.raises(UserError, match="--keypoints=") as raised:
        keypoints.read(path)
    assert path in str(raised.value)
    assert len(str(raised.value)) < 300 + len(path)


TEXTS = st.one_of(
    st.binary(max_size=200).map(lambda content: content.decode("latin-1")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ).map(json.dumps),
    st.lists(st.tuples(st.integers(), st.floats()), min_size=19, max_size=43).map(json.dumps),
    st.dictionaries(
        st.sampled_from(["images", "annotations", "people", "landmarks", "instance_info", "a"]),
        st.lists(st.none() | st.dictionaries(st.sampled_from(["id", "keypoints", "x"]), st.text())),
    ).map(json.dumps),
)


@hypothesis.given(text=TEXTS, name=st.sampled_from(["k.json", "k.csv"]))
@hypothesis.settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_hands_or_a_sentence(tmp_path_factory, text, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(text.encode(errors="surrogateescape"))
    try:
        found = keypoints.read(str(path))
    except UserError as error:
        assert len(str(error)) < 300 + len(str(path))
    else:
        assert all(
            np.isfinite(one.uv).all() and one.uv.shape == (21, 2)
            for hands in found.values()
            for one in hands
        )


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(keypoint_files, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="more than 0 MB"):
        keypoints.read(written(tmp_path, ONE.tolist()))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        keypoints.read(str(tmp_path / "none.json"))
