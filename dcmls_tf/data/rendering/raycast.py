"""Rays against a triangle mesh, by Intel's Embree.

`embreex` is called directly: `trimesh`'s own wrapper does not give barycentric coordinates.
"""

import contextlib
import dataclasses
import functools
import os

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore import EmbreeDevice


@dataclasses.dataclass(frozen=True)
class Hits:
    """Where N rays first meet the mesh.

    face: `[N]` index, -1 for a miss; weights: `[N, 3]` of the face's corners; distance: `[N]`
    in lengths of the ray's direction.
    """

    face: np.ndarray
    weights: np.ndarray
    distance: np.ndarray

    def __getitem__(self, rows):
        return Hits(self.face[rows], self.weights[rows], self.distance[rows])

    def joined(self, others):
        """These hits and then `others`."""
        pairs = zip(vars(self).values(), vars(others).values())
        return Hits(*(np.concatenate(pair) for pair in pairs))

    def spread(self, rows, count):
        """`count` hits: these in `rows`, misses elsewhere."""
        spread = Hits(
            np.full(count, -1, self.face.dtype),
            np.zeros((count, 3), self.weights.dtype),
            np.full(count, np.inf, self.distance.dtype),
        )
        spread.face[rows], spread.weights[rows] = self.face, self.weights
        spread.distance[rows] = self.distance
        return spread


class Mesh:
    """A triangle mesh ready to be hit. vertices: `[V, 3]`; faces: `[F, 3]`.

    Vertices that no face uses cost nothing.
    """

    def __init__(self, vertices, faces):
        used = np.zeros(len(vertices), bool)
        used[faces] = True
        vertices, faces = vertices[used], (np.cumsum(used) - 1)[faces]
        self._scene = rtcore_scene.EmbreeScene(_device())
        self._mesh = TriangleMesh(
            self._scene,
            np.ascontiguousarray(vertices, np.float32),
            np.ascontiguousarray(faces, np.int32),
        )

    def first_hits(self, origins, directions):
        """`Hits` of rays from `origins` (`[N, 3]` or `[3]`) along `directions [N, 3]`."""
        found = self._scene.run(*_rays(origins, directions), output=True)
        u, v = found["u"], found["v"]
        return Hits(found["primID"], np.stack([1 - u - v, u, v], 1), found["tfar"])

    def occluded(self, origins, directions, reach=1e6):
        """`[N]` bool: whether something is met within `reach` lengths of the direction."""
        origins, directions = _rays(origins, directions)
        limits = np.full(len(directions), reach, np.float32)
        return self._scene.run(origins, directions, dists=limits, query="OCCLUDED") >= 0


@functools.cache
def _device():
    """This process's Embree device, of one thread: meshes here are too small to share out.

    Embree takes a thread for every core that the process may use when the device is made, and
    they wait by spinning.
    """
    with _on_one_core():
        return EmbreeDevice()


@contextlib.contextmanager
def _on_one_core():
    """Keeps this thread to one core meanwhile, where the system lets it (Linux does)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _rays(origins, directions):
    directions = np.ascontiguousarray(directions, np.float32)
    origins = np.broadcast_to(np.asarray(origins, np.float32), directions.shape)
    return np.ascontiguousarray(origins), directions


def interpolate(values, faces, hits):
    """Vertex attributes `values [V, K]` at hits `[N, K]`; every hit must have a face."""
    a, b, c = (values[corner] for corner in faces[hits.face].T)
    first, second, third = hits.weights.T[..., None]
    a *= first
    b *= second
    c *= third
    a += b
    a += c
    return a
