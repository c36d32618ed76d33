"""Annotation pickles: what is read, and what is refused."""

import builtins
import contextlib
import os
import pickle
import time
import tracemalloc
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

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


def _shared(container, opcode, levels=40):
    """Containers that hold the one before twice: 2^40 of them when followed."""
    step = b"0" + (b"(h\x00h\x00" + opcode)
    return container + b"q\x00" + b"".join(step + b"q\x00" for _ in range(levels))


COSTLY = {
    "lists of shared lists": _shared(b"]", b"l") + b".",
    "tuples of shared tuples as a key": b"}" + _shared(b")", b"t") + b"Ns.",
    "a dict's keys of shared tuples": b"(" + _shared(b")", b"t") + b"Nd.",
    "several keys of shared tuples": b"}(" + _shared(b")", b"t") + b"Nu.",
    "a memo of a thousand million": b"]r\xff\xff\xff\x3f",
    "bytes that are not there": b"\x80\x04\x8e\xff\xff\xff\xff\x03\x00\x00\x00.",
    "a bytearray that is not there": b"\x80\x05\x96\xff\xff\xff\xff\x03\x00\x00\x00.",
    "text that is not there": b"\x80\x04\x8d\xff\xff\xff\xff\x03\x00\x00\x00.",
    "a frame that is not there": b"\x80\x04\x95\xff\xff\xff\xff\x03\x00\x00\x00.",
    "a long that is not there": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "an int of digits": b"I" + b"9" * 100_000 + b"\n.",
    "a deep list": b"]" * 900 + b"a" * 899 + b".",
    "a very deep list": b"(" * 100_000 + b"l" * 100_000 + b".",
    "a deep tuple": b")" + b"\x85" * 5000 + b".",
    "more lists than bytes for them": b"](" + b"]" * 100_000 + b"e.",
    "one text as many arrays": b"(X\xff\xff\x00\x00" + b"a" * 65535 + b"q\x000"
    b"c_codecs\nencode\nq\x010" + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 500 + b"l.",
    "a state of a class": b"cnumpy\nndarray\n}X\x01\x00\x00\x00xNsb.",
    "attributes of a class": b"cnumpy\nndarray\nN}X\x07\x00\x00\x00fill_inNs\x86b.",
    "attributes of a function": b"cnumpy._core.multiarray\n_reconstruct\nN}"
    b"X\x0c\x00\x00\x00__defaults__Ns\x86b.",
    "a name alone": b"cnumpy\nndarray\n.",
    "an array without its numbers": b"cnumpy._core.multiarray\n_reconstruct\n"
    b"(cnumpy\nndarray\nNNtR.",
    "an array of a deep shape": b"cnumpy._core.numeric\n_frombuffer\n(C\x08" + b"\0" * 8
    + b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8tR" + _shared(b")", b"t") + b"tR.",
    "a type of a million letters": b"cnumpy\ndtype\n(X\x40\x42\x0f\x00" + b"f" * 1_000_000 + b"tR.",
    "a name of a million letters": b"c" + b"m" * 1_000_000 + b"\nn\n.",
    "a set": b"\x80\x04\x8f.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"Pid\n.",
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_what_only_costs_is_refused_at_once(tmp_path, name):
    """Time and memory are in proportion to the file, and the next file is read as ever."""
    path, good = _write(tmp_path, COSTLY[name], 2), pickle.dumps(_frames(), 2)
    start = time.process_time()
    tracemalloc.start()
    with pytest.raises(UserError, match=r"anno\.pickle") as raised:
        annotations.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < 2
    assert peak < 4e6 + 20 * len(COSTLY[name])
    assert len(str(raised.value)) < 500 + len(path)
    assert list(annotations.loads(good)) == [0, 1, 2]


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(annotations, "MOST_BYTES", 1 << 30)
    path = tmp_path / "anno.pickle"
    with open(path, "wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(UserError, match=r"anno\.pickle is refused.*more than 1 GB"):
        annotations.load(path)


@hypothesis.given(
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8)
)
@hypothesis.settings(max_examples=300, deadline=None, derandomize=True)
def test_damaged_bytes_end_in_a_sentence_or_in_numbers(tmp_path_factory, places):
    content = bytearray(pickle.dumps(_frames(2), 2))
    for place, value in places:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.pickle"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        annotations.load(path)


def test_a_full_size_file_loads_quickly(tmp_path):
    frame = _frames(1)[0]
    frames = {i: {key: value.copy() for key, value in frame.items()} for i in range(8000)}
    path = _write(tmp_path, frames, 2)
    start = time.process_time()
    assert len(annotations.load(path)) == 8000
    assert time.process_time() - start < 5  # 41,258 frames in a few seconds, even here
