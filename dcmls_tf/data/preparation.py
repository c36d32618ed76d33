"""Prepared datasets: made from a raw folder when needed, reused otherwise.

Prepared data is `data_dir/{rhd,stb}/{contents}-{fingerprint}/1.0.0`, written by TensorFlow
Datasets: to a temporary folder first, which gets its name when all of it is there. Of several
processes that want it at once, one makes it and the others wait.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import filelock
import tensorflow_datasets as tfds
from absl import logging

from dcmls_tf import beam
from dcmls_tf.config import Config
from dcmls_tf.data import rhd, shards, stb
from dcmls_tf.data.raw import Builder, PreparedData, RawConfig, RawFolder
from dcmls_tf.errors import UserError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
        PipelineOptions,
    )


def prepare(
    dataset: str,
    raw_dir: str,
    data_dir: str,
    images: bool,
    stb_views: str = "left",
    beam_options: "PipelineOptions | None" = None,
) -> PreparedData:
    """The TFDS builder of a raw folder's examples, prepared under `data_dir`.

    Args:
        dataset: `rhd` or `stb`.
        raw_dir: folder with the dataset in its official layout, only read from; or one that
            `scripts/render.py --format=shards` wrote, which needs no preparation.
        data_dir: folder for prepared data.
        images: whether examples have their image; 2D tasks do without.
        stb_views: `left`, `both` or `color`.
        beam_options: lets Apache Beam read the images (see `dcmls_tf.beam`); its machines share
            both folders, under the same paths.

    Raises `UserError` when the raw folder lacks what is asked, or a file is damaged.
    """
    if not os.path.isdir(raw_dir):
        raise UserError(f"--raw_dir={raw_dir}: there is no such folder; {_how_to_get(dataset)}")
    if dataset == "rhd" and shards.are_in(raw_dir):
        return shards.ShardBuilder(raw_dir, images)
    make, folder, contents = _reader(dataset, raw_dir, images, stb_views)
    name = f"{contents}-{'images' if images else 'joints'}-{folder.fingerprint()}"
    config = RawConfig(name=name, raw=folder, by_beam=beam_options is not None)
    builder, prepared = _in_data_dir(make, data_dir, config)
    if prepared:
        return builder
    with _lock(data_dir, f"{dataset}-{name}"):
        # Once more: it may have been prepared while this process waited.
        builder, prepared = _in_data_dir(make, data_dir, config)
        if not prepared:
            _write(builder, raw_dir, beam_options)
    return builder


def from_config(config: Config, beam_options: "PipelineOptions | None" = None) -> PreparedData:
    """`prepare` as a `Config` asks."""
    images = config.modality == "rgb"
    return prepare(
        config.dataset, config.raw_dir, config.data_dir, images, config.stb_views, beam_options
    )


def _reader(
    dataset: str, raw_dir: str, images: bool, stb_views: str
) -> tuple[type[Builder], RawFolder, str]:
    """The builder's class, the raw folder, and a word for what it holds."""
    if dataset == "rhd":
        return rhd.Rhd, rhd.RhdFolder(raw_dir, images), "frames"
    if dataset == "stb":
        return stb.Stb, stb.StbFolder(raw_dir, images, stb_views), stb_views
    raise UserError(f"--dataset={dataset}: use rhd or stb")


def _in_data_dir(make: type[Builder], data_dir: str, config: RawConfig) -> tuple[Builder, bool]:
    """A builder, and whether its data is prepared."""
    try:
        os.makedirs(data_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--data_dir={data_dir}: cannot be made ({error.strerror})") from None
    with _errors_only():  # TFDS warns of configurations and folders that are new to it
        builder = make(data_dir=data_dir, config=config)
        return builder, builder.is_prepared()


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
        beam.errors_of_workers(),
    ):
        builder.download_and_prepare(download_config=how)


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
    return (
        f"make one with scripts/render.py --out_dir, or download RHD from {rhd.PAGE} and give "
        "the unpacked folder that has training/ and evaluation/"
    )
