"""LiteRT, which runs TFLite files: an interpreter for a file's bytes, and how long it takes."""

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from dcmls_tf import quiet
from dcmls_tf.errors import UserError

if TYPE_CHECKING:  # LiteRT is an extra.
    from ai_edge_litert.interpreter import Interpreter

WARM_UP_RUNS, TIMED_RUNS = 10, 200


def interpreter(content: bytes, num_threads: int = 1) -> "Interpreter":
    """An interpreter of a TFLite file's bytes, ready to run. Raises `UserError` without LiteRT."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError("TFLite files need ai-edge-litert: pip install '.[export]'") from None
    with quiet.notes_dropped():  # Each tells which delegate it has.
        ready = Interpreter(model_content=content, num_threads=num_threads)
        ready.allocate_tensors()
    return ready


def latency_ms(content: bytes, num_threads: int, runs: int = TIMED_RUNS) -> float:
    """Median time of one inference in ms, on zeros; a network's time does not depend on them."""
    ready = interpreter(content, num_threads)
    times_ms(ready, WARM_UP_RUNS)
    return statistics.median(times_ms(ready, runs))


def times_ms(ready: "Interpreter", runs: int) -> list[float]:
    """The time of each of `runs` inferences of an interpreter on zeros, in ms."""
    for details in ready.get_input_details():
        ready.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        ready.invoke()
        times.append(1000 * (time.perf_counter() - start))
    return times
