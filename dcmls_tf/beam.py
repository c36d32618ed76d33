"""Apache Beam: a pipeline's options from the command line, and what its workers report.

A script with `--runner` hands Beam what comes after a `--` of its own:

    script --out_dir=hands --runner=FlinkRunner -- --flink_master=host:8081 --parallelism=64

`DirectRunner` is this machine, by default with a process a core. Other runners' machines need
this package, the same version of everything, and folders under the same paths.
"""

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from absl import flags

from dcmls_tf.errors import UserError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
        PipelineOptions,
    )

DIRECT = "DirectRunner"
EVERY_CORE = {"direct_running_mode": "multi_processing", "direct_num_workers": "0"}
_SAID_BY_WORKER = re.compile(r"dcmls_tf(?:\.\w+)+: (.+?)(?: \[while running '|\n|$)")


def define_flag(default: str | None = None) -> None:
    """The flag `--runner`."""
    flags.DEFINE_string(
        "runner", default,
        "Apache Beam's runner, such as DirectRunner (this machine), FlinkRunner, SparkRunner or "
        "DataflowRunner; its own options come after a --.",
    )  # fmt: skip


def from_flags(argv: Sequence[str]) -> "PipelineOptions | None":
    """Options as `--runner` and the arguments after `--` say; `None` without `--runner`."""
    runner, arguments = flags.FLAGS["runner"].value, argv[1:]
    if runner:
        return options(runner, arguments)
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}: give --runner with Beam's options")
    return None


def options(runner: str, arguments: Sequence[str] = ()) -> "PipelineOptions":
    """A pipeline's options. Raises `UserError` for what Beam refuses.

    arguments: Beam's own options, as `--name=value`.
    """
    try:
        from apache_beam.options import (  # pyright: ignore[reportMissingImports]
            pipeline_options,
        )
    except ImportError:
        raise UserError(
            f"--runner={runner}: needs Apache Beam; install requirements/beam.txt into an "
            "environment of its own"
        ) from None
    given = {argument.split("=")[0].lstrip("-") for argument in arguments}
    usual = EVERY_CORE if runner == DIRECT and "direct_running_mode" not in given else {}
    defaults = [f"--{name}={value}" for name, value in usual.items() if name not in given]
    chosen = pipeline_options.PipelineOptions([f"--runner={runner}", *defaults, *arguments])
    _check(chosen, runner)
    # DirectRunner would fetch Prism, a program, from GitHub. It leaves alone pipelines that may
    # have such triggers; there is none here.
    chosen.view_as(pipeline_options.TypeOptions).allow_unsafe_triggers = True
    return chosen


def _check(chosen: "PipelineOptions", runner: str) -> None:
    """Beam itself warns of options that it does not know."""
    from apache_beam.runners.runner import create_runner  # pyright: ignore[reportMissingImports]

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            chosen.get_all_options()
    except SystemExit:  # argparse's way, after a page of usage
        raise UserError(said.getvalue().strip().split("error: ")[-1]) from None
    try:
        create_runner(runner)
    except Exception as error:  # of several kinds, and what an import raises
        raise UserError(f"--runner={runner}: is not to be had ({error})") from None


@contextlib.contextmanager
def errors_of_workers() -> Iterator[None]:
    """Raises a worker's `UserError` as one, which Beam has made a text among others."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = _SAID_BY_WORKER.search(str(error))
        if said is None:
            raise
        raise UserError(said[1]) from error
