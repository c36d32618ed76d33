# Not installed beside Keras 3, and without types.
from typing import Any

def __getattr__(name: str) -> Any: ...
