"""Options: ranges, combinations, and the way to disk and back."""

import json

import pytest

from dcmls_tf import config
from dcmls_tf.errors import UserError


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"batch_size": 0}, "--batch_size=0"),
        ({"gamma_z": 0.01}, "--gamma_z=0.01"),
        ({"gamma_z": 1.5}, "--gamma_z=1.5"),
        ({"reconstruction_size": 100}, "--reconstruction_size=100"),
        ({"schedule": "random"}, "--schedule=random"),
        ({"augment_view": 20.0}, "--augment_view=20.0"),
        ({"encoder": "resnet50"}, "--encoder=resnet50"),
        ({"encoder_weights": "imagenet"}, "--encoder_weights=imagenet"),
        ({"learning_rate": float("nan")}, "--learning_rate=nan"),
    ],
)
def test_an_error_names_the_flag_and_its_value(change, flag):
    with pytest.raises(UserError, match=flag):
        config.Config(**change)


@pytest.mark.parametrize(
    ("gamma_z", "z_h_dim"), [(0.2, 6), (0.4, 12), (0.5, 15), (0.6, 18), (0.8, 24)]
)
def test_gamma_z_gives_the_sizes_of_table_1(gamma_z, z_h_dim):
    c = config.Config(gamma_z=gamma_z)
    assert (c.z_h_dim, c.z_c_dim) == (z_h_dim, 30 - z_h_dim)


def test_a_unified_latent_space_has_no_context():
    c = config.Config(latent="unified")
    assert (c.z_h_dim, c.z_c_dim) == (30, 0)


def test_saved_and_loaded_is_the_same(tmp_path):
    c = config.Config(dataset="stb", epochs=7, use_disc_c=False)
    c.save(tmp_path)
    assert config.load(tmp_path) == c


def test_an_option_that_a_run_does_not_know_yet_takes_its_default(tmp_path):
    config.Config(epochs=7).save(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    del fields["encoder"], fields["encoder_weights"]
    (tmp_path / "config.json").write_text(json.dumps(fields))
    loaded = config.load(tmp_path)
    assert (loaded.epochs, loaded.encoder, loaded.encoder_weights) == (7, "resnet18", "random")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--run_dir: .*config.json does not exist"):
        config.load(tmp_path)
    (tmp_path / "config.json").write_text('{"dataset": "rhd", "unheard_of": 1}')
    with pytest.raises(UserError, match="unheard_of"):
        config.load(tmp_path)
