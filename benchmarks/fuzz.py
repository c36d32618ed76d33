"""Damaged and hostile inputs for every reader of files from strangers, thousands of each.

    python benchmarks/fuzz.py --inputs=10000
    python benchmarks/fuzz.py --inputs=1000000 --readers=annotations,matlab --seed=7

Inputs are good files of several kinds with bytes changed, cut out, repeated and swapped, numbers
made extreme, and one file's parts put into another; each follows from the seed and its number. A
reader may give an answer that is sane or raise what it documents. Anything else, or an input that
takes longer than `--seconds`, is a failure: its input is kept in `--out_dir`, and the exit status
is 1. An input that ends the process is in `--out_dir` too, as `running`. Nightly; a night's worth
is a million inputs a reader.
"""

import csv
import io
import json
import os
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from PIL import Image

from dcmls_tf import app, files
from dcmls_tf.errors import UserError

FLAGS = flags.FLAGS
EXTREMES = (
    b"\0" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\xff" * 8,
    b"\0\0\xc0\x7f",
)


class Reader(NamedTuple):
    """A reader of a path; what it may raise, and good files to spoil, by their ending."""

    read: Callable[[str], Any]
    raises: tuple[type[Exception], ...]
    seeds: list[bytes]
    ending: str = ""


def define_flags() -> None:
    """The options of a fuzz."""
    flags.DEFINE_integer("inputs", 10_000, "Inputs a reader.", lower_bound=1)
    flags.DEFINE_list("readers", [], f"Of {', '.join(READERS)}; default: all.")
    flags.DEFINE_integer("seed", 0, "All inputs follow from it.")
    flags.DEFINE_float("seconds", 10, "An input may take so long.", lower_bound=0)
    flags.DEFINE_string("out_dir", "fuzz", "Where inputs that fail are kept.")


def spoilt(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """One of some good files with one to eight damages."""
    content = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(rng.integers(1, 9)):
        if not content:
            break
        place, size = int(rng.integers(len(content))), int(2 ** rng.uniform(0, 8))
        kind = rng.integers(8)
        if kind <= 1:
            content[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            content[place] = int(rng.integers(256))
        elif kind == 3:
            extreme = EXTREMES[rng.integers(len(EXTREMES))]
            content[place : place + len(extreme)] = extreme
        elif kind == 4:
            del content[place : place + size]
        elif kind == 5:
            content[place:place] = content[place : place + size] * int(rng.integers(1, 9))
        elif kind == 6:
            other = seeds[rng.integers(len(seeds))]
            start = int(rng.integers(len(other)))
            content[place : place + size] = other[start : start + size]
        elif rng.random() < 0.2:
            del content[place:]
    return bytes(content)


def annotations() -> Reader:
    """Pickles in RHD's layout, of every protocol, and of what they may hold otherwise."""
    from dcmls_tf.data import annotations

    rng = np.random.default_rng(0)
    frames: dict[Any, Any] = {
        n: {
            "xyz": rng.normal(size=(42, 3)).astype(np.float32),
            "uv_vis": rng.normal(size=(42, 3)),
            "K": np.eye(3, dtype=np.float32),
        }
        for n in range(2)
    }
    frames["more"] = [1, 10**30, 2.5, "text", b"bytes", None, True, (1, (2,)), np.float64(3)]
    seeds = [pickle.dumps(frames, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    return Reader(annotations.load, (UserError,), seeds)


def matlab() -> Reader:
    """Labels as STB's, deflated and plain, and what MATLAB files may hold otherwise."""
    import scipy.io

    from dcmls_tf.data import raw_files, stb

    labels = np.random.default_rng(0).normal(size=(3, 21, 5)) * 100
    contents = [
        {"handPara": labels},
        {"handPara": labels.astype(np.int16)},
        {"a": "text", "b": {"c": labels}, "handPara": np.array([labels, 1], object)},
        {"handPara": labels + 1j},
    ]
    seeds = []
    for content in contents:
        for compressed in (False, True):
            file = io.BytesIO()
            scipy.io.savemat(file, content, do_compression=compressed)
            seeds.append(file.getvalue())
    return Reader(lambda path: stb.read_labels(path, "."), (raw_files.BadSample,), seeds)


def _pictures(*formats: str) -> list[bytes]:
    rng = np.random.default_rng(0)
    seeds = []
    for size, mode in (((33, 20), "RGB"), ((16, 16), "L"), ((40, 40), "RGB")):
        pixels = rng.integers(0, 255, (*size[::-1], 3), np.uint8)
        for name in formats:
            file = io.BytesIO()
            options = {"progressive": True} if name == "JPEG" and size[0] == 40 else {}
            Image.fromarray(pixels).convert(mode).save(file, name, **options)
            seeds.append(file.getvalue())
    return seeds


def pictures() -> Reader:
    """Pictures of data sets."""
    from dcmls_tf.data import encoded

    seeds = _pictures("PNG", "JPEG")
    return Reader(lambda path: encoded.decode(encoded.read(path)), (ValueError,), seeds)


def unpaired() -> Reader:
    """Pictures without poses."""
    from dcmls_tf.data import pictures

    seeds = _pictures("PNG", "JPEG", "BMP")

    def read(path: str) -> Any:
        return pictures.in_folder(os.path.dirname(path))

    return Reader(read, (UserError,), seeds, ".png")


def photos() -> Reader:
    """Photos to predict from."""
    from dcmls_tf.photos import photo

    seeds = _pictures("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
    return Reader(photo.read, (UserError,), seeds)


def _keypoints(ending: str) -> Reader:
    from dcmls_tf.photos import keypoints

    uv = np.random.default_rng(0).uniform(0, 300, (2, 21, 2)).round(2).tolist()
    text = io.StringIO()
    csv.writer(text).writerows([("x", "y"), *uv[0], *uv[1]])
    as_json = [json.dumps(content).encode() for content in (uv, uv[0], {"a.png": uv, "b/c": uv[1]})]
    seeds = [text.getvalue().encode()] if ending == ".csv" else as_json
    return Reader(keypoints.read, (UserError,), seeds, ending)


def videos() -> Reader:
    """Videos to predict from, as far as their third frame."""
    from dcmls_tf.photos.sources import Source
    from dcmls_tf.photos.video import Video
    from dcmls_tf.photos.video_file import VideoFile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "v.mp4")
        with VideoFile(path, 10) as out:
            for level in range(4):
                out.add(np.full((48, 64, 3), 60 * level, np.uint8), level / 10)
        with open(path, "rb") as file:
            seeds = [file.read()]

    def read(path: str) -> Any:
        return [frame for frame, _ in zip(Video(Source("video", path)), range(3), strict=False)]

    return Reader(read, (UserError,), seeds, ".mp4")


def shards() -> Reader:
    """Shards of rendered hands."""
    import tensorflow as tf

    from dcmls_tf.data import raw, shards

    rng = np.random.default_rng(0)
    numbers = {"uv": (21, 2), "xyz_mm": (21, 3), "palm_uv": (2,), "palm_mm": (3,), "K": (3, 3)}
    fields: Any = {name: rng.normal(size=n).astype(np.float32) for name, n in numbers.items()}
    sample: Any = {
        **fields, "visible": np.ones(21, bool), "palm_visible": True, "side": 1, "id": "a",
    }  # fmt: skip
    with tempfile.NamedTemporaryFile() as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            for _ in range(3):
                writer.write(shards.serialized(sample, images=False))
        with open(file.name, "rb") as written:
            seeds = [written.read()]

    def read(path: str) -> Any:
        split = shards.ShardSplit([path], False, False, True, False)
        found, _, odd = split.survey()
        if len(found) > 100:
            raise UserError("more records than bytes for them")
        return [*odd, *raw.judged(split, found)]

    return Reader(read, (UserError,), seeds)


def tflite() -> Reader:
    """Models in TFLite files, with what checks them before they run."""
    from dcmls_tf.photos import backends
    from dcmls_tf.serving import shipped

    with open(shipped.path("keypoints"), "rb") as file:
        return Reader(backends.load, (UserError,), [file.read()], ".tflite")


READERS: dict[str, Callable[[], Reader]] = {
    "annotations": annotations,
    "matlab": matlab,
    "pictures": pictures,
    "unpaired": unpaired,
    "photos": photos,
    "keypoints_json": lambda: _keypoints(".json"),
    "keypoints_csv": lambda: _keypoints(".csv"),
    "videos": videos,
    "shards": shards,
    "tflite": tflite,
}


def fuzz(name: str, reader: Reader, count: int, seed: int, seconds: float, out_dir: str) -> bool:
    """Whether a reader took `count` inputs as it documents; prints what it did with them."""
    answered = failed = 0
    longest, began = 0.0, time.monotonic()
    folder = os.path.join(out_dir, name)
    os.makedirs(os.path.join(folder, "running"), exist_ok=True)
    path = os.path.join(folder, "running", f"input{reader.ending}")
    for number, content in enumerate(inputs(reader.seeds, count, seed)):
        with open(path, "wb") as file:
            file.write(content)
        start, said = time.monotonic(), ""
        try:
            reader.read(path)
            answered += 1
        except reader.raises as error:
            said = "" if len(str(error)) < 1000 + len(path) else "a sentence without an end"
        except Exception as error:
            said = f"{type(error).__name__}: {str(error)[:200]}"
        took = time.monotonic() - start
        longest = max(longest, took)
        said = said or (f"took {took:.1f} s" if took > seconds else "")
        if said:
            failed += 1
            kept = os.path.join(folder, f"{seed}-{number}{reader.ending}")
            files.write(kept, content)
            print(f"{kept}: {said}")
    os.remove(path)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"| {name} | {count:,} | {answered:,} | {count - answered - failed:,} | {failed} | "
        f"{longest * 1000:.0f} ms | {memory} MB | {time.monotonic() - began:.0f} s |",
        flush=True,
    )
    return not failed


def inputs(seeds: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """The damaged files of a seed."""
    for number in range(count):
        yield spoilt(seeds, np.random.default_rng([seed, number]))


def main(_: list[str]) -> None:
    """Flags → a table, and the inputs that failed."""
    names = FLAGS.readers or list(READERS)
    unknown = set(names) - set(READERS)
    if unknown:
        raise UserError(f"--readers={','.join(sorted(unknown))}: use {', '.join(READERS)}")
    print("| reader | inputs | answered | refused | failed | longest | peak so far | time |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Decoders in C tell of each damage.
    took = [
        fuzz(name, READERS[name](), FLAGS.inputs, FLAGS.seed, FLAGS.seconds, FLAGS.out_dir)
        for name in names
    ]
    if not all(took):
        sys.exit(1)


if __name__ == "__main__":
    define_flags()
    app.run(main)
