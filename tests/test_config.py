"""Options: ranges, combinations, flags, and the way to disk and back."""

import dataclasses
import json
import typing
from typing import Any

import pytest
from absl import flags

from dcmls_tf import config
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError

FIELDS = dataclasses.fields(Config)


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"batch_size": 0}, "--batch_size=0"),
        ({"gamma_z": 0.01}, "--gamma_z=0.01"),
        ({"gamma_z": 0.99}, "--gamma_z=0.99"),
        ({"gamma_z": 1.5}, "--gamma_z=1.5"),
        ({"reconstruction_size": 100}, "--reconstruction_size=100"),
        ({"schedule": "random"}, "--schedule=random"),
        ({"schedule": "pairs"}, "--schedule=pairs"),
        ({"augment_view": 20.0}, "--augment_view=20.0"),
        ({"encoder": "resnet50"}, "--encoder=resnet50"),
        ({"encoder_weights": "imagenet"}, "--encoder_weights=imagenet"),
        ({"learning_rate": float("nan")}, "--learning_rate=nan: must be finite"),
        ({"weight_pose": float("inf")}, "--weight_pose=inf: must be finite"),
        ({"unpaired_dir": "hands", "side": "input"}, "--unpaired_dir=hands"),
    ],
)
def test_an_error_names_the_flag_and_its_value(change: dict[str, Any], flag):
    with pytest.raises(UserError, match=flag):
        Config(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "pairs", "latent": "unified"},
        {"augment_view": 20.0, "modality": "2d"},
        {"encoder_weights": "imagenet", "encoder": "mobilenet_v3_small"},
        {"unpaired_dir": "hands", "side": "mirror"},
        {"gamma_z": 0.01, "latent": "unified"},
        {"gamma_z": 0.01, "z_dim": 100},
    ],
)
def test_what_fits_together_is_taken(change: dict[str, Any]):
    taken = Config(**change)
    assert {name: getattr(taken, name) for name in change} == change


@pytest.mark.parametrize(("bound", "outward"), [("lower", -1), ("upper", 1)])
def test_bounds_are_inclusive_and_the_error_names_them(bound, outward):
    # What its own range allows and other options do not.
    joints: dict[str, Any] = {"modality": "2d"}
    fits = {"gamma_z": {"latent": "unified"}}
    fits |= dict.fromkeys(("augment_view", "augment_bones", "augment_keypoints", "rays"), joints)
    for field in FIELDS:
        limit = field.metadata[bound]
        if limit is None:
            continue
        options: dict[str, Any] = {**fits.get(field.name, {}), field.name: limit}
        assert getattr(Config(**options), field.name) == limit
        outside = limit + outward * (1 if field.type is int else 1e-6)
        with pytest.raises(UserError, match=rf"--{field.name}={outside}: must be .*{limit}"):
            Config(**{**options, field.name: outside})


def test_each_choice_of_an_option_is_a_flags_value_and_others_are_not():
    for field in FIELDS:
        choices = typing.get_args(field.type)
        for choice in choices:
            assert _from_line(f"--{field.name}={choice}", check=False) == choice
        if choices:
            with pytest.raises(flags.IllegalFlagValueError, match="should be one of"):
                _from_line(f"--{field.name}=nothing", check=False)


def _from_line(argument, check=True):
    """The `Config` of a command line, or, unchecked, the value of its one flag."""
    flag_values = flags.FlagValues()
    config.define_flags(flag_values)
    flag_values(["script.py", argument])
    if check:
        return config.from_flags(flag_values)
    return getattr(flag_values, argument.strip("-").split("=")[0])


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("--epochs=7", "epochs", 7),
        ("--nouse_disc_c", "use_disc_c", False),
        ("--gamma_z=0.4", "gamma_z", 0.4),
        ("--raw_dir=a folder", "raw_dir", "a folder"),
        ("--latent=rgb_context", "latent", "rgb_context"),
    ],
)
def test_a_flag_changes_its_option_and_nothing_else(argument, name, value):
    changed = _from_line(argument)
    assert changed == Config().replace(**{name: value})
    assert type(getattr(changed, name)) is type(value)
    assert changed != Config()


def test_flags_of_the_wrong_kind_are_refused():
    for argument in ("--epochs=1.5", "--gamma_z=half", "--use_disc_c=perhaps"):
        with pytest.raises(flags.IllegalFlagValueError, match=argument):
            _from_line(argument)


def test_a_flagfile_alone_gives_a_config(tmp_path):
    path = tmp_path / "small.cfg"
    path.write_text("# Small.\n--latent=unified\n--epochs=3\n")
    assert config.from_flagfile(str(path)) == Config(latent="unified", epochs=3)
    path.write_text("--epoch=3\n")
    with pytest.raises(UserError, match=r"--flagfile=.*small.cfg: .*'epoch'"):
        config.from_flagfile(str(path))


@pytest.mark.parametrize(
    ("gamma_z", "z_h_dim"), [(0.2, 6), (0.4, 12), (0.5, 15), (0.6, 18), (0.8, 24)]
)
def test_gamma_z_gives_the_sizes_of_table_1(gamma_z, z_h_dim):
    c = Config(gamma_z=gamma_z)
    assert (c.z_h_dim, c.z_c_dim, c.z_c_y_dim) == (z_h_dim, 30 - z_h_dim, 30 - z_h_dim)


def test_a_unified_latent_space_has_no_context_and_one_of_rgb_none_for_y():
    c = Config(latent="unified")
    assert (c.z_h_dim, c.z_c_dim, c.z_c_y_dim) == (30, 0, 0)
    c = Config(latent="rgb_context", gamma_z=0.4)
    assert (c.z_h_dim, c.z_c_dim, c.z_c_y_dim) == (12, 18, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"use_unpaired": False}, False),
        ({"labelled_percent": 10.0}, True),
        ({"labelled_percent": 10.0, "use_unpaired": False}, False),
        ({"labelled_percent": 10.0, "latent": "none"}, False),
        ({"unpaired_dir": "hands"}, True),
        ({"unpaired_dir": "hands", "use_unpaired": False}, True),
        ({"unpaired_dir": "hands", "latent": "none"}, False),
    ],
)
def test_batches_bring_unpaired_data_when_there_is_some_and_a_code_to_train(
    change: dict[str, Any], expected
):
    assert Config(**change).has_unpaired is expected


def test_saved_and_loaded_is_the_same(tmp_path):
    c = Config(dataset="stb", epochs=7, use_disc_c=False)
    c.save(tmp_path)
    assert config.load(tmp_path) == c
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved == {field.name: getattr(c, field.name) for field in FIELDS}


def test_an_option_that_a_run_does_not_know_yet_takes_its_default(tmp_path):
    Config(epochs=7).save(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    del fields["encoder"], fields["encoder_weights"]
    (tmp_path / "config.json").write_text(json.dumps(fields))
    loaded = config.load(tmp_path)
    assert (loaded.epochs, loaded.encoder, loaded.encoder_weights) == (7, "resnet18", "random")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--run_dir: .*config.json does not exist"):
        config.load(tmp_path)
    for content, reason in (
        ('{"dataset": "rhd", "unheard_of": 1}', "unheard_of"),
        ("{", r"is not a run's configuration \(Expecting"),
        ("[1, 2]", "config.json is not a run's configuration"),
        ("[" * 100_000, "config.json is not a run's configuration"),
        ('{"epochs": "2"}', r"config.json is .* \(epochs is '2'\)"),
        ('{"epochs": 2.5}', r"epochs is 2.5"),
        ('{"learning_rate": true}', r"learning_rate is True"),
        ('{"modality": ["2d"]}', r"modality is \['2d'\]"),
        ('{"modality": "3d"}', r"config.json is .*--modality=3d"),
        ("\udcff\udcfe", "config.json is not a run's configuration"),
    ):
        (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(UserError, match=reason):
            config.load(tmp_path)


def test_a_change_is_checked_as_the_whole_is():
    with pytest.raises(UserError, match="--epochs=0"):
        Config().replace(epochs=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Config(), "epochs", 3)  # noqa: B010
