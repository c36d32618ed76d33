"""SavedModels on disk: versions, what is no model, inputs that a graph refuses.

`tests/scripts/test_export.py` covers what is written, and `warm_up`.
"""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf.errors import UserError
from dcmls_tf.serving import saved_model


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
def loaded(tmp_path_factory):
    """A SavedModel of two versions, the newer of which is complete."""
    folder = tmp_path_factory.mktemp("model")
    module = Scale()
    tf.saved_model.save(module, str(folder / "2"), signatures={"scale": module.__call__})
    (folder / "1").mkdir()
    (folder / "2" / "assets" / "metadata.json").write_text('{"side": "none"}')
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


def test_a_damaged_model_is_named(tmp_path):
    (tmp_path / "3" / "assets").mkdir(parents=True)
    (tmp_path / "3" / "saved_model.pb").write_bytes(b"no proto")
    with pytest.raises(UserError, match=r"--model=.*/3: is damaged or of another make"):
        saved_model.load(str(tmp_path))
    (tmp_path / "3" / "assets" / "metadata.json").write_text("{}")
    with pytest.raises(UserError, match=r"--model=.*/3: is damaged or of another make"):
        saved_model.load(str(tmp_path))
