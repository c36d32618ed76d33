"""Windows: the same crops as from whole images, kept within their memory."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config, geometry
from dcmls_tf.data import encoding, pipeline, preparation, windows


@pytest.fixture(scope="module")
def setup(rhd_tree, data_dir):
    sizes: dict[str, Any] = {"input_size": 32, "reconstruction_size": 16}
    c = config.Config(raw_dir=str(rhd_tree), data_dir=data_dir, **sizes)
    builder = preparation.from_config(c)
    return c, list(pipeline.canonical_examples(builder, "training"))


@pytest.mark.parametrize("corner", [-1.0, 1.0])
def test_a_crop_from_a_window_is_the_crop_from_the_image(setup, corner):
    c, examples = setup
    kept = windows.Windows()
    noise = encoding.Noise(*[corner] * encoding.NOISE_SIZE)
    for number, example in enumerate(examples):
        box = windows.reach(example, c)
        whole = encoding.encode(example, c, noise)["x"]
        for _ in range(2):  # cut, then found again
            window = kept.read(tf.constant(number), example["image"], box)
            H = windows.homography(encoding.encode_hand(example, c, noise)["H"], box)
            crop = geometry.warp_image(window, H, c.input_size)
            cut = encoding.encode_image(crop, c, noise)["x"]
            # The warp rounds to whole grey levels, which a last bit of H can tip.
            np.testing.assert_allclose(cut, whole, atol=2.5 / 255)
            assert np.mean(np.abs(cut - whole) > 1e-3) < 0.01


def test_a_window_is_decoded_once_if_there_is_room(setup):
    c, examples = setup
    box = windows.reach(examples[0], c)
    number = tf.constant(7)
    kept, none = windows.Windows(), windows.Windows(memory_bytes=0)
    first = kept.read(number, examples[0]["image"], box)
    # Another picture under the same number shows which of the two was decoded.
    np.testing.assert_array_equal(kept.read(number, examples[1]["image"], box), first)
    none.read(number, examples[0]["image"], box)
    assert np.any(none.read(number, examples[1]["image"], box) != first)


def test_memory_is_bounded_whatever_the_windows_sizes_and_threads(setup):
    _, examples = setup
    image = examples[0]["image"]

    def kept_of(count, memory_bytes):
        kept = windows.Windows(memory_bytes)

        @tf.function
        def read(number):
            side = tf.cast(10 + 20 * (number % 5), tf.int32)
            return tf.size(kept.read(number, image, tf.stack([0, 0, side, side])))

        numbers = tf.data.Dataset.range(count).map(read, num_parallel_calls=4)
        pixels = sum(size.numpy() for size in numbers)
        return kept, pixels

    kept, pixels = kept_of(40, 1 << 30)
    assert pixels <= kept.taken_bytes() <= pixels + 40 * 100  # a header each
    full, _ = kept_of(400, 200_000)
    one = 3 * 90**2 + 100
    assert 200_000 - one < full.taken_bytes() <= 200_000 + 3 * one  # those that looked at once
