"""Rays against a square: hits, misses and what is in between."""

import importlib
import sys

import numpy as np
import pytest

from dcmls_tf import rendering
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import raycast

# A unit square at z = 1 in two triangles, and a vertex that no face uses.
VERTICES = np.array([(0, 0, 1), (1, 0, 1), (1, 1, 1), (9, 9, 9), (0, 1, 1)], np.float32)
FACES = np.array([(0, 1, 2), (0, 2, 4)])


@pytest.fixture(scope="module")
def square():
    return raycast.Mesh(VERTICES, FACES)


def test_first_hits_give_face_distance_and_place(square):
    origins = np.array([(0.7, 0.2, 0), (0.2, 0.7, 0), (2.0, 0.5, 0)])
    hits = square.first_hits(origins, np.tile((0.0, 0.0, 2.0), (3, 1)))
    assert hits.face.tolist() == [0, 1, -1]
    # The direction is two metres long.
    np.testing.assert_allclose(hits.distance[:2], 0.5)
    places = raycast.interpolate(VERTICES, FACES, hits[:2])
    np.testing.assert_allclose(places[:, :2], origins[:2, :2], atol=1e-6)


def test_occluded_within_reach(square):
    origins = np.array([(0.5, 0.2, 0), (2.0, 0.5, 0)])
    up = np.tile((0.0, 0.0, 1.0), (2, 1))
    assert square.occluded(origins, up).tolist() == [True, False]
    assert not square.occluded(origins, up, reach=0.9).any()


def test_spread_hits_leave_misses_between(square):
    hits = square.first_hits(np.array([(0.7, 0.2, 0.0)]), np.array([(0.0, 0.0, 1.0)]))
    spread = hits.spread(np.array([1]), 3)
    assert spread.face.tolist() == [-1, 0, -1]
    assert spread.distance.tolist() == [np.inf, 1.0, np.inf]
    np.testing.assert_array_equal(spread[[1]].weights, hits.weights)


def test_a_machine_without_embree_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "embreex.mesh_construction", None)
    monkeypatch.delitem(sys.modules, raycast.__name__)
    monkeypatch.setattr(rendering, "raycast", raycast)  # put back after the import below
    with pytest.raises(UserError, match=r"rendering needs embreex: .*Arm, render on another"):
        importlib.import_module(raycast.__name__)
