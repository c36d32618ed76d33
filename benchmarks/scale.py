"""Cost against size: time a frame and peak memory to prepare, to train an epoch and to predict.

    python scripts/render.py --out_dir=rendered --training=2500 --evaluation=250
    .venv-beam/bin/python benchmarks/scale.py --raw_dir=rendered

Each size is a folder of that many training frames, hard links to those of `--raw_dir` over and
over (so `TMPDIR` has to be on its disk), and goes through the scripts in processes of their own.
Memory is the most that one of a command's processes had. With more epochs than one it holds the
windows that are kept (`dcmls_tf.data.windows.MEMORY_BYTES`), which grow with the frames until they
are full. Prediction is `scripts/batch.py`, which needs the environment of Apache Beam
(docs/scale.md), and is told its hand by `--box`.
"""

import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from dcmls_tf import app, files
from dcmls_tf.data import annotations, rhd_layout

ROOT = Path(__file__).parents[1]
KINDS = ("color", "mask")
TASKS = ("prepare", "epoch", "predict")
TRAIN = [
    "--epochs=1", "--encoder=resnet18_small", "--input_size=64", "--reconstruction_size=32",
    "--batch_size=64",
]  # fmt: skip

Row = dict[str, Any]  # frames, task, seconds, ms_a_frame, peak_mb
FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of the benchmark."""
    flags.DEFINE_string("raw_dir", None, "What scripts/render.py wrote.", required=True)
    flags.DEFINE_multi_integer("frames", [1000, 4000, 10_000, 40_000], "Sizes to measure.")
    flags.DEFINE_multi_enum("task", list(TASKS), TASKS, "What to measure.")
    flags.DEFINE_multi_string("train", TRAIN, "Flags of scripts/train.py, in place of these.")
    flags.DEFINE_string("json", None, "Where to write the table as JSON as well.")


def main(_: list[str]) -> None:
    """Sizes × tasks → a table."""
    rows: list[Row] = []
    for frames in FLAGS.frames:
        with tempfile.TemporaryDirectory() as folder:
            raw_dir = os.path.join(folder, "raw")
            link_frames(FLAGS.raw_dir, raw_dir, frames)
            rows += [measured(task, frames, raw_dir, folder) for task in FLAGS.task]
    print(table(rows))
    if FLAGS.json:
        files.write_json(FLAGS.json, {"machine": platform.processor(), "rows": rows})


def link_frames(source: str, raw_dir: str, frames: int) -> None:
    """A folder in RHD's layout of `frames` training frames, and the source's evaluation split."""
    for split in ("training", "evaluation"):
        known = annotations.load(rhd_layout.annotation_path(source, split))
        count = frames if split == "training" else len(known)
        numbers = [sorted(known)[i % len(known)] for i in range(count)]
        for kind in KINDS:
            os.makedirs(rhd_layout.image_folder(raw_dir, split, kind))
            for number, of_source in enumerate(numbers):
                there = rhd_layout.image_path(source, split, kind, of_source)
                os.link(there, rhd_layout.image_path(raw_dir, split, kind, number))
        content = pickle.dumps({i: known[n] for i, n in enumerate(numbers)}, protocol=2)
        files.write(rhd_layout.annotation_path(raw_dir, split), content)


def command(task: str, raw_dir: str, folder: str) -> list[str]:
    """A task's command line, of scripts in this repository."""
    data = [f"--raw_dir={raw_dir}", f"--data_dir={folder}/data"]
    run = f"{folder}/run"
    flags_of = {
        "prepare": ["prepare.py", "--dataset=rhd", *data],
        "epoch": ["train.py", "--dataset=rhd", *data, f"--run_dir={run}", *FLAGS.train],
        "predict": [
            "batch.py", f"--model={run}", "--box=80,80,240,240", f"--out_dir={folder}/out",
            f"--input={rhd_layout.image_folder(raw_dir, 'training', 'color')}",
        ],
    }  # fmt: skip
    script, *arguments = flags_of[task]
    return [sys.executable, str(ROOT / "scripts" / script), *arguments]


def measured(task: str, frames: int, raw_dir: str, folder: str) -> Row:
    """Runs a task; its time, and the most memory that one of its processes had."""
    with open(os.path.join(folder, f"{task}.log"), "wb") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command(task, raw_dir, folder), stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: {task} of {frames} frames: {tail(log.name)}")
    return {
        "frames": frames,
        "task": task,
        "seconds": round(seconds, 2),
        "peak_mb": usage.ru_maxrss // 1024,
    }


def tail(path: str) -> str:
    """A log's last line."""
    return Path(path).read_text(errors="replace").strip().splitlines()[-1]


def table(rows: Sequence[Row]) -> str:
    """Markdown; start-up is left out of time a frame, by what one size takes more than the last."""
    lines = ["| Task | Frames | s | ms a frame more | Peak MB |", "|---|---|---|---|---|"]
    for task in dict.fromkeys(row["task"] for row in rows):
        before: Row = {"frames": 0, "seconds": 0.0}
        for row in (row for row in rows if row["task"] == task):
            more = 1000 * (row["seconds"] - before["seconds"]) / (row["frames"] - before["frames"])
            told = (task, row["frames"], f"{row['seconds']:.1f}", f"{more:.2f}", row["peak_mb"])
            lines.append("| " + " | ".join(map(str, told)) + " |")
            before = row
    return "\n".join(lines)


def cli() -> None:
    """The command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
