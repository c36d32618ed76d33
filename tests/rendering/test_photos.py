"""What photos and webcams show, in a `mix`: cameras, `scenery`, `sensor`, `jewellery`, poses."""

import dataclasses

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import (
    appearance,
    backgrounds,
    camera,
    jewellery,
    mix,
    poses,
    scene,
    scenery,
    sensor,
)
from dcmls_tf.rendering import body as body_lib


@pytest.fixture(scope="module")
def person():
    return body_lib.default_body().person(2)


def test_near_hands_are_larger_in_the_frame_than_rhds():
    def spans(kind):
        found = []
        for index in range(40):
            s = scene.sample_scene(2, "training", index, kind)
            uv, _ = s.camera.project(s.figure.joints[s.side])
            found.append(np.ptp(uv, axis=0).max() / s.camera.size)
        return np.array(found)

    near = spans(dataclasses.replace(mix.PHOTOS, near=1.0))
    assert near.max() > 0.6
    assert near.mean() > 1.3 * spans(mix.RHD).mean()


def test_egocentric_cameras_are_at_the_eyes(person):
    rng = np.random.default_rng(0)
    joints, eyes = np.full((21, 3), (0.2, 1.2, 0.5)) + rng.normal(0, 0.05, (21, 3)), (0, 1.6, 0.1)
    for _ in range(10):
        view = camera.sample_near_camera(rng, joints, np.array(eyes), egocentric=1.0)
        towards = (view.position - joints.mean(0)) / np.linalg.norm(view.position - joints.mean(0))
        to_eyes = (eyes - joints.mean(0)) / np.linalg.norm(eyes - joints.mean(0))
        assert towards @ to_eyes > 0.8


def test_rhds_mix_has_no_extras():
    assert set(dataclasses.asdict(mix.RHD).values()) == {0.0}
    for index in range(8):
        s = scene.sample_scene(2, "training", index)
        assert s.figure.thing is None
        assert not s.near


def test_things_are_in_some_hands():
    kind = dataclasses.replace(mix.RHD, object=1.0)
    things = [scene.sample_scene(2, "training", i, kind).figure.thing for i in range(0, 16, 2)]
    assert any(thing is not None for thing in things)


@pytest.mark.parametrize("paths", [[], None])
def test_scenery_is_a_linear_image(paths):
    rng = np.random.default_rng(1)
    paths = backgrounds.photographs() if paths is None else paths
    for size in (48, 131, 256):
        image = scenery.sample_scenery(rng, paths, size)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() >= 0


def test_photographs_are_bytes_and_dim_ones_darker():
    grey = np.full((64, 64, 3), 0.3, np.float32)
    bright, dim = (
        [
            sensor.photograph(np.random.default_rng(i), grey, dataclasses.replace(mix.RHD, dim=d))
            for i in range(12)
        ]
        for d in (0.0, 1.0)
    )
    assert bright[0].dtype == np.uint8
    assert bright[0].shape == (64, 64, 3)
    assert np.mean(dim) < 0.8 * np.mean(bright)


def test_motion_smears_along_a_line_and_keeps_the_light():
    kernel = sensor.motion_kernel(np.random.default_rng(3), 12.0)
    assert kernel.sum() == pytest.approx(1)
    rows, columns = np.nonzero(kernel)
    assert max(np.ptp(rows), np.ptp(columns)) >= 7
    spread = np.linalg.eigvalsh(np.cov(rows, columns))
    assert spread[0] < 0.15 * spread[1]


def test_a_ring_goes_round_its_finger_alone(person):
    texture = appearance.texture_of(person)
    band = jewellery.Band(hand.LEFT, 3, 0.018, 0.006, np.array([0.6, 0.4, 0.1]), 0.8)
    rest = person.rest_vertices
    classes = np.full(len(rest), hand.HAND_CLASSES[hand.LEFT].start + 3 * 3 + 2)
    under = jewellery._under(band, texture, rest, texture.limbs, classes)
    base, following = person.rest_joints[hand.LEFT, [13, 14]]
    middle = base + 0.018 * (following - base) / np.linalg.norm(following - base)
    near = under & (np.linalg.norm(rest - middle, axis=1) < 0.02)
    assert near.sum() >= 4
    assert not jewellery._under(band, texture, rest, texture.limbs, classes + 3).any()


def test_hands_together_are_near_one_another(person):
    def gaps(together):
        rng = np.random.default_rng(4)
        drawn = [poses.sample_pose(rng, "training", person, together=together) for _ in range(16)]
        joints = [person.joints(pose) for pose in drawn]
        return [np.linalg.norm(a[:, None] - b, axis=-1).min() for a, b in joints]

    assert np.median(gaps(1.0)) < 0.12 < np.median(gaps(0.0))
    assert min(gaps(1.0)) > 0.02
