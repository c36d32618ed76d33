"""What two replicas make of the rows of a batch."""

import numpy as np
import tensorflow as tf

from dcmls_tf import distribution


def run(function, *arrays):
    """Calls `function` in a graph on each replica's rows; its results, put together."""
    strategy = distribution.strategy()
    size = len(arrays[0]) // strategy.num_replicas_in_sync

    def rows_of(context):
        first = size * context.replica_id_in_sync_group
        return tuple(tf.constant(array[first : first + size]) for array in arrays)

    rows = strategy.experimental_distribute_values_from_function(rows_of)
    results = strategy.run(tf.function(lambda rows: function(*rows)), [rows])
    return tf.nest.map_structure(
        lambda parts: np.concatenate(strategy.experimental_local_results(parts)), results
    )
