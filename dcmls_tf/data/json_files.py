"""JSON files of annotations below a raw folder."""

import json
import os
from typing import Any

from dcmls_tf.data import raw_files
from dcmls_tf.errors import UserError

MOST_BYTES = 4 << 30


def read(path: str, root: str) -> Any:
    """The content of a JSON file below `root`. Raises `UserError` naming it."""
    if raw_files.leads_out(path, root):
        raise UserError(f"--raw_dir: {path} is a link that leads out of {root}")
    try:
        if os.path.getsize(path) > MOST_BYTES:
            raise UserError(f"--raw_dir: {path} has more than {MOST_BYTES >> 30} GB")
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except OSError as error:
        raise UserError(f"--raw_dir: {path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"--raw_dir: {path} is no JSON ({str(error)[:80]}); unpack or write it again"
        ) from None
