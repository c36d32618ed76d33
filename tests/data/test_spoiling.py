"""Spoiled pictures against SciPy and Pillow, and what is drawn for a training."""

import io
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image

import dcmls_tf
from dcmls_tf.config import SPOILS_PICTURES as OPTIONS
from dcmls_tf.config import Config
from dcmls_tf.data import encoding, pipeline, preparation, spoiling
from dcmls_tf.data.spoiling import Numbers
from dcmls_tf.errors import UserError

SIZE = 48
SPOILED: dict[str, Any] = dict.fromkeys(OPTIONS, 0.2)
NEVER = dict.fromkeys(Numbers._fields, 1.0)
SMALL: dict[str, Any] = {"input_size": SIZE, "reconstruction_size": 16}


def numbers(**values):
    return Numbers(**{k: tf.constant(v, tf.float32) for k, v in {**NEVER, **values}.items()})


def spoil(image, values, **options):
    config = Config(**SMALL, **options)
    return spoiling.spoiled(tf.constant(image), config, tf.stack(numbers(**values))).numpy()


@pytest.fixture(scope="module")
def image():
    smooth = scipy.ndimage.gaussian_filter(np.random.default_rng(0).random((SIZE, SIZE, 3)), 1.5)
    return np.float32((smooth - smooth.min()) / np.ptp(smooth))


def test_without_an_option_a_picture_stays(image):
    np.testing.assert_array_equal(spoil(image, {}), image)
    assert not spoiling.wanted(Config())
    assert all(spoiling.wanted(Config().replace(**{option: 0.1})) for option in OPTIONS)


def test_round_blur_is_a_gaussian_filter(image):
    std = 0.04 * SIZE
    ours = spoil(image, {"blur": -1.0, "across": 1.0, "direction": 0.3}, augment_blur=0.04)
    truncate = int(np.ceil(2.5 * std)) / std
    filtered = scipy.ndimage.gaussian_filter(image, (std, std, 0), mode="mirror", truncate=truncate)
    np.testing.assert_allclose(ours, filtered, atol=1e-4)


@pytest.mark.parametrize("direction", [0.0, 0.5, 0.25])
def test_motion_blur_is_along_its_direction(direction):
    dot = np.zeros([SIZE, SIZE, 3], np.float32)
    dot[SIZE // 2, SIZE // 2] = 1
    moved = {"blur": 0.8, "across": 0.0, "direction": direction}
    ours = spoil(dot, moved, augment_blur=0.1)[..., 0]
    y, x = np.indices(ours.shape) - SIZE // 2
    along = np.cos(np.pi * direction) * x + np.sin(np.pi * direction) * y
    across = np.cos(np.pi * direction) * y - np.sin(np.pi * direction) * x
    assert ours.sum() == pytest.approx(1, abs=1e-4)
    assert np.sqrt((ours * along**2).sum()) == pytest.approx(0.8 * 0.1 * SIZE, rel=0.05)
    assert np.sqrt((ours * across**2).sum()) < 0.05


def test_no_blur_is_the_picture(image):
    np.testing.assert_allclose(spoil(image, {"blur": 0.0}, augment_blur=0.1), image, atol=1e-6)


def test_grey_is_pillows(image):
    whole = np.round(255 * image).astype(np.uint8)
    grey = np.asarray(Image.fromarray(whole).convert("L"))
    ours = spoil(whole / np.float32(255), {"grey": 0.4}, augment_grey=0.5)
    np.testing.assert_allclose(255 * ours, np.repeat(grey[..., None], 3, -1), atol=1)
    kept = spoil(image, {"grey": 0.6}, augment_grey=0.5)
    np.testing.assert_array_equal(kept, image)


def test_jpeg_is_about_pillows(image):
    whole = np.round(255 * image).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(whole).save(file, "JPEG", quality=40)
    lost = np.asarray(Image.open(file), np.float32) - whole
    ours = 255 * spoil(whole / np.float32(255), {"jpeg": 1.0}, augment_jpeg=0.6) - whole
    assert np.abs(lost).mean() > 1
    assert np.abs(ours - lost).mean() < 0.2 * np.abs(lost).mean()


def test_noise_is_normal_and_the_same_for_the_same_numbers():
    grey = np.full([SIZE, SIZE, 3], 0.5, np.float32)
    values = {"noise": -0.5, "pattern": 0.1}
    noisy = spoil(grey, values, augment_noise=0.1)
    assert (noisy - grey).std() == pytest.approx(0.05, rel=0.03)
    np.testing.assert_array_equal(noisy, spoil(grey, values, augment_noise=0.1))
    other = spoil(grey, {**values, "pattern": 0.1000001}, augment_noise=0.1)
    assert abs(np.corrcoef((noisy - grey).ravel(), (other - grey).ravel())[0, 1]) < 0.1


def test_what_is_in_front_is_an_ellipse_of_one_colour(image):
    place = {"centre_x": -0.25, "centre_y": 0.25, "axis_x": 0.5, "axis_y": -1.0}
    colour = {"red": -1.0, "green": 0.0, "blue": 1.0}
    ours = spoil(image, {"covered": 0.1, **place, **colour}, augment_cover=0.2)
    covered = np.any(ours != image, -1)
    np.testing.assert_allclose(ours[covered], [[0, 0.5, 1]] * covered.sum())
    assert covered.mean() == pytest.approx(np.pi * 0.15 * 0.25, rel=0.05)
    y, x = np.argwhere(covered).mean(0)
    assert (x, y) == pytest.approx((0.375 * SIZE - 0.5, 0.625 * SIZE - 0.5), abs=0.5)
    np.testing.assert_array_equal(spoil(image, {"covered": -0.3}, augment_cover=0.2), image)


def test_a_training_draws_it_for_x_alone_and_all_else_stays(rhd_tree, data_dir):
    plain = Config(raw_dir=str(rhd_tree), data_dir=data_dir, batch_size=4, **SMALL)
    spoiled = plain.replace(**SPOILED)
    builder = preparation.from_config(plain)
    batches = [next(iter(pipeline.training_batches(builder, c))) for c in (plain, spoiled)]
    for key in ("id", "y", "H", "x_target"):
        np.testing.assert_array_equal(batches[0][key], batches[1][key])
    gaps = np.abs(batches[0]["x"] - batches[1]["x"]).mean((1, 2, 3))
    assert np.all(gaps > 1e-3)
    again = next(iter(pipeline.training_batches(builder, spoiled)))
    np.testing.assert_array_equal(again["x"], batches[1]["x"])
    assert encoding.extra_noise_sizes(spoiled) == (0, spoiling.SIZE)


def test_unpaired_pictures_are_spoiled_and_unpaired_poses_are_none(rhd_tree, data_dir):
    spoiled = Config(
        raw_dir=str(rhd_tree), data_dir=data_dir, batch_size=4, labelled_percent=50, **SMALL
    ).replace(**SPOILED)
    builder = preparation.from_config(spoiled)
    unpaired = next(iter(pipeline.training_batches(builder, spoiled)))["unpaired"]
    target = tf.image.resize(unpaired["x"], [16, 16], "area")
    assert np.all(np.abs(target - unpaired["x_target"]).mean((1, 2, 3)) > 1e-3)
    assert unpaired["y"].shape == (4, 21, 3)


@pytest.mark.slow
def test_a_training_on_spoiled_pictures(rhd_tree, data_dir, tmp_path):
    options: dict[str, Any] = {**SMALL, **SPOILED}
    config = Config(
        raw_dir=str(rhd_tree),
        data_dir=data_dir,
        run_dir=str(tmp_path / "run"),
        encoder="resnet18_small",
        batch_size=4,
        epochs=1,
        validation_percent=25,
        **options,
    )
    assert np.isfinite(dcmls_tf.train(config).best_epe_mm())
    assert np.isfinite(dcmls_tf.evaluate(config.run_dir)["epe_mm"])


@pytest.mark.parametrize("option", OPTIONS)
def test_keypoints_are_not_pictures(option):
    with pytest.raises(UserError, match=f"--{option}=0.1: spoils pictures"):
        Config(modality="2d").replace(**{option: 0.1})
