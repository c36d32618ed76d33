"""What a training holds in memory from epoch to epoch: a leak, or what the C library keeps?

    python benchmarks/memory.py --flagfile=configs/rendered.cfg --batch_size=16 \\
        --encoder=resnet18_small --epochs=28

All options of a training are taken, and the run stays in `--run_dir`. Before each validation: what
`malloc` has given out, by glibc's `mallinfo2`, and the resident memory, both of this process in MB.
"""

import ctypes

import psutil

from dcmls_tf import app, distribution, memory, runs
from dcmls_tf import config as config_lib

FIELDS = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
    "keepcost",
)  # fmt: skip


class Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS)


class Watched(runs.Run):
    """A run that prints a row of the table before each validation."""

    def _validate(self, step):
        print(f"| {step} | {given_out_mb():.1f} | {resident_mb():.1f} |", flush=True)
        return super()._validate(step)


def given_out_mb() -> float:
    """What `malloc` has given out and not got back, from all of its arenas and by `mmap`."""
    mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    mallinfo2.restype = Mallinfo
    told = mallinfo2()
    return (told.uordblks + told.hblkhd) / 1e6


def resident_mb() -> float:
    """The process's resident memory."""
    return psutil.Process().memory_info().rss / 1e6


def main(_: list[str]) -> None:
    """Flags → a training, and a table."""
    memory.bound_arenas()
    run = Watched(config_lib.from_flags(), distribution.strategy())
    print("| Step | Given out, MB | Resident, MB |\n|---|---|---|")
    run.train()


if __name__ == "__main__":
    config_lib.define_flags()
    app.run(main)
