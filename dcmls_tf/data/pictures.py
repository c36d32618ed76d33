"""A folder of pictures of hands without poses: x for the terms that need no label."""

import os

import tensorflow as tf

from dcmls_tf.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp")


def of_config(config):
    """The pictures that a `Config` asks for. Raises `UserError` when x are no pictures."""
    if not config.unpaired_dir:
        return []
    if config.modality != "rgb":
        raise UserError(f"--unpaired_dir={config.unpaired_dir}: is for --modality=rgb")
    return paths(config.unpaired_dir)


def paths(folder):
    """The pictures below a folder, sorted. Raises `UserError` when there are none."""
    found = sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(EXTENSIONS)
    )
    if not found:
        raise UserError(
            f"--unpaired_dir={folder}: there are no pictures ({', '.join(EXTENSIONS)}) in it"
        )
    for path in found:
        _check(path)
    return found


def read(path, size):
    """The middle square of a picture, `[size, size, 3]` in [0, 1]."""
    image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    side = tf.reduce_min(tf.shape(image)[:2])
    image = tf.image.resize_with_crop_or_pad(tf.cast(image, tf.float32) / 255, side, side)
    return tf.ensure_shape(tf.image.resize(image, [size, size], "area"), [size, size, 3])


def _check(path):
    try:
        tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    except tf.errors.OpError:
        raise UserError(
            f"--unpaired_dir: {path} is damaged or no picture; mend it or take it out"
        ) from None
