"""Processes that render: one thread each, none left behind, interrupts for the parent alone."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2

from dcmls_tf.errors import UserError

_FEWER = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextlib.contextmanager
def results(
    job: Callable[[Any], Any], tasks: Iterable[Any], workers: int
) -> Iterator[Iterator[Any]]:
    """`job(task)` of every task, in order, from `workers` processes.

    job: picklable; each process gets a copy once. Raises `UserError` when a process dies.
    """
    with _executor(workers, job) as executor:
        try:
            yield executor.map(_run, tasks)
        except concurrent.futures.process.BrokenProcessPool:
            raise UserError(
                f"--workers={workers}: a worker was killed, perhaps for want of memory; the same "
                "command goes on from here, with fewer workers if need be"
            ) from None
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise


def _executor(workers: int, job: Callable[[Any], Any]) -> concurrent.futures.ProcessPoolExecutor:
    """A pool whose processes each use one thread, so that they share the cores evenly."""
    before = {name: os.environ.get(name) for name in _FEWER}
    os.environ.update(_FEWER)
    try:
        executor = concurrent.futures.ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), _start, (job,)
        )
        executor.submit(int).result()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return executor


# A worker's job, which `_start` sets.
_job: Callable[[Any], Any]


def _start(job: Callable[[Any], Any]) -> None:
    """Prepares a worker: interrupts are the parent's to handle, and it ends with the parent."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _run(task: Any) -> Any:
    return _job(task)
