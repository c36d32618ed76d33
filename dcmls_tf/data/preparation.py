"""Prepared datasets: made from a raw folder when needed, reused otherwise.

Prepared data is `data_dir/{dataset}/{contents}-{fingerprint}/1.1.0`, written by TensorFlow
Datasets: to a temporary folder first, which gets its name when all of it is there. Of several
processes that want it at once, one makes it and the others wait.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import filelock
import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core import shuffle

from dcmls_tf import beam, files
from dcmls_tf.config import Config
from dcmls_tf.data import checking, freihand, interhand, own, own_crops, rhd, shards, stb
from dcmls_tf.data.builder import Builder, RawConfig
from dcmls_tf.data.checking import Findings
from dcmls_tf.data.raw import PreparedData, RawFolder
from dcmls_tf.data.raw_files import BadSample
from dcmls_tf.errors import UserError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
        PipelineOptions,
    )

# Examples that TFDS's writer holds in memory; more than these go by the disk.
WRITER_BYTES = 64 << 20

# Beside prepared data: what was left out of it; that shards are good.
LEFT_OUT, CHECKED = "left_out.txt", "checked.txt"


def prepare(
    dataset: str,
    raw_dir: str,
    data_dir: str,
    images: bool,
    stb_views: str = "left",
    beam_options: "PipelineOptions | None" = None,
    skip_bad: bool = False,
) -> PreparedData:
    """The TFDS builder of a raw folder's examples, prepared under `data_dir`.

    Args:
        dataset: as in `Config`.
        raw_dir: folder with the dataset in its official layout, only read from; or one that
            `scripts/render.py --format=shards` wrote, which is checked once and used as it is.
        data_dir: folder for prepared data.
        images: whether examples have their image; 2D tasks do without.
        stb_views: `left`, `both` or `color`.
        beam_options: lets Apache Beam read the images (see `dcmls_tf.beam`); its machines share
            both folders, under the same paths.
        skip_bad: leaves out samples that are bad (see `plausibility`), whose list is
            `LEFT_OUT` beside the prepared data; without it the first of them is an error.

    Raises `UserError` when the raw folder lacks what is asked, or a file is damaged.
    """
    make, folder, contents = _reader(dataset, raw_dir, images, stb_views)
    name = f"{contents}-{'images' if images else 'joints'}-{folder.fingerprint()}"
    config = RawConfig(name=name, raw=folder, by_beam=beam_options is not None)
    place = os.path.join(data_dir, dataset, name)
    builder = _prepared(make, data_dir, config, place)
    if builder:
        return builder
    with _lock(data_dir, f"{dataset}-{name}"):
        # Once more: it may have been prepared while this process waited.
        builder = _prepared(make, data_dir, config, place)
        if builder:
            return builder
        if skip_bad:
            config = dataclasses.replace(config, raw=_without_bad(folder, place))
        if isinstance(config.raw, shards.ShardFolder):
            return _as_they_are(config.raw, place)
        builder, _ = _in_data_dir(make, data_dir, config)
        _write(builder, raw_dir, beam_options)
    return builder


def check(
    dataset: str, raw_dir: str, images: bool, stb_views: str = "left", progress: bool = False
) -> Findings:
    """What is wrong with any sample of a raw folder. Raises `UserError` when it holds none."""
    return checking.check(_reader(dataset, raw_dir, images, stb_views)[1], progress)


def check_config(config: Config, progress: bool = False) -> Findings:
    """`check` as a `Config` asks."""
    images = config.modality == "rgb"
    return check(config.dataset, config.raw_dir, images, config.stb_views, progress)


def cut_out(config: Config, crops_dir: str) -> int:
    """Writes the hands without pose of one's own data for `unpaired_dir`; returns how many.

    Raises `UserError` for other data, and as `own_crops.write`.
    """
    if config.dataset != "own":
        raise UserError(f"--crops_dir={crops_dir}: is for --dataset=own, not {config.dataset}")
    folder = _reader("own", config.raw_dir, True, config.stb_views)[1]
    assert isinstance(folder, own.OwnFolder)
    return own_crops.write(folder, crops_dir, config.crop_margin)


def from_config(
    config: Config, beam_options: "PipelineOptions | None" = None, skip_bad: bool = False
) -> PreparedData:
    """`prepare` as a `Config` asks."""
    images = config.modality == "rgb"
    return prepare(
        config.dataset,
        config.raw_dir,
        config.data_dir,
        images,
        config.stb_views,
        beam_options,
        skip_bad,
    )


def _prepared(
    make: type[Builder], data_dir: str, config: RawConfig, place: str
) -> PreparedData | None:
    """What is prepared already, which says so where samples were left out."""
    builder, prepared = _in_data_dir(make, data_dir, config)
    if prepared:
        left_out = os.path.join(place, LEFT_OUT)
        if os.path.exists(left_out):
            logging.warning("samples were left out of %s: see %s", builder.data_path, left_out)
        return builder
    if isinstance(config.raw, shards.ShardFolder) and os.path.exists(os.path.join(place, CHECKED)):
        return shards.ShardBuilder(config.raw.raw_dir, config.raw.images)
    return None


def _without_bad(folder: RawFolder, place: str) -> RawFolder:
    """A folder without its bad samples, whose list is written first."""
    findings = checking.check(folder)
    unreadable = [problem for problem in findings.bad if not isinstance(problem, BadSample)]
    if unreadable:
        raise unreadable[0]
    if not any(findings.good.values()):
        raise UserError(f"--raw_dir={folder.raw_dir}: no sample is good: {findings.lines()[0]}")
    if not findings.bad:
        return folder
    path = os.path.join(place, LEFT_OUT)
    _note(path, "".join(f"{line}\n" for line in findings.lines()))
    logging.warning("%d samples are left out: see %s", len(findings.bad), path)
    return checking.Chosen(folder, findings.good)


def _as_they_are(folder: shards.ShardFolder, place: str) -> PreparedData:
    """Shards, whose labels and pictures' headers are checked once."""
    builder = shards.ShardBuilder(folder.raw_dir, folder.images)
    findings = checking.check(shards.ShardFolder(folder.raw_dir, folder.images, decode=False))
    if findings.bad:
        raise findings.bad[0]
    _note(os.path.join(place, CHECKED), f"{findings.counted}\n")
    return builder


def _note(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.write(path, text)
    except OSError as error:
        raise UserError(f"--data_dir: {path} cannot be written ({error.strerror})") from None


def _reader(
    dataset: str, raw_dir: str, images: bool, stb_views: str
) -> tuple[type[Builder], RawFolder, str]:
    """The builder's class, the raw folder, and a word for what it holds."""
    if not os.path.isdir(raw_dir):
        raise UserError(f"--raw_dir={raw_dir}: there is no such folder; {_how_to_get(dataset)}")
    if dataset == "rhd" and shards.are_in(raw_dir):
        return shards.Hands, shards.ShardFolder(raw_dir, images), "hands"
    if dataset == "rhd":
        return rhd.Rhd, rhd.RhdFolder(raw_dir, images), "frames"
    if dataset == "stb":
        return stb.Stb, stb.StbFolder(raw_dir, images, stb_views), stb_views
    if dataset == "freihand":
        return freihand.Freihand, freihand.FreihandFolder(raw_dir, images), "hands"
    if dataset == "interhand":
        return interhand.Interhand, interhand.InterhandFolder(raw_dir, images), "hands"
    if dataset == "own":
        return own.Own, own.OwnFolder(raw_dir, images), "hands"
    raise UserError(f"--dataset={dataset}: use rhd, stb, freihand, interhand or own")


def _in_data_dir(make: type[Builder], data_dir: str, config: RawConfig) -> tuple[Builder, bool]:
    """A builder, and whether its data is prepared."""
    try:
        os.makedirs(data_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--data_dir={data_dir}: cannot be made ({error.strerror})") from None
    try:
        with _errors_only():  # TFDS warns of configurations and folders that are new to it
            builder = make(data_dir=data_dir, config=config)
            return builder, builder.is_prepared()
    except Exception as error:  # TFDS raises nearly anything on damaged metadata
        raise UserError(
            f"--data_dir: {os.path.join(data_dir, make.name, str(config.name))} is damaged "
            f"({type(error).__name__}); remove it, it is prepared again"
        ) from None


def _lock(data_dir: str, name: str) -> filelock.AcquireReturnProxy:
    try:
        return filelock.FileLock(os.path.join(data_dir, f".{name}.lock")).acquire()
    except OSError as error:
        raise UserError(f"--data_dir={data_dir}: cannot be written ({error.strerror})") from None


def _write(builder: Builder, raw_dir: str, beam_options: "PipelineOptions | None") -> None:
    logging.info("preparing %s in %s", raw_dir, builder.data_path)
    how = tfds.download.DownloadConfig(beam_options=beam_options)
    # TFDS speaks of downloads on stdout; its progress bar is on stderr.
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        _little_in_memory(),
        beam.errors_of_workers(),
    ):
        builder.download_and_prepare(download_config=how)


@contextlib.contextmanager
def _little_in_memory() -> Iterator[None]:
    """TFDS's writer, which has no option for it, sorts on disk what is more than `WRITER_BYTES`."""
    before = shuffle.MAX_MEM_BUFFER_SIZE
    shuffle.MAX_MEM_BUFFER_SIZE = WRITER_BYTES
    try:
        yield
    finally:
        shuffle.MAX_MEM_BUFFER_SIZE = before


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _how_to_get(dataset: str) -> str:
    if dataset == "stb":
        return f"download STB from {stb.PAGE} ({stb.LINKS}) and give the folder that has labels/"
    if dataset == "freihand":
        return f"download FreiHAND from {freihand.PAGE} and give the folder that has training/"
    if dataset == "interhand":
        return f"download InterHand2.6M from {interhand.PAGE} and give the folder of annotations/"
    if dataset == "own":
        return f"give the folder that has training.json or evaluation.json ({own.PAGE})"
    return (
        f"make one with scripts/render.py --out_dir, or download RHD from {rhd.PAGE} and give "
        "the unpacked folder that has training/ and evaluation/"
    )
