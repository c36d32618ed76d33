"""The networks in the box: written, read, damaged, of others; what a training starts from."""

import os

import numpy as np
import pytest
from PIL import Image

from dcmls_tf import addons, checkpoints, config, pretrained, variants
from dcmls_tf.errors import UserError
from dcmls_tf.serving import shipped
from dcmls_tf.serving.tflite import TFLiteModel

TINY = config.Config(modality="2d", joint_width=8, disc_width=8)


def weights(model):
    by_name = addons.variables_by_name(model.networks())
    return {name: [v.numpy() for v in variables] for name, variables in by_name.items()}


def assert_equal(a, b, **tolerance):
    assert a.keys() == b.keys()
    for name in a:
        for one, other in zip(a[name], b[name], strict=True):
            np.testing.assert_allclose(one, other, **tolerance)


@pytest.mark.parametrize("latent", ["full", "none"])
def test_networks_come_back_as_float16_has_them(tmp_path, latent):
    first, second = (variants.from_config(TINY.replace(latent=latent)) for _ in range(2))
    path = str(tmp_path / "a.npz")
    assert (weights(first)["encoder_x"][0] != weights(second)["encoder_x"][0]).any()
    pretrained.write(first, path)
    pretrained.restore(second, path)
    assert_equal(weights(first), weights(second), rtol=2**-11, atol=1e-7)
    assert os.listdir(tmp_path) == ["a.npz"]
    content = (tmp_path / "a.npz").read_bytes()
    pretrained.write(second, path)
    assert (tmp_path / "a.npz").read_bytes() == content


def test_a_weight_out_of_reach_is_not_written(tmp_path):
    model = variants.from_config(TINY)
    addons.tf_variables(model.networks()["disc_c"])[1].assign_add([1e5] * 8)
    with pytest.raises(ValueError, match="disc_c/001"):
        pretrained.write(model, str(tmp_path / "a.npz"))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "absent"])
def test_a_damaged_file_is_named_and_changes_nothing(tmp_path, damage):
    model = variants.from_config(TINY)
    path = tmp_path / "a.npz"
    pretrained.write(model, str(path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "absent":
        wrong = {"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage]
        path.write_bytes(wrong)
    other = variants.from_config(TINY)
    before = weights(other)
    with pytest.raises(UserError, match=r"a\.npz: cannot be read"):
        pretrained.restore(other, str(path))
    assert_equal(before, weights(other), rtol=0)


def test_a_training_starts_from_the_box_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path / "box"))
    monkeypatch.chdir(tmp_path)
    first, second, third = (variants.from_config(TINY) for _ in range(3))
    with pytest.raises(UserError, match=r"--initial_run: small has no finished epoch"):
        checkpoints.check_initial("small")
    os.mkdir(tmp_path / "box")
    pretrained.write(first, pretrained.file_of("small"))
    assert pretrained.available() == ["small"]
    checkpoints.check_initial("small")
    checkpoints.start_from(second, "small")
    assert_equal(weights(first), weights(second), rtol=2**-11, atol=1e-7)
    wider = variants.from_config(TINY.replace(joint_width=16))
    with pytest.raises(UserError, match=r"=small: its networks are others.*configs/small\.cfg"):
        checkpoints.start_from(wider, "small")
    # A run of that name comes before.
    checkpoints.best(third, "small").save(3)
    checkpoints.start_from(second, "small")
    assert_equal(weights(third), weights(second), rtol=0)


def test_the_box_has_what_it_says_it_has():
    assert set(pretrained.available()) == set(shipped.WITH_NETWORKS)


@pytest.mark.parametrize("name", pretrained.available())
def test_the_networks_in_the_box_are_those_of_the_model_in_the_box(name):
    c = config.from_flagfile(f"configs/{name}.cfg")
    model = variants.from_config(c.replace(precision="float32"))
    checkpoints.start_from(model, name)
    with Image.open("docs/hand.jpg") as photo:
        crop = photo.crop((47, 88, 321, 362)).resize([c.input_size] * 2)
    upright = np.asarray(crop, np.float32) / 255 - 0.5
    x = np.stack([np.rot90(of, k) for of in (upright, upright[:, ::-1]) for k in range(4)])
    expected = TFLiteModel(shipped.path(name)).predict({"x": x})
    apart = np.linalg.norm(model(x).numpy() - expected, axis=-1)
    spread = np.linalg.norm(expected - expected.mean(axis=0), axis=-1)
    assert apart.mean() < 0.1 * spread.mean()
