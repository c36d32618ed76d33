"""glTF, read by pygltflib and trimesh; animations are played with SciPy's rotations."""

from typing import Any

import answer_files
import numpy as np
import pygltflib
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from dcmls_tf import hand
from dcmls_tf.formats import gltf, skeleton

FRAMES = 5


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Two hands' animations by their names, and the file of both."""
    tracks = {
        f"{name}_hand": gltf.Track(
            skeleton.animate(answer_files.motion(FRAMES, side, seed=side), side),
            np.cumsum([0.0, 0.03, 0.05, 0.03, 0.04]),
        )
        for side, name in enumerate(hand.SIDES)
    }
    path = tmp_path_factory.mktemp("gltf") / "hands.glb"
    path.write_bytes(gltf.content(tracks))
    return tracks, str(path)


def values_of(document: Any, number: int) -> np.ndarray:
    """An accessor's rows."""
    accessor = document.accessors[number]
    view = document.bufferViews[accessor.bufferView]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
    raw = document.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(raw, "<f4").reshape(accessor.count, width)


def places_of(document: Any, root: int, played: Any, frame: int) -> dict[str, Any]:
    """Where the nodes under `root` are in a frame, by their names."""
    found = {}
    todo = [(root, Rotation.identity(), np.zeros(3))]
    while todo:
        number, turn, place = todo.pop()
        node = document.nodes[number]
        own = {path: played[number, path][frame] for n, path in played if n == number}
        place = turn.apply(own.get("translation", node.translation or [0, 0, 0])) + place
        turn = turn * Rotation.from_quat(own.get("rotation", node.rotation or [0, 0, 0, 1]))
        found[node.name] = place
        todo += [(child, turn, place) for child in node.children or []]
    return found


def test_played_joints_are_in_their_places_in_every_frame(moved):
    tracks, path = moved
    document: Any = pygltflib.GLTF2().load(path)
    (animation,) = document.animations
    played = {}
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        played[channel.target.node, channel.target.path] = values_of(document, sampler.output)
        times = values_of(document, sampler.input)[:, 0]
        np.testing.assert_allclose(times, [0, 0.03, 0.08, 0.11, 0.15], atol=1e-6)
    for root in document.scenes[document.scene].nodes:
        expected = tracks[document.nodes[root].name].animation.joints()
        for frame in range(FRAMES):
            places = places_of(document, root, played, frame)
            found = [places[name] for name in hand.JOINTS]
            np.testing.assert_allclose(found, expected[frame], atol=1e-6)


def test_at_rest_the_scene_shows_the_first_pose(moved):
    tracks, path = moved
    first, *_ = tracks.values()
    scene = trimesh.load_scene(path)
    vertices = np.concatenate([
        trimesh.transform_points(scene.geometry[name].vertices, matrix)
        for matrix, name in (scene.graph[node] for node in scene.graph.nodes_geometry)
    ])  # fmt: skip
    for joint in range(1, 21):
        nearest = np.linalg.norm(vertices - first.animation.joints()[0, joint], axis=1).min()
        assert nearest < 1e-6
    assert len(scene.graph.nodes_geometry) == 2 * 20


def test_drawn_bones_are_closed_and_face_outwards(moved):
    _, path = moved
    bone: Any
    (bone,) = trimesh.load_scene(path).geometry.values()
    assert bone.is_watertight
    assert bone.volume > 0


def test_bounds_are_those_of_the_values(moved):
    _, path = moved
    document: Any = pygltflib.GLTF2().load(path)
    for number, accessor in enumerate(document.accessors):
        if accessor.componentType == pygltflib.FLOAT:
            rows = values_of(document, number)
            np.testing.assert_allclose(rows.min(0), accessor.min, atol=1e-7)
            np.testing.assert_allclose(rows.max(0), accessor.max, atol=1e-7)
        view = document.bufferViews[accessor.bufferView]
        assert view.byteOffset % 4 == 0
