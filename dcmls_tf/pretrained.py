"""The networks in the box that other trainings start from: all that a run has learnt, in one file.

`<name>.npz`, NumPy's, beside the model in the box of that name: each network's variables in the
order of `addons.tf_variables`, as float16. The model itself, for predictions, has not all of them.
"""

import io
import os
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from dcmls_tf import files
from dcmls_tf.errors import UserError

if TYPE_CHECKING:
    from dcmls_tf.variants import Model

FOLDER = os.path.join(os.path.dirname(__file__), "assets", "models")
MOST_BYTES = 100 << 20
_ENDING = ".npz"


def file_of(name: str, folder: str | None = None) -> str:
    """The path of the networks of a model in the box, whether they are there or not."""
    return os.path.join(folder or FOLDER, f"{name}{_ENDING}")


def available() -> list[str]:
    """The names of those that are there."""
    names = os.listdir(FOLDER) if os.path.isdir(FOLDER) else []
    return sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING))


def write(model: "Model", path: str) -> None:
    """Writes a model's networks. Raises `ValueError` for a weight that float16 does not reach."""
    with np.errstate(over="ignore"):
        arrays = {k: v.numpy().astype(np.float16) for k, v in _variables(model).items()}
    far = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if far:
        raise ValueError(f"not finite as float16: {', '.join(far)}")
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    files.write(path, content.getvalue())


def restore(model: "Model", path: str) -> None:
    """Gives a model the networks of a file.

    Raises `UserError` when the file cannot be read, `ValueError` when it is of other networks, and
    then changes nothing.
    """
    arrays, variables = _read(path), _variables(model)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise ValueError(f"{path} is of other networks")
    for name, variable in variables.items():
        variable.assign(arrays[name].astype(variable.dtype.as_numpy_dtype))


def _read(path: str) -> dict[str, np.ndarray]:
    try:
        # As bytes: NumPy leaves a file open that turns out to be damaged.
        content = io.BytesIO(files.read(path, MOST_BYTES))
        with np.load(content, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read ({error}); install the package again") from None


def _variables(model):
    """Every variable of a model's networks, by its name in a file."""
    from dcmls_tf import addons  # brings TensorFlow, which who asks for files goes without

    return {
        f"{network}/{number:03d}": variable
        for network, variables in addons.variables_by_name(model.networks()).items()
        for number, variable in enumerate(variables)
    }
