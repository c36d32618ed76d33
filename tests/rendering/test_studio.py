"""One person's right hand, palm to the camera, in a few places."""

import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.rendering import studio
from dcmls_tf.rendering.body import SPLITS
from dcmls_tf.rendering.scene import MIN_VISIBLE


@pytest.fixture(scope="module")
def scenes():
    return [studio.sample_scene(3, split, i) for split in SPLITS for i in range(6)]


def seen(scene, name):
    uv, _ = scene.camera.project(scene.figure.joints[hand.RIGHT])
    return uv[hand.INDEX[name]]


def test_the_palm_faces_the_camera_and_fingers_are_up(scenes):
    for scene in scenes:
        assert scene.sides == (hand.RIGHT,)
        # Of a right hand seen so, the index finger's side is at the right of the picture.
        across = seen(scene, "index_mcp") - seen(scene, "little_mcp")
        up = seen(scene, "middle_mcp") - seen(scene, "wrist")
        assert across[0] > 0
        assert up[1] < 0
        assert abs(np.degrees(np.arctan2(up[0], -up[1]))) < 3.5 * studio.ROLL


def test_views_are_no_farther_from_the_palm_than_they_may_be(scenes):
    for scene in scenes:
        wrist, index, little = (
            scene.camera.to_camera(scene.figure.joints[hand.RIGHT])[hand.INDEX[name]]
            for name in ("wrist", "index_mcp", "little_mcp")
        )
        normal = np.cross(index - wrist, little - wrist)
        tilt = np.degrees(np.arccos(-normal[2] / np.linalg.norm(normal)))
        assert tilt < studio.MAX_TILT + 1


def test_cameras_are_rotations_and_see_the_hand(scenes):
    for scene in scenes:
        view = scene.camera.rotation
        np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(view) == pytest.approx(1)
        flags = scene.annotation.uv_vis[21:, 2]
        assert flags.sum() >= MIN_VISIBLE


def test_who_it_is_follows_from_the_seed_and_gestures_from_the_frame(scenes):
    assert len({id(scene.person) for scene in scenes}) == 1
    assert len({scene.outfit.sleeve_end for scene in scenes}) == 1
    poses = {scene.figure.joints.tobytes() for scene in scenes}
    assert len(poses) == len(scenes)
    again = studio.sample_scene(3, "training", 1)
    np.testing.assert_array_equal(again.annotation.xyz, scenes[1].annotation.xyz)
    outfits = {studio.sample_scene(seed, "training", 0).outfit.sleeve_end for seed in range(4)}
    assert len(outfits) > 1


def test_places_come_back():
    first = [studio.place(3, index).random() for index in range(2 * studio.PLACES)]
    assert first[: studio.PLACES] == first[studio.PLACES :]
    assert len(set(first)) == studio.PLACES
