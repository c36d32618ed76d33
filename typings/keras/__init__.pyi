# Keras ships no types, and what pyright infers from its defaults is wrong: an initializer that
# defaults to a name may be an object, and a layer's call gives tensors.
from typing import Any

def __getattr__(name: str) -> Any: ...
