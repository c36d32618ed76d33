"""What becomes of one example, against NumPy and against the raw files; and of its `crop`."""

from typing import Any

import numpy as np
import pytest
import raw_trees

from dcmls_tf import geometry, hand
from dcmls_tf.config import Config
from dcmls_tf.data import encoding, pipeline, preparation
from dcmls_tf.data.encoding import Noise, as_noise

RGB: dict[str, Any] = {"input_size": 64, "reconstruction_size": 32}


@pytest.fixture(scope="module")
def stb(stb_tree, data_dir):
    return preparation.prepare("stb", str(stb_tree), data_dir, False)


@pytest.fixture(scope="module")
def examples(rhd_tree, data_dir):
    rhd = preparation.prepare("rhd", str(rhd_tree), data_dir, True)
    return list(pipeline.canonical_examples(rhd, "training"))


def _draw(seed: int, *count: int) -> Any:
    shape = (*count, encoding.NOISE_SIZE)
    return np.float32(np.random.default_rng(seed).uniform(-1, 1, shape))


def _numpy(example: Any) -> dict[str, Any]:
    return {key: value.numpy() for key, value in example.items()}


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("side", ["mirror", "input"])
@pytest.mark.parametrize("root", ["palm", "wrist", "middle_mcp"])
def test_encoding_keeps_what_it_was_given(examples, root, side, perspective):
    config = Config(
        modality="2d", root=root, side=side, perspective_crop=perspective, input_size=64
    )
    for seed, example in enumerate(examples[:4]):
        out = _numpy(encoding.encode(example, config, as_noise(_draw(seed), config)))
        xyz_mm, uv = example["xyz_mm"].numpy().copy(), example["uv"].numpy().copy()
        if root == "palm":
            xyz_mm[0], uv[0] = example["palm_mm"], example["palm_uv"]
        root_mm = xyz_mm[{"palm": 0, "wrist": 0, "middle_mcp": 9}[root]]
        scale = np.linalg.norm(xyz_mm[10] - xyz_mm[9])
        np.testing.assert_allclose(out["y"], (xyz_mm - root_mm) @ out["A"].T / scale, atol=1e-4)
        in_crop = np.c_[uv, np.ones(21)] @ out["H"].T
        np.testing.assert_allclose(out["x"], in_crop[:, :2] / in_crop[:, 2:] / 64 - 0.5, atol=1e-4)
        np.testing.assert_allclose(out["root_mm"], root_mm, rtol=1e-5)
        np.testing.assert_allclose(out["scale_mm"], scale, rtol=1e-5)
        np.testing.assert_array_equal(out["xyz_mm"], xyz_mm)
        mirrored = side == "mirror" and example["side"] == hand.LEFT
        assert np.linalg.det(out["A"]) == pytest.approx(-1 if mirrored else 1, abs=1e-4)
        back = geometry.denormalise(out["y"], out["root_mm"], out["scale_mm"], out["A"])
        np.testing.assert_allclose(raw_trees.project(back, out["K"]), uv, atol=0.05)


def test_the_image_shows_the_joints_where_x_says(examples):
    """Colours of the joints' discs are found at the augmented, mirrored joints."""
    config = Config(**RGB, root="wrist", augment_hue=0).replace(input_size=160)
    hits = []
    for seed, example in enumerate(examples):
        out = encoding.encode(example, config, as_noise(_draw(seed), config))
        crop = 255 * (out["x"].numpy() + 0.5)
        uv = np.asarray(geometry.apply_homography(out["uv"], out["H"]))
        for joint in hand.TIPS:
            u, v = uv[joint].astype(int)
            colour = crop[min(v, 159), min(u, 159)]
            hits.append(np.abs(colour - hand.joint_colour(joint)).max() < 40)
    assert np.mean(hits) > 0.85  # discs of later joints may lie over a tip


def test_left_hands_become_right_ones(examples):
    """With the palm towards one, thumb and little finger swap sides between hands."""
    config = Config(modality="2d", root="wrist", augment_rotation=0)
    chirality = {}
    for name in ("mirror", "none"):
        y = [encoding.encode(e, config.replace(side=name))["y"].numpy() for e in examples]
        # The side of the palm's plane (wrist, index, little MCP) to which the thumb's base lies
        # and fingers curl has the same sign for all hands of one side.
        chirality[name] = [
            np.sign(np.dot(np.cross(p[5] - p[0], p[17] - p[0]), p[8] + p[12] + p[16] - 3 * p[9]))
            for p in y
        ]
    sides = np.array([e["side"].numpy() for e in examples])
    assert len(set(chirality["mirror"])) == 1
    np.testing.assert_array_equal(
        np.array(chirality["none"]) == chirality["mirror"], sides == hand.RIGHT
    )


def test_images_have_their_range_and_target(examples):
    config = Config(**RGB)
    out: Any = encoding.encode(examples[0], config, as_noise(_draw(0), config))
    x, target = out["x"].numpy(), out["x_target"].numpy()
    assert x.shape == (64, 64, 3)
    assert target.shape == (32, 32, 3)
    assert x.min() >= -0.5
    assert x.max() <= 0.5
    assert x.std() > 0.05
    blocks = x.reshape(32, 2, 32, 2, 3).mean((1, 3))
    np.testing.assert_allclose(target, blocks, atol=1e-5)


def test_colours_change_with_hue_only_when_asked(examples):
    noise = Noise(hue=1.0, contrast=1.0, brightness=1.0)
    plain = encoding.encode(examples[0], Config(**RGB))["x"]
    changed = encoding.encode(examples[0], Config(**RGB), noise)["x"]
    unchanged = encoding.encode(examples[0], Config(**RGB, augment_hue=0), noise)["x"]
    np.testing.assert_allclose(unchanged, plain, atol=1e-5)
    assert np.abs(changed - plain).mean() > 0.02


def test_another_view_is_the_same_hand_projected_anew(stb):
    config = Config(modality="2d", augment_view=40, root="middle_mcp")
    batch = pipeline.canonical_examples(stb, "training").batch(16).get_single_element()
    noise = _draw(5, 16)
    out = _numpy(encoding.encode(batch, config, as_noise(noise, config)))
    before, after = batch["xyz_mm"].numpy(), out["xyz_mm"]
    np.testing.assert_allclose(after[:, 9], before[:, 9], atol=1e-2)
    moved = np.linalg.norm(after - before, axis=-1).max(1)
    assert np.all(moved > np.abs(as_noise(noise, config).view_angle) * 10)

    def lengths(xyz):
        return np.linalg.norm(xyz[:, 1:] - xyz[:, hand.PARENTS[1:]], axis=-1)

    np.testing.assert_allclose(lengths(after), lengths(before), rtol=1e-3)
    for i in range(16):
        np.testing.assert_allclose(
            raw_trees.project(after[i], out["K"][i]), out["uv"][i], atol=0.02
        )
        in_crop_frame = after[i] @ out["A"][i].T
        crop_K = out["H"][i] @ out["K"][i] @ out["A"][i].T
        seen = raw_trees.project(in_crop_frame, crop_K)
        np.testing.assert_allclose(out["x"][i], seen / 256 - 0.5, atol=1e-4)


def test_a_batch_is_its_examples(stb):
    config = Config(modality="2d", augment_view=20)
    batch = pipeline.canonical_examples(stb, "training").batch(16).get_single_element()
    noise = _draw(6, 16)
    together = encoding.encode(batch, config, as_noise(noise, config))
    for i in (0, 7):
        example: Any = {key: value[i] for key, value in batch.items()}
        alone = encoding.encode(example, config, as_noise(noise[i], config))
        for key in ("x", "y", "H", "A"):
            np.testing.assert_allclose(together[key][i], alone[key], rtol=1e-4, atol=1e-4)


def _with_extra(seed: int, config: Config, count: int) -> Any:
    size = encoding.NOISE_SIZE + sum(encoding.extra_noise_sizes(config))
    return np.float32(np.random.default_rng(seed).uniform(-1, 1, (count, size)))


def test_another_focal_length_turns_x_and_y_together(stb):
    config = Config(modality="2d", augment_focal=0.4, dataset="stb")
    batch = pipeline.canonical_examples(stb, "training").batch(16).get_single_element()
    noise: Any = as_noise(_with_extra(7, config, 16), config)
    out = _numpy(encoding.encode(batch, config, noise))
    factor = out["K"][:, 0, 0] / batch["K"].numpy()[:, 0, 0]
    np.testing.assert_allclose(np.log(factor), 0.4 * noise.focal, rtol=1e-4)
    np.testing.assert_array_equal(out["K"][:, :, 2], batch["K"][:, :, 2])
    # x is what a camera of the wrong focal length makes of the true px.
    refocused: Any = {**batch, "K": out["K"]}
    seen = encoding.encode(refocused, config, noise._replace(focal=0.0))
    np.testing.assert_allclose(out["x"], seen["x"], atol=1e-5)
    np.testing.assert_allclose(out["y"], seen["y"], atol=1e-5)


def test_detected_keypoints_are_off_and_poses_are_not(stb):
    config = Config(modality="2d", augment_keypoints=0.04, dataset="stb")
    batch = pipeline.canonical_examples(stb, "training").batch(16).get_single_element()
    noise: Any = as_noise(_with_extra(8, config, 16), config)
    out = _numpy(encoding.encode(batch, config, noise))
    plain = _numpy(encoding.encode(batch, config.replace(augment_keypoints=0), noise))
    np.testing.assert_array_equal(out["xyz_mm"], plain["xyz_mm"])
    side = np.ptp(batch["uv"].numpy(), axis=1).max(1)
    error = np.linalg.norm(out["uv"] - plain["uv"], axis=-1)[:, 1:].mean(1) / side
    badly_seen = np.abs(noise.keypoints[:, 0])
    assert np.all(error < 0.15 * badly_seen)
    assert np.corrcoef(error, badly_seen)[0, 1] > 0.8
    wrist, ring_mcp = hand.PALM_JOINTS["stb"]
    detected = encoding.detector_noise.displaced(batch["uv"], noise.keypoints, 0.04).numpy()
    middle = (detected[:, wrist] + detected[:, ring_mcp]) / 2
    np.testing.assert_allclose(out["uv"][:, 0], middle, atol=1e-3)


def test_other_bones_are_longer_or_shorter_by_their_number_and_x_follows(stb):
    config = Config(modality="2d", augment_bones=0.2, root="wrist", dataset="stb")
    batch = pipeline.canonical_examples(stb, "training").batch(16).get_single_element()
    noise: Any = as_noise(_with_extra(9, config, 16), config)
    out = _numpy(encoding.encode(batch, config, noise))

    def bones(xyz):
        return xyz[:, 1:] - xyz[:, hand.PARENTS[1:]]

    before, after = bones(batch["xyz_mm"].numpy()), bones(out["xyz_mm"])
    np.testing.assert_allclose(after, before * (1 + 0.2 * noise.bones)[..., None], atol=0.01)
    np.testing.assert_array_equal(out["xyz_mm"][:, 0], batch["xyz_mm"][:, 0])
    for i in range(16):
        np.testing.assert_allclose(
            raw_trees.project(out["xyz_mm"][i], out["K"][i]), out["uv"][i], atol=0.02
        )


def test_what_a_detector_was_off_stays_when_the_hand_is_seen_from_elsewhere(stb):
    config = Config(modality="2d", augment_view=40, root="wrist")
    batch = pipeline.canonical_examples(stb, "training").batch(16).get_single_element()
    off = np.float32(np.random.default_rng(1).normal(0, 3, (16, 21, 2)))
    noise = as_noise(_draw(10, 16), config)
    exact = encoding.moved_in_space(batch, config, noise)
    detected: Any = {**batch, "uv": batch["uv"] + off}
    seen = encoding.moved_in_space(detected, config, noise)
    np.testing.assert_allclose(seen["uv"] - exact["uv"], off, atol=1e-3)
    np.testing.assert_array_equal(seen["xyz_mm"], exact["xyz_mm"])
