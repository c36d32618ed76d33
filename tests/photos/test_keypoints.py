"""Keypoint files in each of their forms."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dcmls_tf.errors import UserError
from dcmls_tf.photos import keypoints

ONE = np.random.default_rng(0).uniform(0, 300, (21, 2)).round(2)
TWO = np.stack([ONE, ONE + 7])


def written(tmp_path, content, name="k.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize(("values", "hands"), [(ONE, 1), (TWO, 2)])
def test_one_hand_or_several(tmp_path, values, hands):
    found = keypoints.read(written(tmp_path, values.tolist()))
    of_any = keypoints.of_picture(found, "some/photo.jpg")
    np.testing.assert_allclose(of_any, values.reshape(hands, 21, 2), atol=1e-4)


def test_by_picture(tmp_path):
    content = {"a.jpg": ONE.tolist(), "x/b.jpg": TWO.tolist()}
    found = keypoints.read(written(tmp_path, content))
    assert len(keypoints.of_picture(found, "folder/a.jpg")) == 1
    assert len(keypoints.of_picture(found, "x/b.jpg")) == 2
    with pytest.raises(UserError, match=r"c\.jpg: --keypoints has none"):
        keypoints.of_picture(found, "c.jpg")


@pytest.mark.parametrize("titles", ["", "x,y\n"])
def test_csv(tmp_path, titles):
    rows = "\n".join(f"{x},{y}" for x, y in TWO.reshape(-1, 2))
    found = keypoints.read(written(tmp_path, titles + rows, "k.csv"))
    np.testing.assert_allclose(keypoints.of_picture(found, "a"), TWO, atol=1e-4)


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
            np.isfinite(hands).all() and hands.shape[1:] == (21, 2) for hands in found.values()
        )


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(keypoints, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="more than 0 MB"):
        keypoints.read(written(tmp_path, ONE.tolist()))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        keypoints.read(str(tmp_path / "none.json"))
