"""Options for comparing methods fairly: one search a method, all with the same number of trials.

Every trial trains with the data set's flagfile and some options of the method's space, and is
judged by the lowest EPE on the validation split, which is a part of the training data. The
evaluation split is never looked at. Optuna's TPE sampler searches, its first ten trials at random;
its studies are kept in a journal, so an interrupted search goes on.
"""

import json
import os
import shutil
import typing

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dcmls_tf import config as config_lib
from dcmls_tf import distribution, files, runs
from dcmls_tf.errors import UserError
from dcmls_tf.experiments import tables as experiments


class LogRange(typing.NamedTuple):
    """Numbers between two bounds, searched by their logarithm."""

    low: float
    high: float


# Flag → a `LogRange`, or a list of choices.
TRAINING = {"learning_rate": LogRange(3e-4, 3e-3)}
VARIATIONAL = {
    **TRAINING,
    "weight_kl": LogRange(1e-8, 1e-4),
    "initial_std": LogRange(0.01, 1.0),
    "weight_d_vae_x": LogRange(0.01, 1.0),
    "weight_d_vae_y": LogRange(0.01, 1.0),
}
ADVERSARIAL = {
    **VARIATIONAL,
    "weight_align": LogRange(1e-5, 1e-2),
    "disc_learning_rate": LogRange(1e-4, 1e-3),
    "schedule": ["alternate", "sequential"],
}
SPACES = {
    "direct": {**TRAINING, "dropout": [0.0, 0.1, 0.2]},
    "unified": VARIATIONAL,
    "full": ADVERSARIAL,
}
OPTIONS = {
    "direct": experiments.METHODS[experiments.DIRECT],
    "unified": experiments.METHODS[experiments.UNIFIED],
    "full": experiments.METHODS[experiments.FULL],
}
SEED = 0


def search_all(setting, methods, trials, epochs):
    """`search` for several methods, `setting.parallel` at once; method → what it found."""
    with experiments.FreshProcesses(setting.parallel) as pool:
        experiments.prepare(pool, setting.config({}, SEED))
        calls = [(setting, method, trials, epochs) for method in methods]
        return dict(
            zip(methods, experiments.in_parallel(pool, search, calls, "methods"), strict=True)
        )


def search(setting, method, trials, epochs):
    """Runs what is missing of a method's trials; returns what goes into `tuned.json`.

    setting: an `experiments.Setting`; method: a key of `SPACES`; epochs: passes a trial.
    """
    folder = os.path.join(setting.runs_dir, f"tuning-{setting.dataset}-{setting.modality}")
    os.makedirs(folder, exist_ok=True)
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

    def objective(trial):
        changes = {name: _suggest(trial, name, space) for name, space in SPACES[method].items()}
        run_dir = os.path.join(folder, f"{method}-{trial.number}")
        shutil.rmtree(run_dir, ignore_errors=True)
        options = {**OPTIONS[method], **changes, "epochs": epochs}
        config = setting.config(options, seed=SEED).replace(run_dir=run_dir)
        return _validation_epe_mm(config)

    def done():
        return len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))

    study.optimize(objective, n_trials=max(0, trials - done()))
    return {
        "options": {name: _rounded(value) for name, value in study.best_params.items()},
        "validation_epe_mm": round(study.best_value, 3),
        "trials": done(),
        "epochs": epochs,
    }


def _known(setting, method):
    """Where a search begins: the flagfile's options and, where it differs, what is tuned so far."""
    configs = config_lib.from_flagfile(setting.flagfile), setting.config(OPTIONS[method], SEED)
    defaults, tuned = ({name: getattr(c, name) for name in SPACES[method]} for c in configs)
    return [defaults] if tuned == defaults else [defaults, tuned]


def _suggest(trial, name, space):
    if isinstance(space, LogRange):
        return trial.suggest_float(name, space.low, space.high, log=True)
    return trial.suggest_categorical(name, space)


def _rounded(value):
    """Three digits are all that a search can tell apart."""
    return value if isinstance(value, str) else float(f"{value:.3g}")


def _validation_epe_mm(config):
    """Trains a trial from its beginning; one that diverges is as bad as can be."""
    run = runs.Run(config, distribution.strategy())
    try:
        run.train()
    except UserError as error:
        if "lower --learning_rate" not in str(error):
            raise
        return 1e3
    return run.best_epe_mm()


def keep(setting, found):
    """Puts what `search` found, method → dict, into `assets/tuned.json`, beside the common part."""
    with open(experiments.TUNED_FILE, encoding="utf-8") as file:
        tuned = json.load(file)
    tuned.setdefault(f"{setting.dataset} {setting.modality}", {}).update(found)
    files.write_json(experiments.TUNED_FILE, tuned)
