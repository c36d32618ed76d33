"""A run's folder → its best model: kept weights, what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import addons, checkpoints, config, variants
from dcmls_tf.errors import UserError


def weights(model):
    return [v.numpy() for n in model.networks().values() for v in addons.tf_variables(n)]


@pytest.mark.parametrize("latent", ["full", "none"])
def test_the_best_networks_come_back_with_config_and_step(tmp_path, latent):
    c = config.Config(modality="2d", joint_width=8, disc_width=8, latent=latent)
    model = variants.from_config(c)
    c.save(str(tmp_path))
    manager = checkpoints.best(model, str(tmp_path))
    manager.save(checkpoint_number=3)
    for variable in addons.tf_variables(model.networks()["encoder_x"]):
        variable.assign_add(tf.ones_like(variable))
    manager.save(checkpoint_number=12)
    loaded, loaded_config, step = checkpoints.load_model(str(tmp_path))
    assert (loaded_config, step) == (c, 12)
    for a, b in zip(weights(model), weights(loaded), strict=True):
        np.testing.assert_array_equal(a, b)
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 21, 2)), tf.float32)
    predict = checkpoints.pose_function(loaded)
    np.testing.assert_allclose(predict({"x": x}), model(x), atol=1e-6)
    assert predict({"x": x[:1]}).shape == [1, 21, 3]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--run_dir: .*config.json"):
        checkpoints.load_model(str(tmp_path))


def test_a_run_without_a_finished_epoch_is_refused(tmp_path):
    config.Config(modality="2d").save(str(tmp_path))
    with pytest.raises(UserError, match="no finished epoch"):
        checkpoints.load_model(str(tmp_path))


def test_a_run_starts_from_the_best_networks_of_another(tmp_path):
    c = config.Config(modality="2d", joint_width=8, disc_width=8)
    first, second = variants.from_config(c), variants.from_config(c.replace(seed=1))
    checkpoints.best(first, str(tmp_path)).save(checkpoint_number=3)
    assert any((a != b).any() for a, b in zip(weights(first), weights(second), strict=True))
    checkpoints.start_from(second, str(tmp_path))
    for a, b in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(a, b)
    for others in ({"joint_width": 16}, {"latent": "none"}, {"z_dim": 20}):
        with pytest.raises(UserError, match=r"--initial_run=.*others than this run's"):
            checkpoints.start_from(variants.from_config(c.replace(**others)), str(tmp_path))
    with pytest.raises(UserError, match=r"--initial_run: .*no finished epoch"):
        checkpoints.start_from(first, str(tmp_path / "none"))
