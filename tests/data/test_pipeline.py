"""From prepared data (`records`) to batches: order, roles, splits, resuming."""

import itertools
from typing import Any

import numpy as np
import pytest
import raw_trees
import tensorflow as tf

from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.errors import UserError

RGB: dict[str, Any] = {
    "input_size": 64,
    "reconstruction_size": 32,
    "batch_size": 3,
    "validation_percent": 20,
}


@pytest.fixture(scope="module")
def rhd(rhd_tree, data_dir):
    return preparation.prepare("rhd", str(rhd_tree), data_dir, True)


@pytest.fixture(scope="module")
def stb(stb_tree, data_dir):
    return preparation.prepare("stb", str(stb_tree), data_dir, False)


def _take(dataset, count):
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def _assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("modality", ["rgb", "2d"])
def test_training_continues_at_any_step_with_the_same_batches(rhd, stb, modality):
    builder = rhd if modality == "rgb" else stb
    config = Config(**RGB, modality=modality)
    steps = pipeline.steps_per_epoch(builder, config)
    assert steps == (10 if modality == "rgb" else 13) // 3
    whole = _take(pipeline.training_batches(builder, config), 2 * steps + 2)
    for start in (1, steps - 1, steps, 2 * steps + 1):
        resumed = pipeline.training_batches(builder, config, start_step=start)
        for a, b in zip(whole[start:], resumed.as_numpy_iterator(), strict=False):
            _assert_same(a, b)


def test_epochs_are_different_orders_of_all_examples(stb):
    config = Config(**RGB, modality="2d")
    steps = pipeline.steps_per_epoch(stb, config)
    batches = _take(pipeline.training_batches(stb, config), 2 * steps)
    first, second = (
        np.concatenate([b["id"] for b in part]) for part in (batches[:steps], batches[steps:])
    )
    training = [e["id"].numpy() for e in pipeline.canonical_examples(stb, "training[:80%]")]
    assert len(set(first)) == len(first)
    assert set(first) <= set(training)
    assert list(first) != list(second)
    assert list(first) != training[: len(first)]
    other = _take(pipeline.training_batches(stb, config.replace(seed=1)), steps)
    assert list(np.concatenate([b["id"] for b in other])) != list(first)
    again = {i: x.tobytes() for b in batches[steps:] for i, x in zip(b["id"], b["x"], strict=True)}
    assert all(
        again.get(i) != x.tobytes()
        for b in batches[:steps]
        for i, x in zip(b["id"], b["x"], strict=True)
    )


@pytest.mark.parametrize("modality", ["rgb", "2d"])
def test_hosts_and_replicas_share_each_batch(rhd, stb, modality):
    builder = rhd if modality == "rgb" else stb
    config = Config(**{**RGB, "batch_size": 8}, modality=modality)
    whole = _take(pipeline.training_batches(builder, config, start_step=1), 3)
    parts = [
        _take(
            pipeline.training_batches(
                builder, config, start_step=1, shard_count=2, shard_index=i, per_replica_batch=2
            ),
            6,
        )
        for i in range(2)
    ]
    for step, batch in enumerate(whole):
        pieces = [piece for host in parts for piece in host[2 * step : 2 * step + 2]]
        assert all(len(p["x"]) == 2 for p in pieces)
        np.testing.assert_array_equal(np.concatenate([p["id"] for p in pieces]), batch["id"])
        for key in ("x", "y", "H"):
            joined = np.concatenate([p[key] for p in pieces])
            if modality == "rgb":  # A last bit of H can tip a grey level.
                np.testing.assert_array_equal(joined, batch[key])
            np.testing.assert_allclose(joined, batch[key], rtol=1e-4, atol=1e-5)


# Unmoved keypoints tell which example they are of.
STILL: dict[str, Any] = {
    "augment_rotation": 0,
    "augment_shift": 0,
    "augment_scale": 0,
    "modality": "2d",
}


def test_unpaired_x_and_y_come_from_the_examples_that_are_no_pairs(stb):
    config = Config(**RGB, **STILL, labelled_percent=30)
    steps = pipeline.steps_per_epoch(stb, config)
    batches = _take(pipeline.training_batches(stb, config), 2 * steps)
    split = pipeline.training_split(config)
    (all_of_it,) = pipeline.evaluation_batches(stb, config, split, 100).as_numpy_iterator()

    def numbers(key, values):
        gaps = np.abs(all_of_it[key][None] - values[:, None]).max(axis=(2, 3))
        assert gaps.min(axis=1).max() < 1e-5
        return gaps.argmin(axis=1)

    paired = np.concatenate([numbers("x", b["x"]) for b in batches])
    assert list(paired) == [n for b in batches for n in numbers("y", b["y"])]
    of_x = np.concatenate([numbers("x", b["unpaired"]["x"]) for b in batches])
    of_y = np.concatenate([numbers("y", b["unpaired"]["y"]) for b in batches])
    assert len(set(paired)) == round(0.3 * len(all_of_it["x"]))
    assert not set(paired) & (set(of_x) | set(of_y))
    assert (of_x != of_y).any()
    other = _take(pipeline.training_batches(stb, config.replace(seed=1)), 2 * steps)
    assert set(np.concatenate([numbers("x", b["x"]) for b in other])) != set(paired)
    alone = pipeline.training_batches(stb, config.replace(use_unpaired=False))
    for a, b in zip(_take(alone, 3), batches, strict=False):
        b = {key: value for key, value in b.items() if key != "unpaired"}
        _assert_same(a, b)


@pytest.mark.parametrize("modality", ["rgb", "2d"])
def test_unpaired_batches_resume_too(rhd, stb, modality):
    builder = rhd if modality == "rgb" else stb
    config = Config(**RGB, modality=modality, labelled_percent=50)
    whole = _take(pipeline.training_batches(builder, config), 6)
    resumed = _take(pipeline.training_batches(builder, config, start_step=4), 2)
    for a, b in zip(whole[4:], resumed, strict=True):
        _assert_same(a.pop("unpaired"), b.pop("unpaired"))
        _assert_same(a, b)


def test_evaluation_is_ordered_complete_and_still(rhd, rhd_tree):
    config = Config(**RGB)
    batches = _take(pipeline.evaluation_batches(rhd, config, "evaluation", 4), 99)
    assert [len(b["x"]) for b in batches] == [4, 2]
    ids = np.concatenate([b["id"] for b in batches])
    assert list(ids) == [f"rhd/evaluation/{i:05d}".encode() for i in range(6)]
    path = rhd_tree / "evaluation" / "color" / "00005.png"
    assert batches[1]["image"][1] == path.read_bytes()
    again = _take(pipeline.evaluation_batches(rhd, config, "evaluation", 4), 99)
    _assert_same(batches[0], again[0])


def test_training_and_validation_part_the_training_data(stb):
    config = Config(**RGB, modality="2d")
    names = [
        [e["id"].numpy() for e in pipeline.canonical_examples(stb, split)]
        for split in (pipeline.training_split(config), pipeline.validation_split(config))
    ]
    everything = [e["id"].numpy() for e in pipeline.canonical_examples(stb, "training")]
    assert names[0] + names[1] == everything
    assert len(names[1]) == 3


def test_errors_name_the_flag(stb):
    with pytest.raises(UserError, match="--batch_size=64"):
        pipeline.steps_per_epoch(stb, Config(modality="2d"))
    with pytest.raises(UserError, match="--batch_size"):
        pipeline.training_batches(stb, Config(**RGB, modality="2d"), shard_count=2)
    config = Config(modality="2d", validation_percent=1)
    with pytest.raises(UserError, match="--validation_percent"):
        pipeline.evaluation_batches(stb, config, pipeline.validation_split(config), 4)
    with pytest.raises(UserError, match="--raw_dir"):
        pipeline.evaluation_batches(stb, config, "test", 4)


def test_2d_needs_no_images_but_takes_a_set_that_has_them(rhd):
    config = Config(**RGB, modality="2d")
    (batch,) = _take(pipeline.training_batches(rhd, config), 1)
    assert batch["x"].shape == (3, 21, 2)
    assert "image" not in batch


def test_many_shards_are_read_in_order(rhd_tree, tmp_path, monkeypatch):
    """Record offsets hold when TFDS splits a data set over files."""
    from tensorflow_datasets.core.utils import shard_utils

    monkeypatch.setattr(shard_utils.ShardConfig, "get_number_shards", lambda *a, **k: 5)
    builder = preparation.prepare("rhd", str(rhd_tree), str(tmp_path), True)
    assert len(list(builder.data_path.glob("*training.tfrecord*"))) == 5
    config = Config(**{**RGB, "batch_size": 5}, augment_hue=0)
    batches = _take(pipeline.training_batches(builder, config), 2)
    ids = sorted(np.concatenate([b["id"] for b in batches]))
    assert ids == [f"rhd/training/{i:05d}".encode() for i in range(10)]
    in_order = [e["id"].numpy() for e in pipeline.canonical_examples(builder, "training")]
    assert in_order == sorted(in_order)
    assert len(in_order) == 12
    for batch in batches:
        for i, K in zip(batch["id"], batch["K"], strict=True):
            assert tf.io.gfile.exists(str(rhd_tree / "training/color" / f"{i[-5:].decode()}.png"))
            np.testing.assert_array_equal(K, raw_trees.RHD_K)
