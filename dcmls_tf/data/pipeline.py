"""Prepared data → batches for training and for evaluation.

`order` says which examples a training step sees, `encoding` what becomes of each.
"""

import dataclasses
import os
from typing import Any, cast

import tensorflow as tf
import tensorflow_datasets as tfds
from jaxtyping import Float, Int

from dcmls_tf import geometry
from dcmls_tf.config import Config
from dcmls_tf.data import pictures, windows
from dcmls_tf.data.encoding import as_noise, encode, encode_hand, encode_image
from dcmls_tf.data.examples import (
    IMAGE,
    TRAINING,
    Batch,
    CanonicalExample,
    ModelExample,
    ModelInput,
    Unpaired,
)
from dcmls_tf.data.order import HostShare, Order, Role, example_pool
from dcmls_tf.data.raw import PreparedData
from dcmls_tf.data.records import Records
from dcmls_tf.errors import UserError

# Examples whose joints are encoded at once, whatever the batch: a multiple of every processor's
# vectors, so that an example's bits do not depend on where in a batch, or on which host, it is.
PLACED_TOGETHER = 64


def training_split(config: Config) -> str:
    """The part of the training data that is trained on, a TFDS split."""
    return f"{TRAINING}[:{100 - config.validation_percent}%]"


def validation_split(config: Config) -> str:
    """The held-out last part of the training data, a TFDS split."""
    return f"{TRAINING}[{100 - config.validation_percent}%:]"


def num_examples(builder: PreparedData, split: str) -> int:
    """Examples in a split or sub-split. Raises `UserError` when there are none."""
    name = split.split("[")[0]
    if name not in builder.info.splits:
        raw = builder.raw
        raise UserError(
            f"--raw_dir={raw.raw_dir}: no {name} examples there, only "
            f"{', '.join(builder.info.splits)}; put them there ({raw.PAGE})"
            " or ask for another split"
        )
    count = builder.info.splits[split].num_examples
    if not count:
        raise UserError(
            f"--validation_percent: {split} is empty, as {name} has only "
            f"{builder.info.splits[name].num_examples} examples"
        )
    return count


def steps_per_epoch(builder: PreparedData, config: Config) -> int:
    """Full batches in one pass. Raises `UserError` when there is not even one."""
    count = num_examples(builder, training_split(config))
    if count < config.batch_size:
        raise UserError(
            f"--batch_size={config.batch_size}: more than the {count} training examples of "
            f"{builder.raw.raw_dir}; make it smaller"
        )
    return count // config.batch_size


def canonical_examples(builder: PreparedData, split: str, images: bool = True) -> Any:
    """Dataset of `CanonicalExample`s in the order of preparation; images stay encoded."""
    num_examples(builder, split)
    examples = cast(Any, builder).as_dataset(
        split,
        decoders=_decoders(builder),
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    if images:
        return examples
    return examples.map(_without_image, num_parallel_calls=tf.data.AUTOTUNE)


def _decoders(builder: PreparedData) -> dict[str, Any] | None:
    """What tells TFDS to leave images encoded."""
    features: Any = builder.info.features
    return {IMAGE: tfds.decode.SkipDecoding()} if IMAGE in features else None


def _without_image(example: CanonicalExample) -> CanonicalExample:
    return cast(CanonicalExample, {k: v for k, v in example.items() if k != IMAGE})


def training_batches(
    builder: PreparedData,
    config: Config,
    *,
    start_step: int = 0,
    shard_count: int = 1,
    shard_index: int = 0,
    per_replica_batch: int | None = None,
) -> Any:
    """Endless dataset of augmented `Batch`es from step `start_step` on.

    The batch of a step is `config.batch_size` examples; host `shard_index` of `shard_count`
    gets its equal part of each, in pieces of `per_replica_batch` (default: one piece). Where
    `config.labelled_percent` leaves some unpaired, `unpaired` holds as many x and y of those,
    the x of one example and the y of another; with `config.unpaired_dir`, x from there.
    """
    steps_per_epoch(builder, config)
    share = HostShare(config.batch_size, shard_count, shard_index, per_replica_batch)
    count = num_examples(builder, training_split(config))
    order = Order(config, count, start_step, share)

    def examples_of(role: Role, of_config: Config) -> Any:
        pool = example_pool(count, config, role)
        draws = dataclasses.replace(order, config=of_config).draws(role, pool)
        return _training_examples(draws, builder, of_config, share.piece_size)

    batches = examples_of(Role.PAIRS, config)
    unlabelled = pictures.from_config(config)
    if config.has_unpaired:
        if unlabelled:
            draws = order.draws(Role.UNPAIRED_X, tf.range(len(unlabelled)))
            x = _from_pictures(draws, unlabelled, config, share.piece_size)
        else:
            x = examples_of(Role.UNPAIRED_X, config)
        y = examples_of(Role.UNPAIRED_Y, config.of_joints())
        batches = tf.data.Dataset.zip((batches, x, y)).map(_with_unpaired)
    return _deterministic(batches).prefetch(tf.data.AUTOTUNE)


def _training_examples(draws: Any, builder: PreparedData, config: Config, batch_size: int) -> Any:
    """(numbers, noise) of batches → batches of model examples."""
    if config.modality == "2d":
        return _from_joints(draws, builder, config)
    return _from_images(draws, builder, config, batch_size)


def _from_joints(draws: Any, builder: PreparedData, config: Config) -> Any:
    split = training_split(config)
    examples = canonical_examples(builder, split, images=False)
    in_memory = examples.batch(num_examples(builder, split)).get_single_element()

    def encode_batch(numbers: Int[tf.Tensor, " B"], noise: Float[tf.Tensor, "B N"]) -> ModelExample:
        batch = {key: tf.gather(values, numbers) for key, values in in_memory.items()}
        return encode(cast(CanonicalExample, batch), config, as_noise(noise, config))

    return draws.map(encode_batch, num_parallel_calls=tf.data.AUTOTUNE)


def _from_images(draws: Any, builder: PreparedData, config: Config, batch_size: int) -> Any:
    records, decoders = Records(builder, training_split(config)), _decoders(builder)
    features: Any = builder.info.features
    # Of a single epoch nothing is asked for twice.
    cached = windows.Windows(windows.MEMORY_BYTES if config.epochs > 1 else 0)

    def read(number: Int[tf.Tensor, ""], noise: Float[tf.Tensor, " N"]) -> Any:
        example = features.deserialize_example(records.read(number), decoders=decoders)
        return number, noise, example

    def place(numbers: Int[tf.Tensor, " B"], noise: Float[tf.Tensor, "B N"], batch: Any) -> Any:
        placed = encode_hand(batch, config, as_noise(noise, config))
        boxes = windows.reach(batch, config)
        warps = geometry.warp(windows.homography(placed["H"], boxes), config.input_size)
        return placed, noise, warps, (numbers, batch[IMAGE], boxes)

    def draw(placed: Any, noise: Float[tf.Tensor, " N"], warp: Any, of_window: Any) -> ModelExample:
        crop = geometry.sample_image(cached.read(*of_window), warp, config.input_size)
        return cast(ModelExample, {**placed, **encode_image(crop, config, as_noise(noise, config))})

    examples = draws.unbatch().map(read, num_parallel_calls=tf.data.AUTOTUNE)
    placed = examples.batch(PLACED_TOGETHER).map(place, num_parallel_calls=tf.data.AUTOTUNE)
    drawn = placed.unbatch().map(draw, num_parallel_calls=tf.data.AUTOTUNE)
    return drawn.batch(batch_size, drop_remainder=True)


def _from_pictures(
    draws: Any, unlabelled: list[pictures.Picture], config: Config, batch_size: int
) -> Any:
    """(numbers, noise) of batches → x of pictures, their colours augmented."""
    paths = tf.constant([os.fsencode(picture.path) for picture in unlabelled])
    orientations = tf.constant([picture.orientation for picture in unlabelled])

    def encode_one(number: Int[tf.Tensor, ""], noise: Float[tf.Tensor, " N"]) -> ModelInput:
        crop = pictures.read(paths[number], orientations[number], config.input_size)
        return encode_image(crop, config, as_noise(noise, config))

    examples = draws.unbatch().map(encode_one, num_parallel_calls=tf.data.AUTOTUNE)
    return examples.batch(batch_size, drop_remainder=True)


def _with_unpaired(pairs: Batch, of_x: Batch, of_y: Batch) -> Batch:
    unpaired = {key: value for key, value in of_x.items() if key in ("x", "x_target", "side")}
    return {**pairs, "unpaired": cast(Unpaired, {**unpaired, "y": of_y["y"]})}


def evaluation_batches(builder: PreparedData, config: Config, split: str, batch_size: int) -> Any:
    """Finite dataset of `Batch`es in order, without augmentation, the last one maybe smaller.

    With images, each batch also has the encoded `image`s of its examples.
    """
    examples = canonical_examples(builder, split, images=config.modality == "rgb")
    if config.modality == "2d":
        batches = examples.batch(batch_size).map(
            lambda batch: encode(batch, config), num_parallel_calls=tf.data.AUTOTUNE
        )
    else:
        encoded = examples.map(
            lambda example: {**encode(example, config), IMAGE: example[IMAGE]},
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        batches = encoded.batch(batch_size)
    return _deterministic(batches).prefetch(tf.data.AUTOTUNE)


def _deterministic(dataset: Any) -> Any:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
