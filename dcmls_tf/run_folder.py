"""A run's folder: whose it is, that one process at a time trains in it, what a killed one left."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator

import filelock

from dcmls_tf import checkpoints, files
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.data.fingerprint import FINGERPRINT_FILE
from dcmls_tf.data.statistics import STATISTICS_FILE
from dcmls_tf.errors import UserError
from dcmls_tf.monitoring import HISTORY_FILE, TENSORBOARD_FOLDER

# Options that change nothing in what is learnt, so they may differ when a run goes on.
FREE_ON_RESUME = ("run_dir", "raw_dir", "data_dir", "checkpoint_steps", *config_lib.READING)
_FOLDERS = (checkpoints.RESUMABLE_FOLDER, checkpoints.BEST_FOLDER, TENSORBOARD_FOLDER)
_WRITTEN = (config_lib.CONFIG_FILE, FINGERPRINT_FILE, STATISTICS_FILE, HISTORY_FILE)


def claim(config: Config) -> None:
    """Makes the run's folder, or checks that the run in it is the same experiment.

    Raises `UserError` when it cannot be made or holds another one.
    """
    run_dir = config.run_dir
    checkpoints.check_name(run_dir)
    try:
        os.makedirs(run_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--run_dir={run_dir}: cannot be made ({error.strerror})") from None
    if not is_started(run_dir):
        if checkpoints.are_in(os.path.join(run_dir, checkpoints.RESUMABLE_FOLDER)):
            raise UserError(
                f"--run_dir={run_dir}: has checkpoints but no {config_lib.CONFIG_FILE}, which says "
                "of what; copy it back, or give another folder"
            )
        return
    before, now = (dataclasses.asdict(c) for c in (config_lib.load(run_dir), config))
    changed = [k for k in now if k not in FREE_ON_RESUME and before[k] != now[k]]
    if changed:
        listed = ", ".join(f"--{k}={before[k]}" for k in changed)
        raise UserError(
            f"--run_dir={run_dir}: holds a run with {listed}; "
            "give the same options to go on with it, or another folder"
        )


def is_started(run_dir: str) -> bool:
    """Whether a folder holds a run that has begun to train."""
    return os.path.exists(os.path.join(run_dir, config_lib.CONFIG_FILE))


@contextlib.contextmanager
def claimed(config: Config) -> Iterator[None]:
    """`claim`s a run's folder for what starts a run; where that fails, no new folder is left."""
    made = list(_missing(config.run_dir))
    claim(config)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # Of a folder that something is in.
            for folder in made:
                os.rmdir(folder)
        raise


def _missing(folder: str) -> Iterator[str]:
    """A folder and those above it that are not there, the innermost first."""
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        yield folder
        folder = os.path.dirname(folder)


@contextlib.contextmanager
def alone_in(run_dir: str) -> Iterator[None]:
    """Holds a run's folder; the system lets go of it when the process ends, however it does.

    Raises `UserError` when another process has it, or it cannot be written.
    """
    place = f"--run_dir={run_dir}"
    lock = filelock.FileLock(os.path.join(run_dir, ".lock"), blocking=False)
    try:
        with files.writing_to(place):
            lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"{place}: another process is training in it; wait for its end, or give another folder"
        ) from None
    except OSError as error:
        raise UserError(f"{place}: .lock in it cannot be held ({error.strerror})") from None
    try:
        _check_kinds(run_dir)
        with files.writing_to(place):
            _clean(run_dir)
            yield
    finally:
        lock.release()


def check_unstarted(run_dir: str) -> None:
    """Raises `UserError` when a folder without checkpoints has what only a trained run leaves."""
    left = [
        name
        for name in (HISTORY_FILE, checkpoints.BEST_FOLDER)
        if os.path.exists(os.path.join(run_dir, name))
    ]
    if left:
        raise UserError(
            f"--run_dir={run_dir}: has {' and '.join(left)} but no checkpoint to go on from; copy "
            f"{checkpoints.RESUMABLE_FOLDER}/ back, or train in another folder with "
            "--initial_run"
        )


def _check_kinds(run_dir: str) -> None:
    """Raises `UserError` for a file where a folder belongs, or the other way round."""
    for names, is_one, kind in (
        (_FOLDERS, os.path.isdir, "folder"),
        (_WRITTEN, os.path.isfile, "file"),
    ):
        for name in names:
            path = os.path.join(run_dir, name)
            if os.path.lexists(path) and not is_one(path):
                raise UserError(f"--run_dir={run_dir}: {name} in it is no {kind}; move it away")


def _clean(run_dir: str) -> None:
    for name in _WRITTEN:
        files.remove_partials(os.path.join(run_dir, name))
    for folder in _FOLDERS:
        checkpoints.remove_temporary(os.path.join(run_dir, folder))
