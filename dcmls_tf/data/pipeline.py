"""Prepared data → model batches: crop, root, scale, augmentation, order.

Every step is a function of one canonical example (see `canonical`), or of a batch of them
where there is no image. Training batches depend on `config.seed` and the step alone: epoch
e visits the examples in a permutation drawn from (seed, e), and the augmentation of the
example at a position is drawn with it. So training can start at any step at no cost.
"""

import math

import tensorflow as tf
import tensorflow_datasets as tfds

from dcmls_tf import geometry, hand
from dcmls_tf.data import pictures, windows
from dcmls_tf.data import raw as canonical
from dcmls_tf.data.records import Records
from dcmls_tf.errors import UserError

# What is random about one augmented example, each in [-1, 1].
NOISE = (
    "roll",
    "shift_x",
    "shift_y",
    "scale",
    "hue",
    "saturation",
    "contrast",
    "brightness",
    "view_axis",
    "view_angle",
)
# What a training batch is drawn for: pairs, and x and y that are not pairs.
PAIRS, UNPAIRED_X, UNPAIRED_Y = range(3)
# Ranges of the colour changes that go with hue: ± parts, brightness of the full range.
SATURATION, CONTRAST, BRIGHTNESS = 0.25, 0.25, 0.1


def training_split(config):
    """The part of the training data that is trained on, a TFDS split."""
    return f"{canonical.TRAINING}[:{100 - config.validation_percent}%]"


def validation_split(config):
    """The held-out last part of the training data, a TFDS split."""
    return f"{canonical.TRAINING}[{100 - config.validation_percent}%:]"


def num_examples(builder, split):
    """Examples in a split or sub-split. Raises `UserError` when there are none."""
    name = split.split("[")[0]
    if name not in builder.info.splits:
        raise UserError(
            f"--raw_dir={builder.builder_config.raw.raw_dir}: no {name} examples there, only "
            f"{', '.join(builder.info.splits)}; put them there ({builder.builder_config.raw.PAGE})"
            " or ask for another split"
        )
    count = builder.info.splits[split].num_examples
    if not count:
        raise UserError(
            f"--validation_percent: {split} is empty, as {name} has only "
            f"{builder.info.splits[name].num_examples} examples"
        )
    return count


def canonical_examples(builder, split, images=True):
    """Dataset of canonical examples in the order of preparation; images stay encoded."""
    num_examples(builder, split)
    data = builder.as_dataset(
        split,
        decoders=_decoders(builder),
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    return data.map(lambda example: _plain(example, images), num_parallel_calls=tf.data.AUTOTUNE)


def encode(example, config, noise=None):
    """A canonical example → a model example.

    Without image fields any leading dimensions are fine; with an image it is one example.

    Args:
        example: canonical example; `image` (encoded) is needed for `config.modality == "rgb"`.
        config: the experiment's `Config`.
        noise: `[..., len(NOISE)]` in [-1, 1] to augment by, or `None`.

    Returns a dict:
        x: `[S, S, 3]` in [-0.5, 0.5], or `[..., 21, 2]`: crop px / crop side − 0.5.
        x_target: for images `[R, R, 3]` in [-0.5, 0.5], what decoder_x has to give.
        y: `[..., 21, 3]`, root-relative, in scale bones, in the crop's frame.
        H, A, K: `[..., 3, 3]`: source px → crop px, camera → crop frame, intrinsics.
        root_mm, scale_mm: `[..., 3]`, `[...]`: what takes y back to mm.
        xyz_mm, uv, visible: as canonical; with `config.root == "palm"`, joint 0 is the palm.
        side, id: as canonical, whether mirrored or not.
    """
    draw = _draw(noise)
    if noise is not None and config.augment_view:
        example = seen_from_elsewhere(example, config, draw)
    H, A = crop_to_hand(example, config, draw)
    joints = with_root(example, config.root)
    root_mm = root_of(joints, config.root)
    scale_mm = geometry.scale_bone_mm(joints["xyz_mm"])
    inputs = (
        _image(example, H, config, draw)
        if config.modality == "rgb"
        else {
            "x": geometry.to_unit_square(
                geometry.apply_homography(joints["uv"], H), config.input_size
            )
        }
    )
    return {
        **inputs,
        **joints,
        "y": geometry.normalise(joints["xyz_mm"], root_mm, scale_mm, A),
        "H": H,
        "A": A,
        "root_mm": root_mm,
        "scale_mm": scale_mm,
        **{key: example[key] for key in ("K", "side", "id")},
    }


def with_root(example, root):
    """`uv`, `xyz_mm` and `visible`; for the root `palm`, joint 0 is the palm's centre."""
    joints = {key: example[key] for key in ("uv", "xyz_mm", "visible")}
    if root != "palm":
        return joints
    palm = {key: example[f"palm_{key.split('_')[-1]}"] for key in joints}
    return {
        "uv": _replace_first(joints["uv"], palm["uv"]),
        "xyz_mm": _replace_first(joints["xyz_mm"], palm["xyz_mm"]),
        "visible": tf.concat([palm["visible"][..., None], joints["visible"][..., 1:]], -1),
    }


def _replace_first(joints, first):
    return tf.concat([first[..., None, :], joints[..., 1:, :]], -2)


def root_of(joints, root):
    """The root joint, `[..., 3]` mm, of joints that `with_root` returned."""
    return joints["xyz_mm"][..., hand.MIDDLE_MCP if root == "middle_mcp" else 0, :]


def crop_to_hand(example, config, draw=None):
    """`H` and `A` of the square around the hand, jittered by `draw`; the wrist counts always.

    Of `example` it takes `uv` (the joints', or two corners of a box around them), `K`, `side`.
    """
    draw = _STILL if draw is None else draw
    centre, side = geometry.joints_box(example["uv"], example["K"], config.crop_margin)
    shift = config.augment_shift * tf.stack(
        [draw["shift_x"] + 0 * side, draw["shift_y"] + 0 * side], -1
    )
    return geometry.crop_transform(
        centre + shift * side[..., None],
        side * (1 + config.augment_scale * draw["scale"]),
        example["K"],
        config.input_size,
        roll=geometry.radians(config.augment_rotation) * draw["roll"],
        mirror=(example["side"] == hand.LEFT) & (config.side == "mirror"),
        perspective=config.perspective_crop,
    )


def seen_from_elsewhere(example, config, draw):
    """The hand turned about its root out of the image plane, and projected anew."""
    axis = math.pi * draw["view_axis"]
    turn = geometry.tilt(axis, geometry.radians(config.augment_view) * draw["view_angle"])
    root_mm = root_of(with_root(example, config.root), config.root)
    points = tf.concat([example["xyz_mm"], example["palm_mm"][..., None, :]], -2)
    points = geometry.rotate_about(points, turn, root_mm)
    uv = geometry.project(points, example["K"])
    return {
        **example,
        "xyz_mm": points[..., :-1, :],
        "palm_mm": points[..., -1, :],
        "uv": uv[..., :-1, :],
        "palm_uv": uv[..., -1, :],
    }


def _image(example, H, config, draw):
    return _as_x(geometry.warp_image(*_pixels(example, H), config.input_size), config, draw)


def _as_x(crop, config, draw):
    """A crop `[S, S, 3]` in [0, 1] as x and what decoder_x has to give."""
    if draw["hue"] is not _STILL["hue"] and config.augment_hue:
        crop = recolour(crop, config, draw)
    size = config.reconstruction_size
    target = crop if size == config.input_size else tf.image.resize(crop, [size, size], "area")
    return {"x": crop - 0.5, "x_target": tf.ensure_shape(target, [size, size, 3]) - 0.5}


def _pixels(example, H):
    """The decoded image, or the window that stands for it, and the `H` that goes with it."""
    if "window" in example:
        return example["window"], windows.homography(H, example["window_box"])
    return tf.io.decode_png(example[canonical.IMAGE], channels=3), H


def recolour(image, config, draw):
    """Other hue, saturation, contrast and brightness; an image `[h, w, 3]` in [0, 1]."""
    image = tf.image.adjust_hue(image, config.augment_hue * draw["hue"])
    image = tf.image.adjust_saturation(image, 1 + SATURATION * draw["saturation"])
    image = tf.image.adjust_contrast(image, 1 + CONTRAST * draw["contrast"])
    return tf.clip_by_value(image + BRIGHTNESS * draw["brightness"], 0, 1)


_STILL = dict.fromkeys(NOISE, 0.0)


def _draw(noise):
    return _STILL if noise is None else dict(zip(NOISE, tf.unstack(noise, axis=-1), strict=True))


def steps_per_epoch(builder, config):
    """Full batches in one pass. Raises `UserError` when there is not even one."""
    count = num_examples(builder, training_split(config))
    if count < config.batch_size:
        raise UserError(
            f"--batch_size={config.batch_size}: more than the {count} training examples of "
            f"{builder.builder_config.raw.raw_dir}; make it smaller"
        )
    return count // config.batch_size


def training_batches(
    builder, config, *, start_step=0, shard_count=1, shard_index=0, per_replica_batch=None
):
    """Endless dataset of augmented batches from step `start_step` on.

    The batch of a step is `config.batch_size` examples; host `shard_index` of `shard_count`
    gets its equal part of each, in `per_replica_batch` pieces (default: one). Where
    `config.labelled_percent` leaves some unpaired, `unpaired` holds as many x and y of those,
    the x of one example and the y of another; with `config.unpaired_dir`, x from there.
    """
    steps = steps_per_epoch(builder, config)
    host_batch = _divide(config.batch_size, shard_count)
    pieces = _divide(host_batch, per_replica_batch or host_batch)

    count = num_examples(builder, training_split(config))
    files = pictures.of_config(config)

    def order(role, epoch):
        """The epoch's example numbers and noise, `[batches, per_replica_batch, ...]`."""
        seed = tf.stack([tf.constant(config.seed, tf.int64), epoch])
        seed = tf.random.experimental.stateless_fold_in(seed, role) if role != PAIRS else seed
        of_files = files and role == UNPAIRED_X
        pool = tf.range(len(files)) if of_files else example_pool(count, config, role)
        drawn = tf.random.experimental.stateless_shuffle(tf.range(count) % len(pool), seed)
        numbers = tf.gather(pool, drawn)
        noise = tf.random.stateless_uniform([count, len(NOISE)], seed, -1, 1)
        done = tf.where(epoch == start_step // steps, start_step % steps, 0)

        def mine(values):
            per_step = tf.reshape(
                values[: steps * config.batch_size],
                [steps, shard_count, host_batch, *values.shape[1:]],
            )
            batches = per_step[done:, shard_index]
            return tf.reshape(batches, [-1, host_batch // pieces, *values.shape[1:]])

        return tf.data.Dataset.from_tensor_slices((mine(numbers), mine(noise)))

    def batches(role, of_role):
        epochs = tf.data.Dataset.counter(start_step // steps, dtype=tf.int64)
        numbers = epochs.flat_map(lambda epoch: order(role, epoch))
        if files and role == UNPAIRED_X:
            return _pictures(numbers, files, config, host_batch // pieces)
        return _augmented(numbers, builder, of_role, host_batch // pieces)

    data = batches(PAIRS, config)
    if config.has_unpaired:
        joints_only = config.replace(modality="2d")
        parts = data, batches(UNPAIRED_X, config), batches(UNPAIRED_Y, joints_only)
        data = tf.data.Dataset.zip(parts).map(_with_unpaired)
    return _deterministic(data).prefetch(tf.data.AUTOTUNE)


def example_pool(count, config, role):
    """Numbers of the examples that a role draws from; the pairs follow from `config.seed`."""
    if config.labelled_percent == 100:
        return tf.range(count)
    shuffled = tf.random.experimental.stateless_shuffle(tf.range(count), [config.seed, -1])
    paired = max(1, round(count * config.labelled_percent / 100))
    return shuffled[:paired] if role == PAIRS else shuffled[paired:]


def _pictures(batches, files, config, batch_size):
    """(numbers, noise) of batches → x of pictures, their colours augmented."""
    names = tf.constant(files)

    def read(number, noise):
        crop = pictures.read(names[number], config.input_size)
        return _as_x(crop, config, _draw(noise))

    examples = batches.unbatch().map(read, num_parallel_calls=tf.data.AUTOTUNE)
    return examples.batch(batch_size, drop_remainder=True)


def _with_unpaired(pairs, of_x, of_y):
    unpaired = {key: of_x[key] for key in ("x", "x_target", "side") if key in of_x}
    return {**pairs, "unpaired": {**unpaired, "y": of_y["y"]}}


def _augmented(batches, builder, config, batch_size):
    """(numbers, noise) of batches → model batches."""
    split = training_split(config)
    if config.modality == "2d":
        examples = _in_memory(builder, split)

        def gather(numbers, noise):
            batch = {key: tf.gather(values, numbers) for key, values in examples.items()}
            return encode(batch, config, noise)

        return batches.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
    records = Records(builder, split)
    decoders = _decoders(builder)
    kept = windows.Windows()

    def read(number, noise):
        example = builder.info.features.deserialize_example(records.read(number), decoders=decoders)
        box = windows.reach(example, config)
        window = kept.read(number, example[canonical.IMAGE], box)
        return encode({**example, "window": window, "window_box": box}, config, noise)

    examples = batches.unbatch().map(read, num_parallel_calls=tf.data.AUTOTUNE)
    return examples.batch(batch_size, drop_remainder=True)


def evaluation_batches(builder, config, split, batch_size):
    """Finite dataset of batches in order, without augmentation, the last one maybe smaller.

    With images, each batch also has the encoded `image`s of its examples.
    """
    examples = canonical_examples(builder, split, images=config.modality == "rgb")
    if config.modality == "2d":
        batches = examples.batch(batch_size).map(
            lambda batch: encode(batch, config), num_parallel_calls=tf.data.AUTOTUNE
        )
    else:

        def with_image(example):
            image = {canonical.IMAGE: example[canonical.IMAGE]}
            return {**encode(example, config), **image}

        batches = examples.map(with_image, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size)
    return _deterministic(batches).prefetch(tf.data.AUTOTUNE)


def _in_memory(builder, split):
    """All examples without images: field → tensor `[N, ...]`."""
    count = num_examples(builder, split)
    examples = canonical_examples(builder, split, images=False)
    return examples.batch(count).get_single_element()


def _decoders(builder):
    skip = tfds.decode.SkipDecoding()
    return {canonical.IMAGE: skip} if canonical.IMAGE in builder.info.features else None


def _plain(example, images):
    return {key: value for key, value in example.items() if images or key != canonical.IMAGE}


def _deterministic(dataset):
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _divide(batch, parts):
    if batch % parts:
        raise UserError(f"--batch_size: {batch} examples do not divide into {parts} equal parts")
    return batch // parts
