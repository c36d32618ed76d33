"""Canonical example → model example: crop, root, scale, augmentation.

Every step is a function of one example, or of a batch of them where there is no image.
"""

import math
from typing import cast

import numpy as np
import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import geometry, hand
from dcmls_tf.config import Config
from dcmls_tf.data import detector_noise, spoiling
from dcmls_tf.data.crop import STILL, Noise, crop_to_hand
from dcmls_tf.data.examples import (
    CanonicalExample,
    Joints,
    ModelExample,
    ModelInput,
    PlacedExample,
)

# Ranges of the colour changes that go with hue: ± parts, brightness of the full range.
SATURATION, CONTRAST, BRIGHTNESS = 0.25, 0.25, 0.1

# The numbers that every example draws, and those of its hand that some options add.
NOISE_SIZE = Noise._fields.index("focal")
_BONES = hand.NUM_JOINTS - 1
_OF_HAND = [1, _BONES, detector_noise.SIZE]


def extra_noise_sizes(config: Config) -> tuple[int, int]:
    """The numbers that an example draws beside `NOISE_SIZE`, for its hand and for its picture."""
    of_hand = config.augment_focal or config.augment_bones or config.augment_keypoints
    return sum(_OF_HAND) if of_hand else 0, spoiling.SIZE if spoiling.wanted(config) else 0


def as_noise(values: Float[tf.Tensor, "*B N"], config: Config) -> Noise:
    """The `Noise` whose numbers lie along the last axis of `values`."""
    sizes = extra_noise_sizes(config)
    numbers, of_hand, of_picture = tf.split(values, [NOISE_SIZE, *sizes], axis=-1)
    noise = Noise(*tf.unstack(numbers, axis=-1))
    if sizes[0]:
        focal, bones, keypoints = tf.split(of_hand, _OF_HAND, axis=-1)
        noise = noise._replace(focal=focal[..., 0], bones=bones, keypoints=keypoints)
    return noise._replace(picture=of_picture) if sizes[1] else noise


def encode(example: CanonicalExample, config: Config, noise: Noise = STILL) -> ModelExample:
    """A canonical example → a model example, augmented by `noise`.

    With `config.modality == "rgb"` it is one example with its `image`; otherwise any leading
    dimensions are fine.
    """
    placed = encode_hand(example, config, noise)
    if config.modality == "rgb":
        x = encode_image(crop_image(example, placed["H"], config), config, noise)
    else:
        x = encode_joints(placed["uv"], placed["H"], config)
    return cast(ModelExample, {**placed, **x})


def encode_hand(example: CanonicalExample, config: Config, noise: Noise = STILL) -> PlacedExample:
    """A canonical example → all of a model example but x; any leading dimensions."""
    if noise is not STILL and (config.augment_view or config.augment_bones):
        example = moved_in_space(example, config, noise)
    if noise.keypoints is not None:
        example = seen_by_a_detector(example, config, noise)
    H, A = crop_to_hand(example, config, noise)
    joints = with_root(example, config.root)
    root_mm = root_of(joints, config.root)
    scale_mm = geometry.scale_bone_mm(joints["xyz_mm"])
    return {
        **joints,
        "y": geometry.normalise(joints["xyz_mm"], root_mm, scale_mm, A),
        "H": H,
        "A": A,
        "root_mm": root_mm,
        "scale_mm": scale_mm,
        "K": example["K"],
        "side": example["side"],
        "id": example["id"],
    }


def moved_in_space(example: CanonicalExample, config: Config, noise: Noise) -> CanonicalExample:
    """The hand with bones of other lengths, turned about its root out of the image plane.

    `uv` is projected anew; where it was off the joints' projections, a detector's say, it stays
    off by as many px.
    """
    K = example["K"]
    before = tf.concat([example["xyz_mm"], example["palm_mm"][..., None, :]], -2)
    points = before
    if noise.bones is not None:
        points = other_bones(points, 1 + config.augment_bones * noise.bones, config)
    joints = {**example, "xyz_mm": points[..., :-1, :], "palm_mm": points[..., -1, :]}
    root_mm = root_of(with_root(cast(CanonicalExample, joints), config.root), config.root)
    axis = math.pi * noise.view_axis
    turn = geometry.tilt(axis, math.radians(config.augment_view) * noise.view_angle)
    points = geometry.rotate_about(points, turn, root_mm)
    seen = tf.concat([example["uv"], example["palm_uv"][..., None, :]], -2)
    uv = geometry.project(points, K) + seen - geometry.project(before, K)
    return {
        **example,
        "xyz_mm": points[..., :-1, :],
        "palm_mm": points[..., -1, :],
        "uv": uv[..., :-1, :],
        "palm_uv": uv[..., -1, :],
    }


def other_bones(
    points: Float[tf.Tensor, "*B 22 3"], factors: Float[tf.Tensor, "*B 20"], config: Config
) -> Float[tf.Tensor, "*B 22 3"]:
    """Joints, and after them the palm's centre, of a hand whose bones are longer by `factors`."""
    joints = points[..., :-1, :]
    bones = joints[..., 1:, :] - tf.gather(joints, hand.PARENTS[1:], axis=-2)
    steps = tf.einsum("jb,...bd->...jd", _CHAIN, bones * (factors - 1)[..., None])
    moved_palm = tf.reduce_mean(tf.gather(steps, hand.PALM_JOINTS[config.dataset], axis=-2), -2)
    return points + tf.concat([steps, moved_palm[..., None, :]], -2)


def _chain() -> Float[np.ndarray, "21 20"]:
    """1 where a bone, named by the joint at its end, is between the wrist and a joint."""
    chain = np.zeros([hand.NUM_JOINTS, hand.NUM_JOINTS], np.float32)
    for joint in range(1, hand.NUM_JOINTS):
        chain[joint] = chain[hand.PARENTS[joint]]
        chain[joint, joint] = 1
    return chain[:, 1:]


_CHAIN = _chain()


def seen_by_a_detector(example: CanonicalExample, config: Config, noise: Noise) -> CanonicalExample:
    """The same hand as a detector would have it in a photo whose camera is not known.

    `K` gets another focal length; `uv` the errors of `detector_noise`, and the palm's centre is
    where detected joints have it.
    """
    factor = tf.exp(config.augment_focal * noise.focal)
    example = {**example, "K": geometry.with_focal(example["K"], factor)}
    if noise.keypoints is None or not config.augment_keypoints:
        return example
    uv = detector_noise.displaced(example["uv"], noise.keypoints, config.augment_keypoints)
    wrist, other = hand.PALM_JOINTS[config.dataset]
    palm_uv = (uv[..., wrist, :] + uv[..., other, :]) / 2
    return {**example, "uv": uv, "palm_uv": palm_uv}


def with_root(example: CanonicalExample, root: str) -> Joints:
    """The joints of an example; for the root `palm`, joint 0 is the palm's centre."""
    uv, xyz_mm, visible = example["uv"], example["xyz_mm"], example["visible"]
    if root == "palm":
        uv = _with_first(uv, example["palm_uv"])
        xyz_mm = _with_first(xyz_mm, example["palm_mm"])
        visible = tf.concat([example["palm_visible"][..., None], visible[..., 1:]], -1)
    return {"uv": uv, "xyz_mm": xyz_mm, "visible": visible}


def _with_first(
    joints: Float[tf.Tensor, "*B 21 D"], first: Float[tf.Tensor, "*B D"]
) -> Float[tf.Tensor, "*B 21 D"]:
    return tf.concat([first[..., None, :], joints[..., 1:, :]], -2)


def root_of(joints: Joints, root: str) -> Float[tf.Tensor, "*B 3"]:
    """The root joint in mm, camera's frame, of joints that `with_root` returned."""
    return joints["xyz_mm"][..., hand.MIDDLE_MCP if root == "middle_mcp" else 0, :]


def encode_joints(
    uv: Float[tf.Tensor, "*B 21 2"], H: Float[tf.Tensor, "*B 3 3"], config: Config
) -> ModelInput:
    """x of joints: px of the image → px of the crop over its side, less 0.5."""
    return {"x": geometry.to_unit_square(geometry.apply_homography(uv, H), config.input_size)}


def crop_image(
    example: CanonicalExample, H: Float[tf.Tensor, "3 3"], config: Config
) -> Float[tf.Tensor, "S S 3"]:
    """The crop, in [0, 1], of an example's image."""
    assert "image" in example
    pixels = tf.io.decode_png(example["image"], channels=3)
    return geometry.warp_image(pixels, H, config.input_size)


def encode_image(
    crop: Float[tf.Tensor, "S S 3"], config: Config, noise: Noise = STILL
) -> ModelInput:
    """x of a crop in [0, 1], and what decoder_x has to give: x before it was spoiled."""
    if noise is not STILL and config.augment_hue:
        crop = recolour(crop, config, noise)
    size = config.reconstruction_size
    target = crop if size == config.input_size else tf.image.resize(crop, [size, size], "area")
    if noise.picture is not None:
        crop = spoiling.spoiled(crop, config, noise.picture)
    return {"x": crop - 0.5, "x_target": tf.ensure_shape(target, [size, size, 3]) - 0.5}


def recolour(
    image: Float[tf.Tensor, "h w 3"], config: Config, noise: Noise
) -> Float[tf.Tensor, "h w 3"]:
    """Other hue, saturation, contrast and brightness; both images in [0, 1]."""
    image = tf.image.adjust_hue(image, config.augment_hue * noise.hue)
    image = tf.image.adjust_saturation(image, 1 + SATURATION * noise.saturation)
    image = tf.image.adjust_contrast(image, 1 + CONTRAST * noise.contrast)
    return tf.clip_by_value(image + BRIGHTNESS * noise.brightness, 0, 1)
