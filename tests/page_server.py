"""`scripts/demo.py` in a process of its own, for the tests that visit its page."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextlib.contextmanager
def serving(run_dir: str, folder: Path, **env: str) -> Iterator[str]:
    """The address where a run's page is served; what it says goes to `folder/demo.log`."""
    log, port = folder / "demo.log", free_port()
    with open(log, "w") as file:
        process = start(run_dir, port, file, **env)
    try:
        yield _wait_for(f"http://127.0.0.1:{port}/", process, log)
    finally:
        process.terminate()
        process.wait(timeout=60)


def start(run_dir: str, port: int | str, stdout: Any, **env: str) -> subprocess.Popen[str]:
    """The page's process."""
    command = [sys.executable, os.path.join(ROOT, "scripts", "demo.py")]
    paths = os.pathsep.join([ROOT, *filter(None, [env.pop("PYTHONPATH", "")])])
    quiet = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    flags = [f"--model={run_dir}", f"--port={port}"]
    return subprocess.Popen(
        [*command, *flags],
        env={**quiet, **env},
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(url: str, process: subprocess.Popen[str], log: Path, seconds: float = 180) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return url
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the page is not served: {log.read_text()[-3000:]}")
