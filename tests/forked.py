"""Trainings in processes of their own that are forked from one which has imported all they need.

A training takes no longer to start than its model to build, so that one can be killed often.
Each writes down what it does, a line each: `step 7 id id ...` before a step is taken, and
`validating 8`. At a moment of these it gets a signal, however busy the machine is: a thread of its
own sends it, as one that read the journal could come too late.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass
class Sent:
    """A signal, and when it is sent: `delay_s` after a line of the journal, such as `step 7`."""

    number: signal.Signals
    at: str
    delay_s: float = 0


@dataclasses.dataclass
class Training:
    """One process; `journal` is what it wrote down, `output` what it printed."""

    server: "Server"
    pid: int
    folder: Path

    def journal(self) -> list[list[str]]:
        """Its lines, in words."""
        path = self.folder / "journal"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [line.split() for line in whole.splitlines()]

    def output(self) -> str:
        """What it printed, errors too."""
        return (self.folder / "output").read_text()

    def status(self) -> int:
        """Waits for its end; its exit status, or the signal that ended it, negative."""
        return int(self.server.ask({"wait": self.pid}))


class Server:
    """The process that forks; use it in a `with`."""

    def __init__(self, folder: Path):
        self._folder, self._count = folder, 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def train(self, *flags: str, sent: Sent | None = None) -> Training:
        """Starts a training with these flags, which gets a signal or none."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        request = {"flags": flags, "folder": str(folder)}
        if sent:
            request["sent"] = dataclasses.asdict(sent)
        return Training(self, int(self.ask(request)), folder)

    def ask(self, request: dict[str, Any]) -> str:
        """A line of the server's for one to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def _serve() -> None:
    from dcmls_tf import api  # noqa: F401
    from scripts import train

    # Shells have what they start in the background ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                sent = Sent(**request["sent"]) if "sent" in request else None
                _train(train.cli, request["flags"], Path(request["folder"]), sent)
        answers.write(f"{answer}\n")
        answers.flush()


def _train(cli: Any, flags: list[str], folder: Path, sent: Sent | None) -> None:
    for stream in (1, 2):
        os.dup2(os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.argv = ["train.py", *flags]
    _keep_journal(folder / "journal", sent)
    status: Any = 1
    try:
        cli()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    os._exit(status or 0)


def _keep_journal(path: Path, sent: Sent | None) -> None:
    from dcmls_tf.runs import Run

    journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    take_step, validate = Run._take_step, Run._validate

    def note(moment: str, *words: str) -> None:
        os.write(journal, f"{' '.join([moment, *words])}\n".encode())
        if sent and moment == sent.at:
            sender = threading.Timer(sent.delay_s, os.kill, [os.getpid(), sent.number])
            sender.start()
            if not sent.delay_s:
                sender.join()

    def noted_step(self, step, batch):
        note(f"step {step}", *[i.decode() for i in batch["id"].numpy()])
        return take_step(self, step, batch)

    def noted_validation(self, step):
        note(f"validating {step}")
        return validate(self, step)

    Run._take_step, Run._validate = noted_step, noted_validation


if __name__ == "__main__":
    _serve()
