"""What is behind a TFLite network, and what damage does: a sentence, before anything runs."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf.errors import UserError
from dcmls_tf.serving import lite_file
from dcmls_tf.serving import metadata as metadata_lib
from dcmls_tf.serving.tflite import TFLiteModel

FACTS = {"side": "mirror", "mean_scale_mm": 36.5, "joint_names": ["palm", "thumb_cmc"] * 20}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A TFLite file's bytes, of a layer that takes and gives what an exported one does."""
    rng = np.random.default_rng(0)
    weights = tf.constant(rng.normal(size=[42, 63]), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 21, 2], tf.float32, "x")])
    def joints(x):
        return {"joints": tf.reshape(tf.reshape(x, [1, 42]) @ weights, [1, 21, 3])}

    folder = str(tmp_path_factory.mktemp("model"))
    tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": joints})
    return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def test_the_metadata_comes_back_and_the_network_runs(network, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(lite_file.with_metadata(network, FACTS))
    content, metadata = lite_file.read(str(path))
    assert content.startswith(network)
    assert FACTS.items() <= metadata.items()
    assert zipfile.ZipFile(path).namelist() == [metadata_lib.METADATA_FILE]
    x = np.ones([1, 21, 2], np.float32)
    expected = TFLiteModel.from_bytes(network)(x=x)
    np.testing.assert_array_equal(TFLiteModel(str(path))(x=x), expected)


def damages(content, count):
    """`count` copies of bytes, flipped, cut or overwritten at random places."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        damaged, place = bytearray(content), rng.integers(len(content))
        kind = rng.integers(3)
        if kind == 0:
            damaged[place] ^= 1 << rng.integers(8)
        elif kind == 1:
            del damaged[place:]
        else:
            damaged[place : place + 16] = rng.bytes(16)
        yield bytes(damaged)


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_files_are_refused_in_a_sentence_or_are_as_good(count, network, tmp_path):
    """What is left alone is a date in the archive, or the like: never the network or its facts."""
    path = tmp_path / "a.tflite"
    refused = 0
    for content in damages(lite_file.with_metadata(network, FACTS), count):
        path.write_bytes(content)
        try:
            content, metadata = lite_file.read(str(path))
        except UserError as error:
            assert str(error).startswith(f"--model={path}: ")
            assert "\n" not in str(error)
            refused += 1
        else:
            assert content[: len(network)] == network
            assert FACTS.items() <= metadata.items()
    assert refused > 0.95 * count


def with_entry(network, text, compression=zipfile.ZIP_STORED):
    file = io.BytesIO(network)
    with zipfile.ZipFile(file, "a", compression) as archive:
        archive.writestr(metadata_lib.METADATA_FILE, text)
    return file.getvalue()


OTHERS = {
    "nothing": lambda network: b"",
    "text": lambda network: b"no model",
    "no metadata": lambda network: network,
    "no checksum": lambda network: with_entry(network, "{}"),
    "another's checksum": lambda network: with_entry(
        network, json.dumps({lite_file.SIZE: len(network), lite_file.CHECKSUM: "0" * 64})
    ),
    "size of text": lambda network: with_entry(network, json.dumps({lite_file.SIZE: "all"})),
    "no JSON": lambda network: with_entry(network, "{"),
    "a list": lambda network: with_entry(network, "[]"),
    "deeply nested": lambda network: with_entry(network, '{"a":' * 100_000),
    "no archive": lambda network: network + b"PK\5\6" + b"\xff" * 18,
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_files_of_another_make_are_named(make, network, tmp_path):
    (tmp_path / "a.tflite").write_bytes(make(network))
    with pytest.raises(UserError, match=r"^--model=.*a\.tflite: ") as raised:
        TFLiteModel(str(tmp_path / "a.tflite"))
    assert len(str(raised.value)) < 500


def test_a_bomb_is_not_unpacked(network, tmp_path):
    """A tenth of a megabyte of archive that would be 50 MB of metadata."""
    packed = with_entry(network, b" " * 50_000_000, zipfile.ZIP_DEFLATED)
    assert len(packed) < 200_000
    (tmp_path / "a.tflite").write_bytes(packed)
    tracemalloc.start()
    with pytest.raises(UserError, match="its metadata is damaged"):
        lite_file.read(str(tmp_path / "a.tflite"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "nowhere.tflite", tmp_path):
        with pytest.raises(UserError, match=r"--model=.*: cannot be read"):
            lite_file.read(str(path))


def test_a_file_of_gigabytes_is_not_read(network, tmp_path, monkeypatch):
    monkeypatch.setattr(lite_file, "MOST_BYTES", len(network))
    (tmp_path / "a.tflite").write_bytes(lite_file.with_metadata(network, FACTS))
    with pytest.raises(UserError, match="is larger than"):
        lite_file.read(str(tmp_path / "a.tflite"))
