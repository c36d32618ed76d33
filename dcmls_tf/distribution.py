"""Devices and hosts: which strategy a machine gets, and who writes files."""

import functools
import os
from collections.abc import Callable

import tensorflow as tf


@functools.cache
def strategy() -> tf.distribute.Strategy:
    """MirroredStrategy over all visible devices; over all hosts where `TF_CONFIG` names some.

    `TF_CONFIG` is TensorFlow's own variable, a JSON of the cluster and of this host's task. A
    process has one strategy for all its runs: each counts its collectives from the same number,
    and those of two would be taken for one another.
    """
    if os.environ.get("TF_CONFIG"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices(kind)])


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes checkpoints and logs: the first of the strategy's hosts."""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_type or resolver.task_id == 0


def distribute(
    strategy: tf.distribute.Strategy,
    make_batches: Callable[[int, int, int], tf.data.Dataset],
    batch_size: int,
) -> tf.distribute.DistributedDataset:
    """A distributed dataset of global batches of `batch_size`.

    `make_batches(shard_count, shard_index, per_replica_batch)` makes one host's dataset.
    """

    def make_hosts_batches(context):
        return make_batches(
            context.num_input_pipelines,
            context.input_pipeline_id,
            batch_size // strategy.num_replicas_in_sync,
        )

    return strategy.distribute_datasets_from_function(make_hosts_batches)


def on_any_host(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """A function that tells whether what it is called with is true on any of the strategy's hosts.

    All hosts call it at the same places. On one host it asks nobody.
    """
    total = _total(strategy)
    return bool if total is None else lambda flag: total(flag) > 0


def on_all_hosts_alike(strategy: tf.distribute.Strategy) -> Callable[[int], bool]:
    """A function that tells whether all of the strategy's hosts call it with the same number.

    The number is below 2**40; all hosts call it at the same places. On one host it asks nobody.
    """
    total, replicas = _total(strategy), strategy.num_replicas_in_sync
    if total is None:
        return lambda number: True
    # Who is not at the mean is told by the first sum, and all hosts hear of it by the second.
    return lambda number: not total(total(number) != replicas * number)


def _total(strategy: tf.distribute.Strategy) -> Callable[[float], float] | None:
    """A function that sums a number over all replicas; `None` on one host."""
    resolver = strategy.cluster_resolver
    if resolver is None or len(resolver.cluster_spec().as_dict().get("worker", ())) < 2:
        return None

    @tf.function(input_signature=[tf.TensorSpec([], tf.float64)])
    def summed(value):
        return strategy.reduce("SUM", strategy.run(tf.identity, args=(value,)), axis=None)

    return lambda number: float(summed(tf.constant(number, tf.float64)))
