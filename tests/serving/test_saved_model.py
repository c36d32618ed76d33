"""SavedModels on disk: versions, `checksums`, what is no model, inputs that a graph refuses.

`tests/scripts/test_export.py` covers what is written, and `warm_up`.
"""

import resource
import shutil
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf.errors import UserError
from dcmls_tf.serving import checksums, saved_model
from dcmls_tf.serving import metadata as metadata_lib


def test_a_folder_without_a_model_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"--model=.* holds no SavedModel"):
            saved_model.load(str(path))


def test_versions_count_up_and_never_overwrite(tmp_path):
    assert saved_model.new_version(str(tmp_path)) == 1
    for name in ("1", "7", "notes", "lite/9"):
        (tmp_path / name).mkdir(parents=True)
    assert saved_model.new_version(str(tmp_path)) == 10
    with pytest.raises(UserError, match="--version=7"):
        saved_model.new_version(str(tmp_path), 7)
    with pytest.raises(UserError, match="--version=9"):
        saved_model.new_version(str(tmp_path), 9)


class Scale(tf.Module):
    """Multiplies positive numbers by a factor that is 1 for right hands."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, "x"),
            tf.TensorSpec([None], tf.int32, "side"),
        ]
    )
    def __call__(self, x, side):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x > 0), ["too small", x])]):
            return {"y": x * tf.cast(side, tf.float32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a SavedModel of two versions, the newer of which is complete."""
    folder = tmp_path_factory.mktemp("model")
    module = Scale()
    tf.saved_model.save(module, str(folder / "2"), signatures={"scale": module.__call__})
    (folder / "1").mkdir()
    (folder / "2" / "assets" / "metadata.json").write_text('{"side": "none"}')
    checksums.write(str(folder / "2"))
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return saved_model.load(str(folder))


def test_the_highest_version_is_loaded_with_its_metadata(loaded):
    assert loaded.path.endswith("/2")
    assert loaded.metadata == {"side": "none"}
    assert set(loaded.signatures) == {"scale"}


def test_inputs_that_are_not_given_are_neutral(loaded):
    y = loaded.answer("scale", x=np.array([2.0, 3.0]))["y"]
    np.testing.assert_array_equal(y, [2, 3])
    y = loaded.answer("scale", x=np.array([2.0, 3.0]), side=np.array([0, 1]))["y"]
    np.testing.assert_array_equal(y, [0, 3])


def test_what_a_graph_refuses_is_one_error_of_the_users(loaded):
    with pytest.raises(UserError, match=r"(?s)/2: scale refuses its input: .*too small"):
        loaded.answer("scale", x=np.array([-1.0]))


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def swapped_for_a_folder(path):
    path.unlink()
    path.mkdir()


class Large(tf.Module):
    """A model of 4 MB of random numbers, as `ServedModel` is one."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(0).normal(size=[500, 1000]))

    def signatures(self):
        spec = tf.TensorSpec([None], tf.float64, "x")
        return {"sum": tf.function(lambda x: {"y": x + tf.reduce_sum(self.weights)}, [spec])}


def test_a_folder_that_is_full_is_named_and_left_without_a_part(tmp_path):
    """No file may be larger than a megabyte here, which is how a full disk looks to a writer."""
    served: Any = Large()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(UserError, match=r"^--out_dir=.*: .*cannot be written") as raised:
            saved_model.save(served, {}, str(tmp_path), 1, with_warm_up=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    folder = saved_model.save(served, {}, str(tmp_path), 1, with_warm_up=False)
    assert set(saved_model.load(folder).signatures) == {"sum"}


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "a bit flipped": flipped,
    "missing": lambda path: path.unlink(),
    "another's": lambda path: path.write_bytes(b"no proto"),
    "a folder": swapped_for_a_folder,
    "a loop of links": lambda path: (path.unlink(), path.symlink_to(path)),
}
FILES = ["saved_model.pb", "variables/variables.index", "assets/metadata.json", checksums.CHECKSUMS]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_model_is_named(name, damage, folder, tmp_path):
    shutil.copytree(folder / "2", tmp_path / "2")
    damage(tmp_path / "2" / name)
    with pytest.raises(UserError, match=r"^--model=.*(damaged|holds no SavedModel)") as raised:
        saved_model.load(str(tmp_path))
    assert "\n" not in str(raised.value)


def test_a_file_that_was_not_exported_is_named(folder, tmp_path):
    shutil.copytree(folder / "2", tmp_path / "2")
    (tmp_path / "2" / "saved_model.cpb").write_bytes(b"chunks")
    with pytest.raises(UserError, match=r"changed since its export \(saved_model.cpb\)"):
        saved_model.load(str(tmp_path))


def test_the_list_is_one_that_sha256sum_takes(folder):
    text = (folder / "2" / checksums.CHECKSUMS).read_text()
    names = [line.split("  ")[1] for line in text.splitlines()]
    assert names == sorted(names)
    assert {"saved_model.pb", "assets/metadata.json"} < set(names)
    assert {len(line.split("  ")[0]) for line in text.splitlines()} == {64}


METADATA = {
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "deeply nested": b'{"a": ' * 100_000,
    "long": b'{"a": "' + b" " * metadata_lib.MOST_BYTES + b'"}',
    "a number of 10,000 digits": b'{"a": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("content", METADATA.values(), ids=METADATA)
def test_metadata_of_another_make_is_named(content, folder, tmp_path):
    """Its checksums are right: somebody else wrote them."""
    shutil.copytree(folder / "2", tmp_path / "2")
    (tmp_path / "2" / "assets" / "metadata.json").write_bytes(content)
    checksums.write(str(tmp_path / "2"))
    with pytest.raises(UserError, match=r"^--model=.*/2: its metadata is damaged") as raised:
        saved_model.load(str(tmp_path))
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("content", [b"", b"no proto", b"\x08\x01\x12" * 1000])
def test_a_graph_of_another_make_is_named(content, folder, tmp_path):
    shutil.copytree(folder / "2", tmp_path / "2")
    (tmp_path / "2" / "saved_model.pb").write_bytes(content)
    checksums.write(str(tmp_path / "2"))
    with pytest.raises(UserError, match=r"--model=.*/2: is damaged or of another make"):
        saved_model.load(str(tmp_path))


def test_a_graph_that_is_too_large_is_not_read(folder, tmp_path, monkeypatch):
    size = (folder / "2" / "saved_model.pb").stat().st_size
    monkeypatch.setattr(saved_model, "MOST_GRAPH_BYTES", size - 1)
    with pytest.raises(UserError, match="its graph is larger"):
        saved_model.load(str(folder))
