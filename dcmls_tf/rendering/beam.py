"""Shards rendered by Apache Beam, on as many machines as its runner has."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import apache_beam  # pyright: ignore[reportMissingImports]
import cv2
import threadpoolctl

from dcmls_tf import beam

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
        PipelineOptions,
    )


def run(job: Callable[[Any], Any], tasks: Iterable[Any], options: "PipelineOptions") -> None:
    """Runs `job(task)` of every task, and ends when all are done.

    job: picklable, and harmless to repeat: runners do a task again whose worker was lost.
    """
    with beam.errors_of_workers(), apache_beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Tasks" >> apache_beam.Create(list(tasks))
            | "Spread" >> apache_beam.Reshuffle()
            | "Render" >> apache_beam.ParDo(OneThread(job))
        )


class OneThread(apache_beam.DoFn):
    """Runs a job with one thread a process, as `workers` does: runners have a process a core."""

    def __init__(self, job: Callable[[Any], Any]) -> None:
        self._job = job

    def setup(self) -> None:
        """Limits the libraries' threads once a worker."""
        cv2.setNumThreads(1)
        threadpoolctl.threadpool_limits(1)

    def process(self, task: Any) -> None:
        """Runs the job; there is nothing to pass on."""
        self._job(task)
