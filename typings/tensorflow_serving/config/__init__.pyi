# Protobuf makes the classes of a `_pb2` module when it is imported.
from typing import Any

def __getattr__(name: str) -> Any: ...
