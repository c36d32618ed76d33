"""MATLAB files: the numbers that SciPy wrote, and sentences for what is none."""

import struct
import zlib

import hypothesis
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import strategies as st

from dcmls_tf.data import matlab

VALUES = np.random.default_rng(0).normal(size=(3, 21, 4)) * 100


def written(path, compressed=True, **variables):
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    "values", [VALUES, VALUES.astype(np.float32), VALUES.astype(np.int16), np.arange(6), VALUES > 0]
)
def test_numbers_are_what_scipy_wrote(tmp_path, compressed, values):
    path = written(tmp_path / "a.mat", compressed, other=["text"], handPara=values, more={"b": 1})
    found = matlab.read(path, "handPara")
    np.testing.assert_array_equal(found, scipy.io.loadmat(path)["handPara"])
    assert found.dtype == np.float64


def test_the_other_byte_order():
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    parts = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2))
    parts += struct.pack(">HH4s", 1, 1, b"x") + element(9, struct.pack(">dd", 1.5, -2))
    header = b" " * 124 + struct.pack(">H", 0x0100) + b"MI"
    content = header + element(14, parts)
    np.testing.assert_array_equal(matlab.loads(content, "x"), [[1.5, -2]])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array([VALUES, "a"], object), "a cell array"),
        ({"a": VALUES}, "a struct"),
        ("text", "text"),
        (VALUES + 1j, "complex"),
        (scipy.sparse.csc_matrix(np.eye(3)), "a sparse array"),
    ],
)
def test_what_is_no_array_of_numbers_is_named(tmp_path, value, said):
    with pytest.raises(ValueError, match=f"handPara (is|has) {said}"):
        matlab.read(written(tmp_path / "a.mat", handPara=value), "handPara")


def test_other_files_are_named(tmp_path):
    path = written(tmp_path / "a.mat", other=VALUES)
    with pytest.raises(ValueError, match="has no handPara"):
        matlab.read(path, "handPara")
    scipy.io.savemat(tmp_path / "4.mat", {"handPara": np.eye(3)}, format="4")
    for content in (b"", b"text", (tmp_path / "4.mat").read_bytes(), b"\x89HDF" + bytes(600)):
        with pytest.raises(ValueError, match="no MATLAB file of version 5"):
            matlab.loads(content, "handPara")


def test_what_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "MOST_BYTES", 1 << 20)
    header = written(tmp_path / "a.mat", handPara=VALUES).read_bytes()[:128]
    bomb = zlib.compress(bytes(50 << 20), 9)
    content = header + struct.pack("<II", 15, len(bomb)) + bomb
    with pytest.raises(ValueError, match="inflates to more than 1 MB"):
        matlab.loads(content, "handPara")
    (tmp_path / "large.mat").write_bytes(content + bytes(1 << 20))
    with pytest.raises(ValueError, match="more than 1 MB"):
        matlab.read(tmp_path / "large.mat", "handPara")


PLACES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8)


@hypothesis.given(places=PLACES, cut=st.integers(0, 3000), compressed=st.booleans())
@hypothesis.settings(max_examples=300, deadline=None, derandomize=True)
def test_damaged_files_end_in_a_sentence_or_in_numbers(tmp_path_factory, places, cut, compressed):
    path = tmp_path_factory.getbasetemp() / f"{compressed}.mat"
    if not path.exists():
        written(path, compressed, handPara=VALUES)
    content = bytearray(path.read_bytes())
    for place, value in places:
        content[place % len(content)] = value
    try:
        found = matlab.loads(
            bytes(content[: len(content) - cut // 2 if cut > 2000 else None]), "handPara"
        )
    except ValueError as error:
        assert len(str(error)) < 200
    else:
        assert found.dtype == np.float64
