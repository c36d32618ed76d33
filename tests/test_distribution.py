"""Strategies of one machine, who writes, and each host's part of a batch."""

import types
from typing import Any

import pytest
import tensorflow as tf

from dcmls_tf import distribution


def test_a_machine_is_used_with_all_its_devices_and_once_for_all_runs():
    strategy = distribution.strategy()
    assert strategy.num_replicas_in_sync == len(tf.config.list_logical_devices("CPU")) == 2
    assert distribution.strategy() is strategy
    assert distribution.is_chief(strategy)


@pytest.mark.parametrize(
    ("task_type", "task_id", "chief"),
    [("worker", 0, True), ("worker", 1, False), ("", 3, True), (None, None, True)],
)
def test_the_first_host_writes(task_type, task_id, chief):
    resolver = types.SimpleNamespace(task_type=task_type, task_id=task_id)
    host: Any = types.SimpleNamespace(cluster_resolver=resolver)
    assert distribution.is_chief(host) == chief


def test_a_global_batch_is_shared_by_the_replicas():
    asked = []

    def make_batches(shard_count, shard_index, per_replica_batch):
        asked.append((shard_count, shard_index, per_replica_batch))
        return tf.data.Dataset.range(8).batch(per_replica_batch)

    strategy = distribution.strategy()
    batch = next(iter(distribution.distribute(strategy, make_batches, batch_size=8)))
    assert asked == [(1, 0, 4)]
    parts = [p.numpy().tolist() for p in strategy.experimental_local_results(batch)]
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_one_host_agrees_with_itself():
    strategy = distribution.strategy()
    assert distribution.on_all_hosts_alike(strategy)(3)
    assert distribution.on_any_host(strategy)(True)
    assert not distribution.on_any_host(strategy)(False)
