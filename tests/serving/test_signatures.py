"""Signatures against the checkpoint's own path, and what no checkpoint has: the camera's frame.

Covers `answers`, `names`, and of `preprocessing` what reaches a signature.
"""

import functools
import io
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from raw_trees import RHD_K

from dcmls_tf import geometry, hand, placement, variants
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.model import predict_pose
from dcmls_tf.serving import preprocessing, warm_up
from dcmls_tf.serving.signatures import DEFAULT_HYPOTHESES, ServedModel

rng = np.random.default_rng(0)
SMALL: dict[str, Any] = {
    "joint_width": 16,
    "disc_width": 8,
    "input_size": 32,
    "reconstruction_size": 16,
}
MEAN_SCALE_MM = 30.0
# Crops are cut from uint8, so a box that differs in its last digit can move a pixel by 1/255.
ROUNDING: Any = {"rtol": 0.02, "atol": 0.03}


def model_of(**options):
    keras.utils.set_random_seed(0)  # The same model, whatever was built before it.
    model = variants.from_config(Config(**{**SMALL, **options}))
    for weight in model.weights:  # Biases start at zero, a translator's output too.
        weight.assign(weight + 0.03 * rng.normal(size=weight.shape))
    return model


def smooth(height, width):
    """A picture that does not change much from pixel to pixel, uint8."""
    blobs = rng.uniform(50, 250, (4, 4, 3))
    return tf.cast(tf.image.resize(blobs, [height, width]), tf.uint8).numpy()


@functools.cache
def signatures_of(model):
    return ServedModel(model, MEAN_SCALE_MM).signatures()


def ask(model, signature, **inputs):
    """A signature as Python calls it: every input given or neutral."""
    function = signatures_of(model)[signature]
    rows = len(next(iter(inputs.values())))
    given = {**warm_up.example_inputs(function, rows), **inputs}
    tensors = {s.name: tf.cast(given[s.name], s.dtype) for s in function.input_signature}
    return {name: value.numpy() for name, value in function(**tensors).items()}


@pytest.fixture(scope="module")
def rgb():
    """A model of photos that mirrors left hands, for the tests that need no other."""
    return model_of()


@pytest.fixture(scope="module")
def batch_of(rhd_tree, data_dir):
    """Config → the evaluation split as one pipeline batch, with the canonical joints beside."""

    def read(config):
        config = config.replace(raw_dir=str(rhd_tree), data_dir=data_dir)
        builder = preparation.from_config(config)
        split = "evaluation"
        batch = next(iter(pipeline.evaluation_batches(builder, config, split, 6)))
        examples = list(pipeline.canonical_examples(builder, split, images=False))
        return batch, {key: np.stack([e[key] for e in examples]) for key in examples[0]}

    return read


def boxes_of(uv):
    return np.concatenate([uv.min(1), uv.max(1)], -1)


def in_camera_frame(model, batch):
    """What the checkpoint's own path predicts, turned back by hand: `Aᵀ y`."""
    y, A = (np.asarray(v) for v in (predict_pose(model, batch), batch["A"]))
    return np.einsum("bji,bnj->bni", A, y)


@pytest.mark.parametrize(
    ("side", "perspective"),
    [
        ("mirror", True),
        pytest.param("input", True, marks=pytest.mark.slow),
        pytest.param("none", False, marks=pytest.mark.slow),
    ],
)
def test_a_photo_gives_what_the_pipeline_and_the_checkpoint_do(side, perspective, batch_of):
    model = model_of(side=side, perspective_crop=perspective)
    batch, truth = batch_of(model.config)
    assert set(truth["side"]) == {hand.LEFT, hand.RIGHT}
    given = {"image": batch["image"], "box": boxes_of(truth["uv"])}
    answer = ask(model, "serving_default", **given, side=truth["side"], K=truth["K"])
    expected = in_camera_frame(model, batch)
    np.testing.assert_allclose(answer["joints"], expected, atol=1e-4)
    np.testing.assert_allclose(answer["joints_mm"], MEAN_SCALE_MM * expected, atol=1e-2)


@pytest.mark.parametrize("root", ["palm", pytest.param("wrist", marks=pytest.mark.slow)])
def test_keypoints_give_what_the_pipeline_and_the_checkpoint_do(root, batch_of):
    model = model_of(modality="2d", root=root)
    batch, truth = batch_of(model.config)
    given = {"keypoints": truth["uv"], "side": truth["side"], "K": truth["K"]}
    expected = in_camera_frame(model, batch)
    for signature in ("keypoints", "serving_default"):
        answer = ask(model, signature, **given, palm=truth["palm_uv"])
        np.testing.assert_allclose(answer["joints"], expected, atol=1e-4)
    # The palm in the image is all but midway between its two joints.
    midway = ask(model, "keypoints", **given)
    np.testing.assert_allclose(midway["joints"], expected, atol=0.02)


def test_keypoints_without_a_camera_are_seen_straight_on():
    model = model_of(modality="2d", root="wrist", side="none")
    uv = rng.uniform(50, 250, (3, 21, 2)).astype(np.float32)
    answer = ask(model, "keypoints", keypoints=uv)
    far_away = np.array([[1e5, 0, 0], [0, 1e5, 0], [0, 0, 1]], np.float32)
    K = np.stack([far_away] * 3)
    K[:, :2, 2] = (uv.min(1) + uv.max(1)) / 2
    side = 1.5 * (uv.max(1) - uv.min(1)).max(-1)[:, None, None]
    x = (uv - K[:, None, :2, 2]) / side
    np.testing.assert_allclose(answer["joints"], model(tf.constant(x)), atol=1e-4)


def test_keypoints_with_the_size_of_their_image_have_a_typical_camera():
    model = model_of(modality="2d", root="wrist", side="none")
    uv = rng.uniform(50, 250, (2, 21, 2)).astype(np.float32)
    K = np.array([[640, 0, 320], [0, 640, 240], [0, 0, 1]], np.float32)
    told = ask(model, "keypoints", keypoints=uv, K=np.stack([K, K]))
    answer = ask(
        model, "keypoints", keypoints=uv, image_size=np.array([[640, 480]] * 2, np.float32)
    )
    np.testing.assert_allclose(answer["joints"], told["joints"], atol=1e-5)


def test_crops_are_as_in_the_photo_and_left_hands_are_mirrored_inside(rgb):
    model = rgb
    crops = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    x = crops.astype(np.float32) / 255 - 0.5
    for signature, given in (("crops", crops), ("crops_float", x)):
        answer = ask(model, signature, crops=given, side=[hand.LEFT, hand.RIGHT])["joints"]
        expected = model(tf.constant(np.stack([x[0, :, ::-1], x[1]]))).numpy()
        expected[0, :, 0] *= -1
        np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_a_mirrored_photo_of_the_other_hand_has_the_mirrored_pose(rgb):
    model = rgb
    pixels = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    photos = [tf.io.encode_png(p).numpy() for p in (pixels, pixels[:, ::-1])]
    boxes = np.array([[10, 15, 40, 50], [40, 15, 70, 50]], np.float32)
    answer = ask(model, "serving_default", image=photos, box=boxes, side=[1, 0])
    np.testing.assert_allclose(answer["joints"][1], answer["joints"][0] * [-1, 1, 1], **ROUNDING)
    np.testing.assert_allclose(answer["uv"][1, :, 0], 80 - answer["uv"][0, :, 0], atol=0.5)


def test_codes_are_the_encoders_and_decode_to_the_prediction(rgb):
    model = rgb
    crop = smooth(32, 32)
    photo = [tf.io.encode_png(crop).numpy()]
    codes = ask(model, "encode", image=photo, K=_straight(32))
    x = tf.constant(crop[None].astype(np.float32) / 255 - 0.5)
    q_h, q_c = model.encode_x(x)
    np.testing.assert_allclose(codes["z_h"], q_h.mean(), **ROUNDING)
    np.testing.assert_allclose(codes["z_c_std"], q_c.stddev(), **ROUNDING)
    decoded = ask(model, "decode", z_h=codes["z_h"], z_c=codes["z_c"])
    np.testing.assert_allclose(decoded["joints"], model(x), **ROUNDING)
    rebuilt = 255 * (model.decode_x(q_h.mean(), q_c.mean()) + 0.5)
    np.testing.assert_allclose(decoded["image"], np.rint(rebuilt), atol=3)


def _straight(size, focal=100):
    """A camera that looks at the middle of an image, so that its crop is the image."""
    return np.array([[[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]], np.float32)


def test_hypotheses_follow_their_own_seeds_and_spread_as_they_say():
    model = model_of(modality="2d")
    uv = rng.uniform(50, 250, (1, 21, 2)).astype(np.float32)
    pair = ask(model, "hypotheses", keypoints=np.repeat(uv, 3, 0), seed=[5, 5, 6])
    alone = ask(model, "hypotheses", keypoints=uv, seed=[6])
    joints = pair["joints"]
    assert joints.shape == (3, DEFAULT_HYPOTHESES, 21, 3)
    np.testing.assert_array_equal(joints[0], joints[1])
    np.testing.assert_allclose(joints[2], alone["joints"][0], atol=1e-5)
    assert np.abs(joints[0] - joints[2]).max() > 1e-3
    expected = np.sqrt(((joints - joints.mean(1, keepdims=True)) ** 2).sum(-1).mean(1))
    np.testing.assert_allclose(pair["std"], expected, atol=1e-5)
    np.testing.assert_allclose(pair["std_mm"], MEAN_SCALE_MM * expected, atol=1e-3)


def test_many_hypotheses_are_about_as_wide_as_the_posterior():
    model = model_of(modality="2d", latent="unified", side="none", root="wrist")
    uv = rng.uniform(50, 250, (1, 21, 2)).astype(np.float32)
    served = ServedModel(model, MEAN_SCALE_MM, hypotheses=2000)
    shapes = {"palm": [1, 2], "image_size": [1, 2], "K": [1, 3, 3]}
    nothing = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    inputs = preprocessing.from_keypoints(model.config, tf.constant(uv))
    q_h, q_c = model.encode_x(inputs["x"])
    sampled = q_h.sample(2000, seed=1).numpy()[:, 0]
    expected = model.decode_y(tf.constant(sampled), tf.zeros([2000, 0])).numpy()
    answer = served.signatures()["hypotheses"](keypoints=uv, **nothing, side=[1], seed=[0])
    np.testing.assert_allclose(answer["joints"][0].numpy().std(0), expected.std(0), rtol=0.15)
    assert q_c.event_shape[0] == 0


@pytest.mark.parametrize("latent", ["full", "unified", "none"])
def test_every_variant_has_its_signatures(latent):
    names = set(signatures_of(model_of(latent=latent, modality="2d")))
    codes = set() if latent == "none" else {"encode", "decode", "hypotheses"}
    assert names == {"serving_default", "keypoints", "keypoints_alone"} | codes


def test_a_model_of_photos_also_takes_crops(rgb):
    names = {"serving_default", "photo", "crops", "crops_float", "encode", "decode", "hypotheses"}
    assert set(signatures_of(rgb)) == names


def test_a_photo_alone_is_a_right_hand_that_fills_it(rgb):
    photos = [tf.io.encode_png(smooth(48, 64)).numpy() for _ in range(2)]
    alone, told = (ask(rgb, name, image=photos) for name in ("photo", "serving_default"))
    assert set(alone) == set(told) == {"joints", "joints_mm", "uv", "root_mm"}
    np.testing.assert_array_equal(alone["joints_mm"], told["joints_mm"])


def test_keypoints_alone_are_a_right_hands():
    model = model_of(modality="2d")
    uv = rng.uniform(50, 250, (2, 21, 2)).astype(np.float32)
    alone, told = (ask(model, name, keypoints=uv) for name in ("keypoints_alone", "keypoints"))
    np.testing.assert_array_equal(alone["joints_mm"], told["joints_mm"])


@pytest.mark.parametrize("kind", ["grey", "16-bit", "rgba", "jpeg", "grey jpeg", "cmyk", "bmp"])
def test_photos_of_many_kinds(kind, rgb):
    """Each says the same as the plain RGB PNG of what it shows."""
    model = rgb
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.stack([ramp + np.zeros((64, 1), np.uint8)] * 3, -1)
    plain = Image.fromarray(pixels)
    made = {
        "grey": (plain.convert("L"), "png"),
        "16-bit": (Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "png"),
        "rgba": (plain.convert("RGBA"), "png"),
        "jpeg": (plain, "jpeg"),
        "grey jpeg": (plain.convert("L"), "jpeg"),
        "cmyk": (plain.convert("CMYK"), "jpeg"),
        "bmp": (plain, "bmp"),
    }
    photos = [_encoded(plain, "png"), _encoded(*made[kind])]
    answer = ask(model, "serving_default", image=photos)["joints"]
    np.testing.assert_allclose(answer[0], answer[1], atol=0.03)


def _encoded(image, form):
    content = io.BytesIO()
    image.save(content, format=form)
    return content.getvalue()


@pytest.mark.parametrize("box", [[50, 10, 20, 40], [10, 10, 10, 40], [70, 10, 90, 40]])
def test_a_box_that_is_none_is_refused(box, rgb):
    photo = [tf.io.encode_png(np.zeros((48, 64, 3), np.uint8)).numpy()]
    with pytest.raises(tf.errors.InvalidArgumentError, match="box: row 0 is no box over"):
        ask(rgb, "serving_default", image=photo, box=np.array([box], np.float32))


def test_a_hand_is_placed_where_its_joints_were_seen(batch_of):
    _, truth = batch_of(Config(**SMALL, modality="2d"))
    relative = tf.constant(truth["xyz_mm"] - truth["xyz_mm"][:, :1])
    uv, K, box = (tf.constant(v) for v in (truth["uv"], truth["K"], boxes_of(truth["uv"])))
    shift = placement.place(relative, uv, tf.ones_like(uv), K)
    np.testing.assert_allclose(shift, truth["xyz_mm"][:, 0], rtol=0.01, atol=1)
    shift = placement.place_in_box(relative, box, K)
    np.testing.assert_allclose(shift, truth["xyz_mm"][:, 0], rtol=0.03, atol=3)
    placed_uv = geometry.project(relative + shift[:, None], tf.constant(RHD_K, tf.float32))
    np.testing.assert_allclose(boxes_of(placed_uv.numpy()), box, atol=1)
