"""The paper's tables and figures as sets of runs: with which options, where, how well.

An experiment is a set of rows, a row is some options on top of a data set's flagfile, and each
row is trained with several seeds. A run lies in a folder named after its options, so that rows
which experiments share are trained once; what is there already is read, not trained again.

Each method trains with options found for it on the validation split (`tuning`), kept in
`assets/tuned.json`; a row of an ablation has its method's.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import multiprocessing
import os
import pathlib
import re

from tqdm import tqdm

from dcmls_tf import config as config_lib
from dcmls_tf.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
TUNED_FILE = pathlib.Path(__file__).parents[1] / "assets" / "tuned.json"
FULL = "full (DCMLS)"
UNIFIED = "unified (ULS)"
DIRECT = "direct regression"
# ULS takes pairs of modalities in turn; the row after it is its latent space alone.
METHODS = {
    DIRECT: {"latent": "none"},
    UNIFIED: {"latent": "unified", "schedule": "pairs"},
    FULL: {},
}
LATENT_SPACES = {
    **METHODS,
    "unified, one sum of all terms": {"latent": "unified"},
    "context of x split off": {"latent": "rgb_context"},
}
PARTS = {
    FULL: {},
    "without D_h": {"use_disc_h": False},
    "without D_c": {"use_disc_c": False},
    "without D_h and D_c": {"use_disc_h": False, "use_disc_c": False},
    "without T": {"use_translator": False},
}
# The default's share is the method as it is.
SHARES = {
    f"γ_z = {share}": {} if share == config_lib.Config.gamma_z else {"gamma_z": share}
    for share in (0.2, 0.4, 0.5, 0.6, 0.8)
}
LABELS = {
    f"{name}, {percent} % of the pairs": {**options, "labelled_percent": percent}
    for percent in (1, 10, 100)
    for name, options in METHODS.items()
}

# Experiment → (title, rows). Figures 6 and 7 show one run of the last kind.
EXPERIMENTS = {
    "table1": ("Table 1: the share of z_h in the code", SHARES),
    "table2": ("Table 2: methods compared", METHODS),
    "fig2": ("Figure 2: what is split off as context", LATENT_SPACES),
    "fig3": ("Figure 3: discriminators and translator", PARTS),
    "fig4": ("Figure 4: PCK of the methods (in the paper on RHD)", METHODS),
    "fig5": ("Figure 5: PCK of the methods (in the paper on STB)", METHODS),
    "fig6": ("Figure 6: walks in the latent space", {FULL: {}}),
    "fig7": ("Figure 7: predictions beside the truth", {FULL: {}}),
    "labels": ("Fewer pairs, the rest of x and y unpaired", LABELS),
}
# Options for a look at the whole chain, not for numbers.
QUICK = {"epochs": 2}
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
    raw_dir: str = None
    data_dir: str = "data"
    runs_dir: str = "runs/reproduce"
    transfer_dir: str = None
    seeds: int = 0
    parallel: int = 1

    @property
    def flagfile(self):
        """The data set's flagfile."""
        name = self.dataset + ("_2d" if self.modality == "2d" else "")
        return str(ROOT / "configs" / f"{name}.cfg")

    @property
    def name(self):
        """`rendered-2d-quick`."""
        return f"{self.dataset}-{self.modality}-{self.scale}"

    @property
    def num_seeds(self):
        return self.seeds or SEEDS[self.scale]

    def run_dir(self, options, seed):
        """The folder of one run: its row's options by name, then its seed."""
        text = "_".join(f"{key}={value}" for key, value in sorted(options.items()))
        slug = re.sub(r"[^\w=.-]+", "", text) or "default"
        return os.path.join(self.runs_dir, self.name, f"{slug}-seed{seed}")

    def config(self, options, seed):
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


def method_of(options):
    """`direct`, `unified` or `full`: whose tuned options a row has."""
    return {"none": "direct", "unified": "unified"}.get(options.get("latent"), "full")


def tuned_options(dataset, modality, method):
    """Options for comparing methods on a data set: what all have in common, then the method's.

    A data set that is `like` another has that one's, with its own on top.
    """
    with open(TUNED_FILE, encoding="utf-8") as file:
        tuned = json.load(file)
    entry = tuned.get(f"{dataset} {modality}", {})
    return {**_options_in(tuned.get(entry.get("like"), {}), method), **_options_in(entry, method)}


def _options_in(entry, method):
    return {**entry.get("common", {}), **entry.get(method, {}).get("options", {})}


def run(setting, options, seed):
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


def _run(setting, config):
    # Imported by the processes that train: TensorFlow starts here.
    from dcmls_tf import distribution, runs

    runs.Run(config, distribution.strategy()).train()
    for report, where in _reports(setting, config.run_dir).items():
        if not os.path.exists(report):
            runs.evaluate_run(config.run_dir, report, **where)


def _reports(setting, run_dir):
    """What a run has to leave: report → options of the data that it is on."""
    found = {os.path.join(run_dir, "report.json"): {}}
    if setting.transfer_dir:
        where = {"dataset": "rhd", "raw_dir": setting.transfer_dir}
        found[os.path.join(run_dir, "transfer.json")] = where
    return found


def _is_done(setting, options, seed):
    return all(map(os.path.exists, _reports(setting, setting.run_dir(options, seed))))


def run_rows(setting, rows):
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


def prepare(pool, config):
    """Prepares a run's data in one process of a pool, before several want to."""
    pool.submit(_prepare, config).result()


def _prepare(config):
    from dcmls_tf.data import preparation

    preparation.from_config(config)


def in_parallel(pool, function, calls, name):
    """Calls a function with each of a list of arguments, under a progress bar.

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

    def __init__(self, count):
        super().__init__(count)
        self.threads = max(1, len(os.sched_getaffinity(0)) // count)

    def submit(self, function, /, *arguments):
        """Schedules a call of an importable function; returns its future."""
        return super().submit(_in_a_process, self.threads, function, *arguments)


def _in_a_process(threads, function, *arguments):
    with concurrent.futures.ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_limit_threads,
        initargs=(threads,),
    ) as process:
        return process.submit(function, *arguments).result()


def _limit_threads(count):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
