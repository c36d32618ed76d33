"""Options for comparing methods fairly: one search a method, all with the same number of trials.

Every trial trains with the data set's flagfile and some options of the method's space, and is
judged by the lowest EPE on the validation split, which is a part of the training data. The
evaluation split is never looked at. Optuna's TPE sampler searches, its first ten trials at random;
its studies are kept in a journal, so an interrupted search goes on.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dcmls_tf import config as config_lib
from dcmls_tf import distribution, files, runs
from dcmls_tf.config import Config
from dcmls_tf.errors import Diverged
from dcmls_tf.experiments import jobs, tables


class LogRange(NamedTuple):
    """Numbers between two bounds, searched by their logarithm."""

    low: float
    high: float


class Tuned(TypedDict):
    """A method's options in `tuned.json`, and the search that chose them."""

    options: dict[str, float | str]
    validation_epe_mm: float
    trials: int
    epochs: int


Values = LogRange | list[float] | list[str]
# Flag → the values that are searched: a range, or a list of choices.
Space = Mapping[str, Values]
TRAINING: Space = {"learning_rate": LogRange(3e-4, 3e-3)}
VARIATIONAL: Space = {
    **TRAINING,
    "weight_kl": LogRange(1e-8, 1e-4),
    "initial_std": LogRange(0.01, 1.0),
    "weight_d_vae_x": LogRange(0.01, 1.0),
    "weight_d_vae_y": LogRange(0.01, 1.0),
}
ADVERSARIAL: Space = {
    **VARIATIONAL,
    "weight_align": LogRange(1e-5, 1e-2),
    "disc_learning_rate": LogRange(1e-4, 1e-3),
    "schedule": ["alternate", "sequential"],
}
SPACES: dict[str, Space] = {
    "direct": {**TRAINING, "dropout": [0.0, 0.1, 0.2]},
    "unified": VARIATIONAL,
    "full": ADVERSARIAL,
}
OPTIONS = {
    "direct": tables.METHODS[tables.DIRECT],
    "unified": tables.METHODS[tables.UNIFIED],
    "full": tables.METHODS[tables.FULL],
}
SEED = 0
DIVERGED_EPE_MM = 1e3


def search_all(
    setting: jobs.Setting, methods: Sequence[str], trials: int, epochs: int
) -> dict[str, Tuned]:
    """`search` for several methods, `setting.parallel` at once; method → its result."""
    with jobs.FreshProcesses(setting.parallel) as pool:
        jobs.prepare(pool, setting.config({}, SEED))
        calls = [(setting, method, trials, epochs) for method in methods]
        results = jobs.in_parallel(pool, search, calls, "methods")
    return dict(zip(methods, results, strict=True))


def search(setting: jobs.Setting, method: str, trials: int, epochs: int) -> Tuned:
    """Runs what is missing of a method's trials; returns what goes into `tuned.json`.

    method: a key of `SPACES`; epochs: passes a trial.
    """
    folder = os.path.join(setting.runs_dir, f"tuning-{setting.dataset}-{setting.modality}")
    os.makedirs(folder, exist_ok=True)
    study = _study(setting, method, folder)

    def objective(trial: optuna.Trial) -> float:
        changes = {name: _suggest(trial, name, values) for name, values in SPACES[method].items()}
        run_dir = os.path.join(folder, f"{method}-{trial.number}")
        shutil.rmtree(run_dir, ignore_errors=True)
        options = {**OPTIONS[method], **changes, "epochs": epochs}
        config = setting.config(options, seed=SEED).replace(run_dir=run_dir)
        return _validation_epe_mm(config)

    study.optimize(objective, n_trials=max(0, trials - _num_complete(study)))
    return {
        "options": {name: _rounded(value) for name, value in study.best_params.items()},
        "validation_epe_mm": round(study.best_value, 3),
        "trials": _num_complete(study),
        "epochs": epochs,
    }


def _study(setting: jobs.Setting, method: str, folder: str) -> optuna.Study:
    """A method's study from its journal, or a new one that begins with `_known` options."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(os.path.join(folder, f"{method}.journal"))),
        study_name=method,
        sampler=optuna.samplers.TPESampler(seed=SEED, multivariate=True),
        load_if_exists=True,
    )
    if not study.trials:
        for known in _known(setting, method):
            study.enqueue_trial(known)
    return study


def _num_complete(study: optuna.Study) -> int:
    return len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))


def _known(setting: jobs.Setting, method: str) -> list[dict[str, Any]]:
    """Where a search begins: the flagfile's options and, where it differs, what is tuned so far."""
    configs = config_lib.from_flagfile(setting.flagfile), setting.config(OPTIONS[method], SEED)
    defaults, tuned = ({name: getattr(c, name) for name in SPACES[method]} for c in configs)
    return [defaults] if tuned == defaults else [defaults, tuned]


def _suggest(trial: optuna.Trial, name: str, values: Values) -> Any:
    if isinstance(values, LogRange):
        return trial.suggest_float(name, values.low, values.high, log=True)
    return trial.suggest_categorical(name, values)


def _rounded(value: float | str) -> float | str:
    """Three digits are all that a search can tell apart."""
    return value if isinstance(value, str) else float(f"{value:.3g}")


def _validation_epe_mm(config: Config) -> float:
    """Trains a trial from its beginning; one that diverges scores `DIVERGED_EPE_MM`."""
    run = runs.Run(config, distribution.strategy())
    try:
        run.train()
    except Diverged:
        return DIVERGED_EPE_MM
    return run.best_epe_mm()


def keep(setting: jobs.Setting, results: Mapping[str, Tuned]) -> None:
    """Puts `search`'s results, by method, into `assets/tuned.json`, beside the common part."""
    with open(tables.TUNED_FILE, encoding="utf-8") as file:
        tuned = json.load(file)
    tuned.setdefault(f"{setting.dataset} {setting.modality}", {}).update(results)
    files.write_json(tables.TUNED_FILE, tuned)
