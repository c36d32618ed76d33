"""An experiment's runs: their folders and options, what is trained already, the rest in parallel.

Each row of an experiment is trained with several seeds. A run lies in a folder named after its
options, so that rows which experiments share are trained once; a run that is there is read, not
trained again.
"""

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.experiments.tables import Options, Rows, method_of, tuned_options

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
# A wheel has the flagfiles inside the package, a clone beside it.
_IN_WHEEL, _IN_CLONE = _PACKAGE / "configs", _PACKAGE.parent / "configs"
CONFIGS_DIR = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CLONE
# Options for a look at the whole chain, not for numbers.
QUICK: Options = {"epochs": 2}
SEEDS = {"quick": 1, "full": 3}


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where and on what an experiment runs.

    dataset: `rendered`, `rhd` or `stb`; modality: `rgb` or `2d`; scale: `quick` or `full`;
    raw_dir: the data set's folder, or `None` for the flagfile's; transfer_dir: a folder in
    RHD's layout to evaluate on as well, or `None`; seeds: runs a row, 0 for the scale's own;
    parallel: runs at once, which share the cores.
    """

    dataset: str
    modality: str
    scale: str
    raw_dir: str | None = None
    data_dir: str = "data"
    runs_dir: str = "runs/reproduce"
    transfer_dir: str | None = None
    seeds: int = 0
    parallel: int = 1

    @property
    def flagfile(self) -> str:
        """Path of the data set's flagfile."""
        name = self.dataset + ("_2d" if self.modality == "2d" else "")
        return str(CONFIGS_DIR / f"{name}.cfg")

    @property
    def name(self) -> str:
        """Text like `rendered-2d-quick`."""
        return f"{self.dataset}-{self.modality}-{self.scale}"

    @property
    def num_seeds(self) -> int:
        """Runs a row."""
        return self.seeds or SEEDS[self.scale]

    def run_dir(self, options: Options, seed: int) -> str:
        """The folder of one run: its row's options by name, then its seed."""
        text = "_".join(f"{key}={value}" for key, value in sorted(options.items()))
        slug = re.sub(r"[^\w=.-]+", "", text) or "default"
        return os.path.join(self.runs_dir, self.name, f"{slug}-seed{seed}")

    def config(self, options: Options, seed: int) -> Config:
        """The `Config` of one run: flagfile, tuned options, scale, the row's own options."""
        places = {"data_dir": self.data_dir, "run_dir": self.run_dir(options, seed)}
        if self.raw_dir:
            places["raw_dir"] = self.raw_dir
        chosen = {
            **tuned_options(self.dataset, self.modality, method_of(options)),
            **(QUICK if self.scale == "quick" else {}),
            **options,
        }
        return config_lib.from_flagfile(self.flagfile).replace(**chosen, **places, seed=seed)


def run_rows(setting: Setting, rows: Rows) -> dict[str, list[str]]:
    """Runs all seeds of all rows that are not there yet, `setting.parallel` at once.

    Returns row → list of run folders. Raises `UserError` when a run fails.
    """
    seeds = range(setting.num_seeds)
    jobs = [(options, seed) for seed in seeds for options in rows.values()]
    missing = [job for job in jobs if not _is_done(setting, *job)]
    if missing:
        with FreshProcesses(setting.parallel) as pool:
            prepare(pool, setting.config(*missing[0]))
            in_parallel(pool, run, [(setting, *job) for job in missing], setting.name)
    return {
        name: [setting.run_dir(options, seed) for seed in seeds] for name, options in rows.items()
    }


def run(setting: Setting, options: Options, seed: int) -> str:
    """Trains and evaluates one run unless it is there; returns its folder.

    What it prints goes to `log.txt` in the folder. Raises `UserError` when a step fails.
    """
    run_dir = setting.run_dir(options, seed)
    os.makedirs(run_dir, exist_ok=True)
    log_path = os.path.join(run_dir, "log.txt")
    with (
        open(log_path, "a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        try:
            _run(setting, setting.config(options, seed))
        except UserError as error:
            raise UserError(f"{run_dir}: {error}; the same command goes on from here") from None
    return run_dir


def _run(setting: Setting, config: Config) -> None:
    # Imported by the processes that train: TensorFlow starts here.
    from dcmls_tf import distribution, runs

    runs.Run(config, distribution.strategy()).train()
    for report, data_options in _reports(setting, config.run_dir).items():
        if not os.path.exists(report):
            runs.evaluate_run(config.run_dir, report, **data_options)


def _reports(setting: Setting, run_dir: str) -> dict[str, dict[str, Any]]:
    """The reports that a run has to leave: path → options of the data that it is on."""
    reports = {os.path.join(run_dir, "report.json"): {}}
    if setting.transfer_dir:
        data_options = {"dataset": "rhd", "raw_dir": setting.transfer_dir}
        reports[os.path.join(run_dir, "transfer.json")] = data_options
    return reports


def _is_done(setting: Setting, options: Options, seed: int) -> bool:
    return all(map(os.path.exists, _reports(setting, setting.run_dir(options, seed))))


def prepare(pool: concurrent.futures.Executor, config: Config) -> None:
    """Prepares a run's data in one process of a pool, before several want to."""
    pool.submit(_prepare, config).result()


def _prepare(config: Config) -> None:
    from dcmls_tf.data import preparation

    preparation.from_config(config)


def in_parallel(
    pool: concurrent.futures.Executor,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    name: str,
) -> list[Any]:
    """Calls a function with each of several tuples of arguments, under a progress bar.

    The first failure is raised when the calls under way have ended; no others are begun.
    """
    futures = [pool.submit(function, *arguments) for arguments in calls]
    finished = concurrent.futures.as_completed(futures)
    try:
        for future in tqdm(finished, total=len(futures), desc=name, unit=" runs"):
            future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return [future.result() for future in futures]


class FreshProcesses(concurrent.futures.ThreadPoolExecutor):
    """An executor of `count` calls at once, each in a new process, which share the cores evenly.

    A process for several runs would keep the memory of all of them, and those that Python's own
    pool replaces after some calls can leave it waiting for ever (CPython gh-115634).
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.threads = max(1, len(os.sched_getaffinity(0)) // count)

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> concurrent.futures.Future[Any]:
        """Schedules a call of an importable function; returns its future."""
        return super().submit(_in_a_process, self.threads, function, *arguments)


def _in_a_process(threads: int, function: Callable[..., Any], *arguments: Any) -> Any:
    with concurrent.futures.ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_limit_threads,
        initargs=(threads,),
    ) as process:
        return process.submit(function, *arguments).result()


def _limit_threads(count: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
