"""Annotation pickles: what is read, and what is refused."""

import builtins
import os
import pickle
import time
from typing import Any

import numpy as np
import pytest

from dcmls_tf.data import annotations
from dcmls_tf.errors import UserError


def _frames(count=3):
    rng = np.random.default_rng(0)
    return {
        i: {
            "xyz": rng.normal(size=(42, 3)).astype(np.float32),
            "uv_vis": rng.normal(size=(42, 3)),
            "K": np.arange(9, dtype=">i4").reshape(3, 3),
        }
        for i in range(count)
    }


def _write(tmp_path, value, protocol):
    path = tmp_path / "anno.pickle"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return str(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_whatever_the_protocol(tmp_path, protocol):
    frames: dict[Any, Any] = _frames()
    frames["more"] = [np.float64(1.5), (1, "text", None, True), np.asfortranarray(np.eye(2, 3))]
    loaded = annotations.load(_write(tmp_path, frames, protocol))
    assert list(loaded) == list(frames)
    for i in range(3):
        for key, value in frames[i].items():
            np.testing.assert_array_equal(loaded[i][key], value)
            assert loaded[i][key].dtype == value.dtype
    assert loaded["more"][0] == 1.5
    assert loaded["more"][1] == (1, "text", None, True)
    np.testing.assert_array_equal(loaded["more"][2], np.eye(2, 3))


def test_a_python_2_pickle(tmp_path):
    """As Python 2's `pickle.dump({0: {"K": array([1.0, 2.0])}}, file, 2)` wrote it."""
    data = np.array([1.0, 250.0]).tobytes()
    written = (
        b"\x80\x02}q\x01K\x00}q\x02U\x01Kq\x03cnumpy.core.multiarray\n_reconstruct\nq\x04"
        b"cnumpy\nndarray\nq\x05K\x00\x85U\x01b\x87Rq\x06(K\x01K\x02\x85cnumpy\ndtype\nq\x07"
        b"U\x02f8K\x00K\x01\x87Rq\x08(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x10" + data + b"tbss."
    )
    np.testing.assert_array_equal(annotations.load(_write(tmp_path, written, 2))[0]["K"], [1, 250])


class _Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "payload",
    [
        _Calls(os.system, "touch OWNED"),
        _Calls(builtins.eval, "open('OWNED', 'w')"),
        _Calls(getattr, "", "join"),
        _Calls(np.load, "OWNED"),
        _Calls(np.ndarray, (1,), object, b"\x01" * 8),
        _Calls(np.dtype, "O"),
        _Calls(np.dtype, [("a", "O")]),
        _Calls(bytes, 10),
        np.array([{"a": 1}], dtype=object),
        np.zeros(2, dtype=[("a", "f4")]),
        np.array(["text"]),
        {1, 2, 3}.union,
        open,
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_everything_else_is_refused_and_not_run(tmp_path, monkeypatch, payload, protocol):
    monkeypatch.chdir(tmp_path)
    path = _write(tmp_path, {0: payload}, protocol)
    with pytest.raises(UserError, match=r"anno\.pickle"):
        annotations.load(path)
    assert not os.path.exists("OWNED")


def test_only_latin_1_is_encoded(tmp_path):
    bomb = b"c_codecs\nencode\n(Vabc\nVzlib\ntR."
    with pytest.raises(UserError, match="zlib"):
        annotations.load(_write(tmp_path, bomb, 2))


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(_frames())[:200]])
def test_damaged_files_are_named(tmp_path, content):
    with pytest.raises(UserError, match=r"anno\.pickle is not a readable"):
        annotations.load(_write(tmp_path, content, 2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        annotations.load(str(tmp_path / "nowhere.pickle"))


def test_a_container_of_itself_is_an_error(tmp_path):
    loop = []
    loop.append(loop)
    with pytest.raises(UserError, match=r"anno\.pickle"):
        annotations.load(_write(tmp_path, loop, 2))


def test_a_full_size_file_loads_quickly(tmp_path):
    frame = _frames(1)[0]
    frames = {i: {key: value.copy() for key, value in frame.items()} for i in range(8000)}
    path = _write(tmp_path, frames, 2)
    start = time.process_time()
    assert len(annotations.load(path)) == 8000
    assert time.process_time() - start < 5  # 41,258 frames in a few seconds, even here
