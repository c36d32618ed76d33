"""Scenes follow from their number; two frames share a person and show a hand each."""

import numpy as np

from dcmls_tf import hand
from dcmls_tf.rendering import scene


def test_a_scene_does_not_depend_on_those_before():
    first = scene.sample_scene(5, "training", 7)
    scene.sample_scene(5, "training", 90)
    scene._figure.cache_clear()
    again = scene.sample_scene(5, "training", 7)
    for name in ("xyz", "uv_vis", "K"):
        np.testing.assert_array_equal(
            getattr(again.annotation, name), getattr(first.annotation, name)
        )


def test_consecutive_frames_show_both_hands():
    scenes = [scene.sample_scene(5, "evaluation", index) for index in range(6)]
    assert [s.side for s in scenes] == [hand.LEFT, hand.RIGHT] * 3
    shared = [a.figure is b.figure for a, b in zip(scenes[::2], scenes[1::2], strict=True)]
    assert any(shared)
    assert len({id(s.figure) for s in scenes}) >= 3


def test_labelled_hand_is_well_seen():
    for index in range(8):
        s = scene.sample_scene(6, "training", index)
        rows = slice(21 * s.side, 21 * s.side + 21)
        assert s.annotation.uv_vis[rows, 2].sum() >= scene.MIN_VISIBLE
        assert np.ptp(s.annotation.uv_vis[rows, :2], axis=0).max() >= scene.MIN_BOX_PX
        assert np.linalg.norm(s.posed.vertices - s.camera.position, axis=1).min() > 0.13


def test_posed_surface_holds_the_coarse_copy():
    s = scene.sample_scene(5, "training", 3)
    kept = scene.occlusion.coarse(s.person.body).vertices
    np.testing.assert_allclose(s.posed.vertices[kept], s.figure.occluder.vertices, atol=1e-6)


def test_frames_with_pictures_show_people_of_their_own():
    scenes = [scene.sample_scene(5, "evaluation", index, shared=False) for index in range(6)]
    assert [s.side for s in scenes] == [hand.LEFT, hand.RIGHT] * 3
    assert len({s.figure.joints.tobytes() for s in scenes}) == 6
