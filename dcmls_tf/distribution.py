"""Devices and hosts: which strategy a machine gets, and who writes files."""

import functools
import os

import tensorflow as tf


@functools.cache
def strategy():
    """MirroredStrategy over all visible devices; over all hosts where `TF_CONFIG` names some.

    `TF_CONFIG` is TensorFlow's own variable, a JSON of the cluster and of this host's task. A
    process has one strategy for all its runs: each counts its collectives from the same number,
    and those of two would be taken for one another.
    """
    if os.environ.get("TF_CONFIG"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices(kind)])


def is_chief(of):
    """Whether this process writes checkpoints and logs: the first of the strategy's hosts."""
    resolver = of.cluster_resolver
    return resolver is None or not resolver.task_type or resolver.task_id == 0


def distribute(of, make_batches, batch_size):
    """Distributed dataset of global batches of `batch_size`.

    `make_batches(shard_count, shard_index, per_replica_batch)` makes one host's dataset.
    """

    def of_host(context):
        return make_batches(
            context.num_input_pipelines,
            context.input_pipeline_id,
            batch_size // of.num_replicas_in_sync,
        )

    return of.distribute_datasets_from_function(of_host)
