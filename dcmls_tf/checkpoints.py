"""A run's folder → its model, and the checkpoints in it.

`checkpoints/` holds what a resumed run needs, `best/` the networks alone at the lowest
validation EPE. TensorFlow keeps a CRC-32C of each tensor and of each block of the index, and
compares them when it reads: what is cut or flipped is noticed then.
"""

import contextlib
import glob
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from jaxtyping import Bool

from dcmls_tf import addons, files, pretrained, variants
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.model import Pose, predict_pose
from dcmls_tf.variants import Model

if TYPE_CHECKING:
    from dcmls_tf.training import Trainer

BEST_FOLDER = "best"
RESUMABLE_FOLDER = "checkpoints"
RESUMABLE_KEPT = 2
# TensorFlow takes checkpoints' paths for patterns, by which it would remove those of other runs.
PATTERNS = "*?[\\"
_PREFIX = "ckpt"  # as `tf.train.CheckpointManager` has it


class Checkpoints:
    """The checkpoints of a folder by their step, of which the newest `kept` stay.

    weights: what has to be finite in a checkpoint. Which checkpoints there are is told by their
    own files: TensorFlow's list of them, the file `checkpoint`, may be missing or damaged.
    """

    def __init__(
        self,
        checkpoint: tf.train.Checkpoint,
        weights: Iterable[tf.Variable],
        folder: str,
        kept: int,
    ):
        self._checkpoint, self._folder, self._kept = checkpoint, folder, kept
        self._weights = list(weights)
        self._manager = None

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest one, whole or not."""
        return next(iter(_found(self._folder)), None)

    def is_whole(self) -> bool:
        """Whether there is a newest one, and all of it can be read."""
        return bool(self.latest_checkpoint and _damage(self.latest_checkpoint) is None)

    def save(self, step: int) -> None:
        """Writes a checkpoint and removes those that are too many.

        Raises `Diverged` when a weight is not finite, `UserError` when nothing can be written.
        """
        finite = self._finite().numpy()
        if not finite.all():
            raise Diverged(f"{self._weights[int(finite.argmin())].name} is not finite")
        with files.writing_to(self._folder):
            if self._manager is None:
                _list(self._folder)
                manager = tf.train.CheckpointManager
                self._manager = manager(self._checkpoint, self._folder, self._kept)
            try:
                self._manager.save(checkpoint_number=step)
            except BaseException:
                remove_temporary(self._folder)
                raise

    @tf.function
    def _finite(self) -> Bool[tf.Tensor, " weights"]:
        return tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in self._weights])

    def restore(self) -> bool:
        """Restores the newest checkpoint that is whole; `False` when there is none at all.

        Newer ones, which are damaged, are removed and named. Raises `UserError` when all are
        damaged, or when it is of other networks.
        """
        paths = _found(self._folder)
        for number, path in enumerate(paths):
            if _damage(path) is None:
                self._restore(path)
                for damaged in paths[:number]:
                    print(f"{damaged} is damaged and removed; {path} is restored")
                    _remove(damaged)
                return True
        if paths:
            raise UserError(
                f"--run_dir: every checkpoint in {self._folder} is damaged "
                f"({', '.join(map(os.path.basename, paths))}); copy one back, or train in another "
                "folder"
            )
        return False

    def _restore(self, path: str) -> None:
        says = f"the run's {config_lib.CONFIG_FILE} says"
        with _fits(
            f"--run_dir: {path} is of other networks than {says}; it belongs to another run"
        ):
            self._checkpoint.restore(path).assert_consumed()


def best(model: Model, run_dir: str) -> Checkpoints:
    """The best networks, of which one checkpoint is kept."""
    folder = os.path.join(run_dir, BEST_FOLDER)
    return Checkpoints(_networks(model), _variables(model.networks()), folder, 1)


def resumable(trainer: "Trainer", run_dir: str) -> Checkpoints:
    """What a resumed run needs; the newest `RESUMABLE_KEPT` are kept."""
    folder = os.path.join(run_dir, RESUMABLE_FOLDER)
    weights = _variables({**trainer.networks, **trainer.optimizers})
    return Checkpoints(trainer.checkpointed(), weights, folder, RESUMABLE_KEPT)


def check_name(run_dir: str, flag: str = "run_dir") -> None:
    """Raises `UserError` for a folder that no checkpoints can be in."""
    if any(character in run_dir for character in PATTERNS):
        raise UserError(
            f"--{flag}={run_dir}: TensorFlow takes {' '.join(PATTERNS)} in a name for a pattern; "
            "rename the folder"
        )


def remove_temporary(folder: str) -> None:
    """Removes what killed or failed writes left in a folder of checkpoints."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{_PREFIX}-*_temp*")):
        shutil.rmtree(path, ignore_errors=True)


def load_model(run_dir: str, options: Mapping[str, Any] | None = None) -> tuple[Model, Config, int]:
    """The model of a run at its lowest validation EPE, its `Config`, and the step of that.

    options: of `Config`, of which those of `READING` take the place of the run's. Raises
    `UserError` when the folder is no run, has no finished epoch yet, or is damaged.
    """
    given = options or {}
    reading = {name: given[name] for name in config_lib.READING if name in given}
    config = config_lib.load(run_dir).replace(**reading)
    newest = _best_of(run_dir)
    # The checkpoint has every weight, in float32: none are downloaded to start from.
    model = variants.from_config(config.replace(encoder_weights="random", precision="float32"))
    says = f"{run_dir}/{config_lib.CONFIG_FILE} says"
    with _fits(f"--run_dir: {newest} is of other networks than {says}; it belongs to another run"):
        _networks(model).restore(newest).assert_existing_objects_matched()
    return model, config, _step(newest)


def check_initial(initial_run: str) -> None:
    """Raises `UserError` where `--initial_run` is nothing with networks to start from."""
    if not _is_in_the_box(initial_run):
        _best_of(initial_run, "initial_run")


def start_from(model: Model, initial_run: str) -> None:
    """Gives a model the best networks of another run, or those in the box of that name.

    Raises `UserError` when there are none, or they are others.
    """
    boxed = _is_in_the_box(initial_run)
    options = f"configs/{initial_run}.cfg" if boxed else "its config.json"
    with _fits(
        f"--initial_run={initial_run}: its networks are others than this run's; give the same "
        f"options of the model as there, which {options} lists"
    ):
        if boxed:
            pretrained.restore(model, pretrained.file_of(initial_run))
            return
        checkpoint = _best_of(initial_run, "initial_run")
        _networks(model).restore(checkpoint).assert_existing_objects_matched()


def _is_in_the_box(initial_run: str) -> bool:
    return initial_run in pretrained.available() and not os.path.exists(initial_run)


@contextlib.contextmanager
def _fits(otherwise: str) -> Iterator[None]:
    """Turns what TensorFlow raises for a checkpoint of other networks into a `UserError`."""
    try:
        yield
    except (AssertionError, ValueError):
        raise UserError(otherwise) from None


def are_in(folder: str) -> bool:
    """Whether a folder has checkpoints, whole or not."""
    return bool(_found(folder))


def _best_of(run_dir, flag="run_dir"):
    check_name(run_dir, flag)
    newest = next(iter(_found(os.path.join(run_dir, BEST_FOLDER))), None)
    if newest is None:
        raise UserError(f"--{flag}: {run_dir} has no finished epoch yet; train it first")
    damage = _damage(newest)
    if damage:
        raise UserError(
            f"--{flag}: {newest} is damaged ({damage}); copy it again, or train another epoch"
        )
    return newest


def _found(folder: str) -> list[str]:
    """Paths of a folder's checkpoints, whole or not, the newest first."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    matches = (re.fullmatch(rf"({_PREFIX}-\d+)\.(index|data-.*)", name) for name in names)
    paths = {os.path.join(folder, match[1]) for match in matches if match}
    return sorted(paths, key=_step, reverse=True)


def _step(path: str) -> int:
    return int(path.rsplit("-", 1)[-1])


def _damage(path: str) -> str | None:
    """What is wrong with a checkpoint's files, in few words; all of it is read."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception as error:  # TensorFlow's own kinds, IndexError of a cut index, and others.
        lines = str(error).splitlines()
        return lines[0] if lines else type(error).__name__
    return None


def _list(folder: str) -> None:
    """Writes TensorFlow's list of the checkpoints in a folder anew, from their files."""
    # As text: TensorFlow's own function for it warns every user that its days are numbered.
    state = os.path.join(folder, "checkpoint")
    names = [os.path.basename(path) for path in reversed(_found(folder))]
    if names:
        lines = [f'model_checkpoint_path: "{names[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
        # Any times in order, after the last that is to be kept for ever, which none is.
        lines += [f"all_model_checkpoint_timestamps: {i}.0" for i in range(1, len(names) + 1)]
        files.write(state, "\n".join([*lines, "last_preserved_timestamp: 0.0", ""]))
    elif os.path.isfile(state):
        os.remove(state)


def _remove(path: str) -> None:
    for file in glob.glob(f"{glob.escape(path)}.*"):
        os.remove(file)


def pose_function(model: Model) -> Callable[[Mapping[str, Any]], Pose]:
    """`predict(batch)` → poses `[B, 21, 3]`, as a `tf.function`; batches of any size."""
    return tf.function(lambda batch: predict_pose(model, batch), reduce_retracing=True)


def _networks(model):
    return tf.train.Checkpoint(networks=addons.variables_by_name(model.networks()))


def _variables(owners):
    """The weights of networks and optimisers that could be infinite."""
    by_name = addons.variables_by_name(owners)
    return [v for variables in by_name.values() for v in variables if v.dtype.is_floating]
