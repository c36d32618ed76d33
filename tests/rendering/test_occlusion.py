"""The coarse copy hides what the whole mesh hides."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import occlusion, scene
from dcmls_tf.rendering.body import default_body

FRAMES = 24


@pytest.fixture(scope="module")
def scenes():
    return [scene.sample_scene(9, "training", index) for index in range(FRAMES)]


def whole(figure):
    """The figure's occluder with all of its vertices and faces."""
    body = default_body()
    sides = np.full(len(body.faces), occlusion.NO_HAND)
    for side in (hand.LEFT, hand.RIGHT):
        sides[hand.is_of_side(body.face_class, side)] = side
    copy = occlusion.Coarse(np.arange(len(body.part)), body.faces, sides)
    return occlusion.Occluder(copy, figure.posed.vertices)


def seen(scene):
    uv, z = scene.camera.project(scene.figure.joints)
    return scene.camera, uv, z


def test_copy_is_a_fraction_of_the_body_and_has_both_hands():
    body = default_body()
    copy = occlusion.coarse(body)
    assert len(copy.faces) < 0.2 * len(body.faces)
    assert len(np.unique(copy.vertices)) == len(copy.vertices)
    assert set(copy.face_side) == {occlusion.NO_HAND, hand.LEFT, hand.RIGHT}


def test_flags_agree_with_those_of_the_whole_mesh(scenes):
    agree = []
    for s in scenes:
        camera, uv, z = seen(s)
        found = s.figure.occluder.visible(camera, uv, z)
        exact = whole(s.figure).visible(camera, uv, z)
        agree += (found == exact)[occlusion.in_image(uv, camera.size)].tolist()
    assert len(agree) > 20 * FRAMES
    assert np.mean(agree) > 0.99


def test_flags_are_those_of_an_image_of_the_hands(scenes):
    for s in scenes[:4]:
        camera, uv, z = seen(s)
        occluder = whole(s.figure)
        pixels = np.mgrid[: camera.size, : camera.size][::-1].reshape(2, -1).T + 0.5
        image = occluder.sides_at(camera, pixels).reshape(camera.size, camera.size)
        expected = [occlusion.near_own_pixels(uv[side], z[side], image == side) for side in (0, 1)]
        np.testing.assert_array_equal(occluder.visible(camera, uv, z), expected)


def test_size_is_about_the_number_of_pixels(scenes):
    for s in scenes[:8]:
        camera, uv, z = seen(s)
        pixels = np.mgrid[: camera.size, : camera.size][::-1].reshape(2, -1).T + 0.5
        image = whole(s.figure).sides_at(camera, pixels)
        size = s.figure.occluder.sizes(camera, uv, z)[s.side]
        assert size == pytest.approx(np.sum(image == s.side), rel=0.25)


def test_joints_near_pixels_of_their_hand():
    own = np.zeros((20, 30), bool)
    own[10, 15] = True
    uv = np.array([(15.5, 10.5), (17.9, 8.0), (18.0, 10.5), (15.5, 10.5), (30.0, 10.5)])
    z = np.array([1.0, 1.0, 1.0, -1.0, 1.0])
    assert occlusion.near_own_pixels(uv, z, own).tolist() == [True, True, False, False, False]
