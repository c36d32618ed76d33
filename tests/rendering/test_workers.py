"""Processes give results in order, and end with their tasks, a death or an interrupt."""

import os
import time

import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.rendering.workers import results


def test_results_are_in_the_order_of_tasks():
    with results(abs, [-1, 2, -3], 2) as found:
        assert list(found) == [1, 2, 3]


def test_a_dead_worker_is_named():
    killed = pytest.raises(UserError, match="--workers=1: a worker was killed")
    with killed, results(os._exit, [1], 1) as found:
        list(found)


def interrupt_after_the_first(found):
    next(found)
    raise KeyboardInterrupt


def test_an_interrupt_drops_what_has_not_begun():
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), results(time.sleep, [0.1] + [2] * 30, 1) as found:
        interrupt_after_the_first(found)
    assert time.monotonic() - start < 30
