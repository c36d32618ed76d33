"""A run's folder → its best model, and its checkpoints: damaged, foreign, full disks."""

import os

import numpy as np
import pytest
import small_disks
import tensorflow as tf

from dcmls_tf import addons, checkpoints, config, variants
from dcmls_tf.errors import Diverged, UserError


def weights(model):
    return [v.numpy() for n in model.networks().values() for v in addons.tf_variables(n)]


@pytest.mark.parametrize("latent", ["full", "none"])
def test_the_best_networks_come_back_with_config_and_step(tmp_path, latent):
    c = config.Config(modality="2d", joint_width=8, disc_width=8, latent=latent)
    model = variants.from_config(c)
    c.save(str(tmp_path))
    manager = checkpoints.best(model, str(tmp_path))
    manager.save(3)
    for variable in addons.tf_variables(model.networks()["encoder_x"]):
        variable.assign_add(tf.ones_like(variable))
    manager.save(12)
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


def test_a_folder_whose_name_is_a_pattern_to_tensorflow_is_refused(tmp_path):
    """It would read, and remove, checkpoints of whatever the pattern fits."""
    c = config.Config(modality="2d")
    run_dir = tmp_path / "run[1]"
    run_dir.mkdir()
    c.save(run_dir)
    with pytest.raises(UserError, match=r"--run_dir=.*run\[1\]: .*rename the folder"):
        checkpoints.load_model(str(run_dir))
    with pytest.raises(UserError, match=r"--initial_run=.*run\[1\]: .*rename the folder"):
        checkpoints.start_from(variants.from_config(c), str(run_dir))


def test_a_run_without_a_finished_epoch_is_refused(tmp_path):
    config.Config(modality="2d").save(str(tmp_path))
    with pytest.raises(UserError, match="no finished epoch"):
        checkpoints.load_model(str(tmp_path))


def test_a_run_starts_from_the_best_networks_of_another(tmp_path):
    c = config.Config(modality="2d", joint_width=8, disc_width=8)
    first, second = variants.from_config(c), variants.from_config(c.replace(seed=1))
    checkpoints.best(first, str(tmp_path)).save(3)
    assert any((a != b).any() for a, b in zip(weights(first), weights(second), strict=True))
    checkpoints.start_from(second, str(tmp_path))
    for a, b in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(a, b)
    for others in ({"joint_width": 16}, {"latent": "none"}, {"z_dim": 20}):
        with pytest.raises(UserError, match=r"--initial_run=.*others than this run's"):
            checkpoints.start_from(variants.from_config(c.replace(**others)), str(tmp_path))
    with pytest.raises(UserError, match=r"--initial_run: .*no finished epoch"):
        checkpoints.start_from(first, str(tmp_path / "none"))


def tiny(folder, kept=2, size=3):
    """The checkpoints of one weight, and the weight."""
    weight = tf.Variable(tf.zeros([size]), name="weight")
    tracked = tf.train.Checkpoint(weight=weight)
    return checkpoints.Checkpoints(tracked, [weight], str(folder), kept), weight


def two_saved(folder):
    """Checkpoints 1 and 2 of a weight that is its checkpoint's number."""
    kept, weight = tiny(folder)
    for step in (1, 2):
        weight.assign(tf.fill(weight.shape, float(step)))
        kept.save(step)
    return kept


def cut(size):
    return lambda path: os.truncate(path, size)


def flip(position):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        path.write_bytes(content)

    return damage


DATA, INDEX = "ckpt-2.data-00000-of-00001", "ckpt-2.index"
DAMAGES = {
    "data cut": (DATA, cut(5)),
    "data empty": (DATA, cut(0)),
    "data flipped": (DATA, flip(2)),
    "data missing": (DATA, os.remove),
    "index cut": (INDEX, cut(20)),
    "index empty": (INDEX, cut(0)),
    "index flipped": (INDEX, flip(10)),
    "index missing": (INDEX, os.remove),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(tmp_path, capsys, name):
    two_saved(tmp_path)
    file, damage = DAMAGES[name]
    damage(tmp_path / file)
    again, weight = tiny(tmp_path)
    assert not again.is_whole()
    assert again.restore()
    assert weight.numpy().tolist() == [1, 1, 1]
    newest, before = tmp_path / "ckpt-2", tmp_path / "ckpt-1"
    assert again.is_whole()
    assert capsys.readouterr().out == f"{newest} is damaged and removed; {before} is restored\n"
    assert not list(tmp_path.glob("ckpt-2.*"))
    again.save(3)
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-3")


def test_a_flipped_bit_is_noticed_or_stands_for_nothing(tmp_path):
    two_saved(tmp_path)
    path = str(tmp_path / "ckpt-2")
    rng = np.random.default_rng(0)
    noticed = 0
    for file in (tmp_path / DATA, tmp_path / INDEX):
        whole = file.read_bytes()
        for bit in rng.integers(8 * len(whole), size=60):
            content = bytearray(whole)
            content[bit // 8] ^= 1 << bit % 8
            file.write_bytes(content)
            if checkpoints._damage(path):
                noticed += 1
            else:
                weight = tf.train.load_variable(path, "weight/.ATTRIBUTES/VARIABLE_VALUE")
                assert weight.tolist() == [2, 2, 2]
        file.write_bytes(whole)
    assert noticed > 80
    assert checkpoints._damage(path) is None


def test_where_all_are_damaged_nothing_begins_from_the_start(tmp_path):
    two_saved(tmp_path)
    for path in tmp_path.glob("*.index"):
        os.truncate(path, 0)
    with pytest.raises(UserError, match=r"every checkpoint in .* is damaged \(ckpt-2, ckpt-1\)"):
        tiny(tmp_path)[0].restore()
    assert len(list(tmp_path.glob("ckpt-*"))) == 4


@pytest.mark.parametrize("state", [None, b"", b"\xff\xfe\x00", b'model_checkpoint_path: "ckpt-9"'])
def test_without_tensorflows_list_the_files_are_found_and_too_old_ones_go(tmp_path, state):
    two_saved(tmp_path)
    if state is None:
        os.remove(tmp_path / "checkpoint")
    else:
        (tmp_path / "checkpoint").write_bytes(state)
    again, weight = tiny(tmp_path)
    assert again.restore()
    assert weight.numpy().tolist() == [2, 2, 2]
    again.save(3)
    assert {path.stem for path in tmp_path.glob("ckpt-*.index")} == {"ckpt-2", "ckpt-3"}


def test_what_a_killed_write_left_is_removed(tmp_path):
    two_saved(tmp_path)
    left = tmp_path / "ckpt-3_temp"
    left.mkdir()
    (left / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    checkpoints.remove_temporary(str(tmp_path))
    assert not left.exists()
    assert tiny(tmp_path)[0].restore()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_checkpoint_is_written_of_weights_that_are_not_finite(tmp_path, value):
    kept = two_saved(tmp_path)
    kept._weights[0].assign([0, value, 0])
    with pytest.raises(Diverged, match="weight:0 is not finite"):
        kept.save(3)
    again, weight = tiny(tmp_path)
    assert again.restore()
    assert weight.numpy().tolist() == [2, 2, 2]


def test_a_checkpoint_of_other_widths_is_refused(tmp_path):
    two_saved(tmp_path)
    with pytest.raises(UserError, match=r"ckpt-2 is of other networks than the run's config.json"):
        tiny(tmp_path, size=4)[0].restore()


def test_on_a_full_disk_what_was_written_stays_and_there_is_room_again(tmp_path):
    with small_disks.small_disk(tmp_path / "disk", kilobytes=200) as disk:
        kept, weight = tiny(disk, size=10_000)
        kept.save(1)
        filling = small_disks.fill(disk, leave=8192)
        weight.assign(weight + 1)
        with pytest.raises(UserError, match=rf"{disk}.*cannot be written \(No space left"):
            kept.save(2)
        assert {p.name.split(".")[0] for p in disk.iterdir()} == {"checkpoint", "ckpt-1", "filling"}
        again, restored = tiny(disk, size=10_000)
        assert again.restore()
        assert not restored.numpy().any()
        filling.unlink()
        kept.save(2)
        assert again.restore()
        assert restored.numpy().all()


def test_a_damaged_or_foreign_best_model_is_one_sentence(tmp_path):
    c = config.Config(modality="2d", joint_width=8, disc_width=8)
    checkpoints.best(variants.from_config(c), str(tmp_path)).save(3)
    c.replace(joint_width=9).save(str(tmp_path))
    with pytest.raises(UserError, match=r"ckpt-3 is of other networks than .*config.json says"):
        checkpoints.load_model(str(tmp_path))
    c.save(str(tmp_path))
    os.remove(tmp_path / "best" / "checkpoint")
    assert checkpoints.load_model(str(tmp_path))[2] == 3
    flip(100)(tmp_path / "best" / "ckpt-3.data-00000-of-00001")
    with pytest.raises(UserError, match=r"--run_dir: .*best/ckpt-3 is damaged"):
        checkpoints.load_model(str(tmp_path))
    with pytest.raises(UserError, match=r"--initial_run: .*best/ckpt-3 is damaged"):
        checkpoints.start_from(variants.from_config(c), str(tmp_path))
