"""SIGTERM: heard at the next step, by the process that it was sent to, and only while it trains."""

import os
import signal
import threading

import pytest

from dcmls_tf import distribution
from dcmls_tf.errors import Terminated
from dcmls_tf.stopping import Stopping


def stopping():
    return Stopping(distribution.strategy())


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_is_heard_at_the_next_check_and_ends_with_143():
    s = stopping()
    with s.listens():
        s.check()
        terminate()
        with pytest.raises(SystemExit) as ended:
            s.check()
    assert ended.value.code == 143
    assert isinstance(ended.value, Terminated)


def test_a_loop_over_items_ends_after_the_one_under_way():
    s, seen = stopping(), []

    def loop():
        for item in s.checked(range(5)):
            seen.append(item)
            if item == 2:
                terminate()

    with s.listens(), pytest.raises(Terminated):
        loop()
    assert seen == [0, 1, 2]


def test_afterwards_signals_mean_what_they_did():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        with stopping().listens():
            terminate()
        assert heard == []
        terminate()
        assert heard == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_thread_that_is_not_the_first_may_train_too():
    before, passed = signal.getsignal(signal.SIGTERM), []

    def train():
        s = stopping()
        with s.listens():
            s.check()
        passed.append(True)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert passed == [True]
    assert signal.getsignal(signal.SIGTERM) == before
