"""Adam and LAMB by their formulas; what layers compute in; whose variables come in which order.

Tests that compare with a formula hold on every stack, and so the stacks with each other.
"""

import importlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import addons, geometry
from dcmls_tf.errors import UserError

rng = np.random.default_rng(0)


def numpy_adam(value, gradients, rate, beta_1, beta_2=0.999, epsilon=1e-7):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        corrected = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        value = value - corrected * m / (np.sqrt(v) + epsilon)
    return value


def test_adam_follows_its_formula_and_keras():
    start = rng.normal(size=(3, 4))
    # The small ones are below epsilon.
    gradients = rng.normal(size=(6, 3, 4)) * [1e-6, 1e-3, 1, 1e3]
    ours, theirs = (tf.Variable(start, dtype=tf.float32) for _ in range(2))
    optimizers = addons.adam(0.01, 0.5, [ours]), keras.optimizers.Adam(0.01, beta_1=0.5)
    for gradient in gradients:
        for optimizer, variable in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
    np.testing.assert_allclose(ours, numpy_adam(start, gradients, 0.01, 0.5), atol=1e-5)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def numpy_lamb(value, gradients, rate, beta_1, beta_2=0.999, epsilon=1e-6):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        step = (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        norm, size = np.linalg.norm(value), np.linalg.norm(step)
        value = value - rate * step * (norm / size if norm and size else 1)
    return value


@pytest.mark.parametrize("start", [rng.normal(size=(3, 4)), np.zeros([3, 4])], ids=["set", "zero"])
def test_lamb_follows_its_formula(start):
    gradients = rng.normal(size=(6, 3, 4)) * [1e-6, 1e-3, 1, 1e3]
    variable = tf.Variable(start, dtype=tf.float32)
    optimizer = addons.lamb(0.01, 0.5, [variable])
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
    np.testing.assert_allclose(variable, numpy_lamb(start, gradients, 0.01, 0.5), rtol=1e-4)


@pytest.mark.skipif(addons.KERAS_3, reason="TensorFlow Addons need Keras 2")
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_images_are_warped_as_by_tensorflow_addons(scale):
    size, angle = 24, 0.4
    image = rng.integers(0, 256, (40, 60, 3), np.uint8)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    H = np.array([[cos, -sin, 5.0], [sin, cos, 2.0], [1e-4, 0.0, 1.0]])
    # Addons' pixels have their middle at whole numbers; a smaller crop averages some a side.
    a_side = 1 if scale == 1 else 3
    to_sample = np.array([[a_side, 0, -0.5], [0, a_side, -0.5], [0, 0, 1]])
    to_px = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    back = to_px @ np.linalg.inv(H) @ np.linalg.inv(to_sample)
    samples = addons.tensorflow_addons().image.transform(
        image,
        (back / back[2, 2]).reshape(9)[:8].astype(np.float32),
        interpolation="bilinear",
        output_shape=[size * a_side] * 2,
    )
    blocks = samples.numpy().astype(float).reshape(size, a_side, size, a_side, 3)
    ours = 255 * geometry.warp_image(tf.constant(image), tf.constant(H, tf.float32), size).numpy()
    assert np.mean(ours) > 20
    difference = np.abs(ours - blocks.mean((1, 3)))
    # Samples are whole numbers: another rounding of H's inverse moves a few of them by one.
    assert difference.max() < 1.001
    assert np.mean(difference > 1e-3) < 0.02


@pytest.mark.skipif(addons.KERAS_3, reason="Keras 3 has its own LAMB")
def test_without_tensorflow_addons_lamb_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_addons", None)
    with pytest.raises(UserError, match=r"--optimizer=lamb: .*\[addons\]"):
        addons.lamb(0.1, 0.9, [tf.Variable([1.0])])


def test_a_subset_of_variables_leaves_the_rest_alone():
    first, second = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
    optimizer = addons.adam(0.1, 0.9, [first, second])
    optimizer.apply_gradients([(tf.ones([1]), second)])
    np.testing.assert_array_equal(first, [1.0, 2.0])
    np.testing.assert_allclose(second, [2.9], atol=1e-5)


def test_tf_variables_are_the_optimisers_own():
    variable = tf.Variable([1.0])
    optimizer = addons.adam(0.1, 0.9, [variable])
    optimizer.apply_gradients([(tf.ones([1]), variable)])
    variables = addons.tf_variables(optimizer)
    assert all(isinstance(v, tf.Variable) for v in variables)
    assert 1 in [int(v) for v in variables if v.shape == ()]  # the count of updates


@pytest.mark.parametrize("make", [addons.adam, addons.lamb])
def test_an_optimisers_variables_are_count_rate_and_each_ones_moments(make):
    moved = [tf.Variable(tf.ones(shape)) for shape in ([2], [3, 4], [5])]
    optimizer = make(0.1, 0.5, moved)
    optimizer.apply_gradients([(tf.fill(v.shape, 2.0), v) for v in moved])
    count, rate, *moments = addons.tf_variables(optimizer)
    assert (int(count), float(rate)) == (1, pytest.approx(0.1))
    assert [v.shape for v in moments] == [v.shape for v in moved for _ in range(2)]
    for first, second in zip(moments[::2], moments[1::2], strict=True):
        np.testing.assert_allclose(first, np.full(first.shape, 0.5 * 2), rtol=1e-4)
        np.testing.assert_allclose(second, np.full(first.shape, 0.001 * 2**2), rtol=1e-4)


def test_variables_come_layer_by_layer_whether_trained_or_not():
    class Two(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.norms = [keras.layers.BatchNormalization() for _ in range(2)]
            self.again = self.norms[0]

    layer = Two()
    for i, norm in enumerate(layer.norms, start=1):
        norm.build([None, i])
    names = ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [(v.name.rsplit("/")[-1], v.shape[0]) for v in addons.tf_variables(layer)] == [
        (f"{name}:0", i) for i in (1, 2) for name in names
    ]


def test_tf_variables_of_a_layer_follow_its_own():
    layer = keras.layers.Dense(2)
    layer.build([None, 3])
    kernel, bias = addons.tf_variables(layer)
    kernel.assign(np.ones((3, 2)))
    bias.assign([5.0, -5.0])
    np.testing.assert_allclose(layer(tf.ones([1, 3])), [[3 + 5, 3 - 5]])


def test_precision_holds_for_layers_that_are_made_inside():
    with addons.precision("mixed_bfloat16"):
        inside = keras.layers.Dense(1)
    with pytest.raises(RuntimeError), addons.precision("mixed_bfloat16"):
        raise RuntimeError
    outside = keras.layers.Dense(1)
    assert [layer.compute_dtype for layer in (inside, outside)] == ["bfloat16", "float32"]
    inside.build([None, 3])
    assert all(v.dtype == tf.float32 for v in addons.tf_variables(inside))


def test_a_weight_that_is_kept_in_float32_is_read_as_float32():
    class Layer(keras.layers.Layer):
        def build(self, _):
            self.kept = self.add_weight(shape=[], name="kept", **addons.KEEP_FLOAT32)
            self.cast = self.add_weight(shape=[], name="cast")

        def call(self, x):
            return x, tf.convert_to_tensor(self.kept), tf.convert_to_tensor(self.cast)

    with addons.precision("mixed_bfloat16"):
        layer = Layer()
    assert [v.dtype for v in layer(tf.ones([1]))] == [tf.bfloat16, tf.float32, tf.bfloat16]


def test_replicas_weights_become_their_mean():
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    with strategy.scope():
        layer = keras.layers.Layer()
        options = {"trainable": False, **addons.MEAN_OVER_REPLICAS}
        weight = layer.add_weight(shape=[], initializer="zeros", name="count", **options)

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        weight.assign(1.0 + 2.0 * tf.cast(replica, tf.float32))

    strategy.run(step)
    assert float(tf.convert_to_tensor(weight)) == (1 + 3) / 2


USES_A_NETWORK = """
import dcmls_tf
import numpy as np
import tensorflow as tf
from dcmls_tf import variants
config = dcmls_tf.Config(
    input_size=32, reconstruction_size=16, joint_width=8, encoder="mobilenet_v3_small"
)
pose = variants.from_config(config)(tf.zeros([1, 32, 32, 3]), None, training=False)
assert pose.dtype == tf.float32 and np.isfinite(pose).all()
"""


def in_a_process(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_another_backend_of_kerass_is_not_taken(tmp_path):
    """From the environment and, with other habits, from `keras.json`."""
    habits = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(habits))
    env = {"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path)}
    status, said = in_a_process(USES_A_NETWORK, **env)
    assert status == 0, said


def test_a_backend_that_runs_already_is_said(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.delitem(sys.modules, addons.__name__)
    with pytest.raises(UserError, match=r"Keras runs on torch .*: import dcmls_tf before"):
        importlib.import_module(addons.__name__)
