"""Losses that are not finite: at which step they are found, and what is named."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import distribution
from dcmls_tf.divergence import Step, Watch
from dcmls_tf.errors import Diverged

STRATEGY = distribution.strategy()  # of two replicas
NAMES = ("align", "pose")


def step(number, values=(1.0, 2.0), sums=None, x=None):
    """A step on a batch of 4, in two pieces, whose ids are those of its number."""
    ids = [f"{number}/{i}" for i in range(4)]
    x = np.zeros((4, 21, 2), np.float32) if x is None else x
    pieces = {"x": x, "y": np.ones((4, 21, 3), np.float32), "id": np.array(ids, object)}

    def piece(context):
        part = slice(*(2 * context.replica_id_in_sync_group + np.array([0, 2])))
        return {key: tf.constant(value[part]) for key, value in pieces.items()}

    batch = STRATEGY.experimental_distribute_values_from_function(piece)
    terms = {name: tf.constant(v) for name, v in zip(NAMES, values, strict=True)}
    return Step(number, terms, tf.constant(values if sums is None else sums), batch)


def test_finite_losses_are_let_by():
    watch = Watch(STRATEGY)
    for number in (1, 2, 3):
        watch.took(step(number))
        watch.settle()
        watch.settle()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_term_step_and_samples_are_named_when_the_next_step_is_taken(value):
    watch = Watch(STRATEGY)
    watch.took(step(1))
    watch.took(step(2, (1.0, value)))
    with pytest.raises(Diverged) as raised:
        watch.took(step(3))
    assert str(raised.value).startswith(
        f"pose is {value} at step 2 (samples 2/0, 2/1, 2/2, 2/3); lower --learning_rate or "
        "--weight_pose"
    )


def test_the_newest_step_is_looked_at_when_asked():
    watch = Watch(STRATEGY)
    watch.took(step(1, (np.nan, 1.0)))
    with pytest.raises(Diverged, match="align is nan at step 1"):
        watch.settle()


def test_a_sum_that_overflows_is_found_too():
    watch = Watch(STRATEGY)
    watch.took(step(5, (1.0, 3e38), sums=(5.0, np.inf)))
    with pytest.raises(Diverged, match="pose is inf at step 5"):
        watch.settle()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e36, 1e4])
def test_a_sample_out_of_all_bounds_is_named_alone(value):
    x = np.zeros((4, 21, 2), np.float32)
    x[2, 7, 1] = value
    watch = Watch(STRATEGY)
    watch.took(step(4, (1.0, np.nan), x=x))
    with pytest.raises(Diverged, match=r"at step 4 \(values far out in sample 4/2\)"):
        watch.settle()
