"""How long a training step takes, beside its encoder and decoder alone and beside PyTorch.

    python3 -m venv .venv-torch && .venv-torch/bin/pip install -r requirements/benchmarks.txt
    python benchmarks/training.py --torch=.venv-torch/bin/python --json=step.json

Random batches; reading data is not in it (`benchmarks/input.py`). Each side runs in a process of
its own (`step_worker.py`, `torch_peer.py`) with the same threads, and all take turns step by step,
so that what else the machine does falls on all; times are medians. A process of ours with
`--deterministic` takes its turn too. PyTorch runs eagerly and compiled, channels last, by its fused
Adam, and the better one counts. The machine's peaks are measured in the same run: its fastest
matrix product of each type, and an addition of large arrays. Without `--torch` there is no peer.
`--flagfile` and all options of a training are taken as well.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from dcmls_tf import app, files
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError

HERE = Path(__file__).resolve().parent
PRECISIONS = ("float32", "mixed_bfloat16")
# What the fastest kernels of matrix products ask for.
CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
WARM_UP = 3
# For `torch_peer.py`, which knows no `Config`.
PEER_OPTIONS = (
    "seed", "z_dim", "z_h_dim", "disc_width", "joint_width", "input_size", "reconstruction_size",
    "batch_size", "learning_rate", "disc_learning_rate", "precision", "initial_std", "weight_kl",
    "weight_d_vae_x", "weight_d_vae_y", "weight_align", "weight_translate", "weight_pose",
    "weight_disc_h", "weight_disc_c",
)  # fmt: skip

FLAGS = flags.FLAGS
Row = dict[str, Any]


def define_flags() -> None:
    """The options of the benchmark, beside those of a training."""
    config_lib.define_flags()
    flags.DEFINE_string("torch", "", "A Python with PyTorch, to time the same step by.")
    flags.DEFINE_multi_integer("size", [64, 128], "Sides of the input in px; twice x's target's.")
    flags.DEFINE_multi_enum("of", list(PRECISIONS), PRECISIONS, "Precisions.")
    flags.DEFINE_integer("steps", 15, "Timed steps of each side.", lower_bound=1)
    flags.DEFINE_integer("threads", os.cpu_count() or 1, "Threads of each side.", lower_bound=1)
    flags.DEFINE_string("json", "", "Where to write the table as JSON as well.")


class Worker:
    """A process that takes steps when it is told to, by lines of JSON."""

    def __init__(self, python: str, script: str, options: dict[str, Any]):
        environment = {"PYTHONPATH": str(HERE.parent), "TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        self._command = f"{python} benchmarks/{script}"
        self._process = subprocess.Popen(
            [python, str(HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        self.sizes = self.ask(options)

    def ask(self, what: Any) -> Any:
        """Its answer. Raises `UserError` when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, ValueError):
            raise UserError(
                f"{self._command} ended; give it {json.dumps(what)} by hand to see why"
            ) from None

    def close(self) -> None:
        """Lets it end."""
        self._process.communicate()


def main(_: list[str]) -> None:
    """Flags → a table."""
    config = config_lib.from_flags()
    plain = config.latent == "full" and config.schedule == "alternate" and not config.spectral_norm
    if config.modality != "rgb" or not plain:
        raise UserError(
            "--modality, --latent, --schedule, --spectral_norm: the peer is the plain full model"
        )
    busy, own = busy_seconds(), sum(os.times()[:4])
    start = time.monotonic()
    rows = []
    for size in FLAGS.size:
        sized = config.replace(input_size=size, reconstruction_size=size // 2)
        rows += [measured(sized.replace(precision=precision)) for precision in FLAGS.of]
    others = busy_seconds() - busy - (sum(os.times()[:4]) - own)
    used = others / (time.monotonic() - start) / (os.cpu_count() or 1)
    machine = {**processor(), "threads": FLAGS.threads, "others_percent": round(100 * used, 1)}
    print(
        f"{machine['cores']} cores of {machine['name']} ({', '.join(machine['flags'])}), ", end=""
    )
    print(f"{FLAGS.threads} threads; other processes used {machine['others_percent']}% of it\n")
    print(table(rows))
    if FLAGS.json:
        files.write_json(FLAGS.json, {"machine": machine, "rows": rows})


def measured(config: Config) -> Row:
    """One row: each side's median, and what the machine could do."""
    options = {name: getattr(config, name) for name in PEER_OPTIONS} | {"threads": FLAGS.threads}
    ours = ours_of(config)
    deterministic = ours_of(config.replace(deterministic=True))
    peers = {
        name: Worker(FLAGS.torch, "torch_peer.py", {**options, "compiled": compiled})
        for name, compiled in (("eager", False), ("compiled", True))
        if FLAGS.torch
    }
    check_same(ours, peers)
    peaks = ours.ask(["peaks", 1])
    parts = ("step", "autoencoder", "deterministic", *peers)
    seconds: dict[str, list[float]] = {part: [] for part in parts}
    for _step in range(WARM_UP + FLAGS.steps):
        for part in ("step", "autoencoder"):
            seconds[part] += ours.ask([part, 1])
        seconds["deterministic"] += deterministic.ask(["step", 1])
        for name, peer in peers.items():
            seconds[name] += peer.ask(1)
    again = ours.ask(["peaks", 1])
    versions = {"tensorflow": ours.sizes["tensorflow"]}
    versions |= {"torch": peers["eager"].sizes["torch"]} if peers else {}
    for worker in (ours, deterministic, *peers.values()):
        worker.close()
    return {
        "px": config.input_size,
        "precision": config.precision,
        "batch": config.batch_size,
        "encoder": config.encoder,
        "ms": {n: round(1e3 * statistics.median(s[WARM_UP:]), 1) for n, s in seconds.items()},
        "peaks": {name: round(max(of, again[name]), 1) for name, of in peaks.items()},
        **{name: ours.sizes[name] for name in ("flops", "bytes", "operations")},
        "versions": versions,
    }


def ours_of(config: Config) -> Worker:
    """This project's side."""
    options = {name: getattr(config, name) for name in Config.__dataclass_fields__}
    return Worker(sys.executable, "step_worker.py", {**options, "threads": FLAGS.threads})


def check_same(ours: Worker, peers: dict[str, Worker]) -> None:
    """Raises `UserError` unless every network has as many parameters on both sides."""
    for name, peer in peers.items():
        if peer.sizes["parameters"] != ours.sizes["parameters"]:
            raise UserError(
                f"--torch: networks are not the same: {peer.sizes['parameters']} ({name}) and "
                f"{ours.sizes['parameters']}; use --encoder=resnet18 and --side=mirror"
            )


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| px | Precision | Step, ms | `--deterministic` | Encoder and decoder alone | Step over "
        "it | PyTorch eager, compiled | PyTorch's better over ours | GFLOP/s | of the peak | GB/s "
        "| of the peak |",
        "|---" * 12 + "|",
    ]
    for row in rows:
        ms, peaks = row["ms"], row["peaks"]
        peers = [ms[name] for name in ("eager", "compiled") if name in ms]
        arithmetic = peaks[row["precision"].removeprefix("mixed_")]
        gflops, gbytes = (1e-6 * row[name] / ms["step"] for name in ("flops", "bytes"))
        told = (
            row["px"], row["precision"], f"{ms['step']:.0f}",
            f"{ms['deterministic'] / ms['step']:.2f} of it", f"{ms['autoencoder']:.0f}",
            f"{ms['step'] / ms['autoencoder']:.2f}", ", ".join(f"{p:.0f}" for p in peers) or "-",
            f"{min(peers) / ms['step']:.2f}" if peers else "-",
            f"{gflops:.0f}", f"{gflops / arithmetic:.2f} of {arithmetic:.0f}",
            f"{gbytes:.1f}", f"{gbytes / peaks['memory']:.2f} of {peaks['memory']:.1f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, told)) + " |")
    return "\n".join(lines)


def processor() -> Row:
    """Which one, how many cores, and which of the flags that matter it has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    said = {name.strip(): value.strip() for name, _, value in (of.partition(":") for of in lines)}
    has = said.get("flags", "").split()
    return {
        "name": said.get("model name", "?"),
        "cores": os.cpu_count(),
        "flags": [flag for flag in CPU_FLAGS if flag in has],
    }


def busy_seconds() -> float:
    """Processor seconds that all of the machine's processes have taken."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    define_flags()
    app.run(main)
