"""DCMLS: 3D hand pose with a disentangled cross-modal latent space (Gu et al., WACV 2020).

`load`, `train`, `evaluate` and `export` are described in `dcmls_tf.api`, `Config` in
`dcmls_tf.config`. TensorFlow is imported when the first of them is used, not with the package.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcmls_tf.api import evaluate, export, load, train
    from dcmls_tf.config import Config

__version__ = "0.1.0"
__all__ = ["Config", "__version__", "evaluate", "export", "load", "train"]
_HOMES = {"Config": "config", "evaluate": "api", "export": "api", "load": "api", "train": "api"}

# TensorFlow's start-up messages hide a program's own; a user's setting wins.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Keras takes its backend as it is imported, from here before `keras.json`. See `addons`.
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"
if os.environ.get("DCMLS_QUIET"):  # A command's process, or one that it started.
    importlib.import_module(f"{__name__}.quiet").install()


def __getattr__(name: str) -> Any:
    """The name from its module, at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
