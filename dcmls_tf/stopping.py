"""SIGTERM, as schedulers and containers send it: training ends after its step, and is saved.

A process that a host's scheduler ends takes all hosts with it: they stop after the same step,
which they agree on by summing over all of them who was told to stop.
"""

import contextlib
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import tensorflow as tf

from dcmls_tf import distribution
from dcmls_tf.errors import Terminated

T = TypeVar("T")


class Stopping:
    """Whether this process, or a host of the same strategy, was told to stop."""

    def __init__(self, strategy: tf.distribute.Strategy):
        self._anywhere = distribution.on_any_host(strategy)
        self._told = False

    @contextlib.contextmanager
    def listens(self) -> Iterator[None]:
        """SIGTERM is heard inside; but where threads other than the first call, it kills."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _hear(self, number: int, frame: Any) -> None:
        del number, frame
        self._told = True

    def check(self) -> None:
        """Raises `Terminated` when it is time to stop; all hosts call it equally often."""
        if self._anywhere(self._told):
            raise Terminated

    def checked(self, items: Iterable[T]) -> Iterator[T]:
        """The items, with a `check` after each."""
        for item in items:
            yield item
            self.check()
