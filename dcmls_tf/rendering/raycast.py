"""Rays against a triangle mesh, by Intel's Embree.

`embreex` is called directly: `trimesh`'s own wrapper does not give barycentric coordinates.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from dcmls_tf.errors import UserError

try:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore import EmbreeDevice
    from embreex.rtcore_scene import EmbreeScene
except ImportError:
    raise UserError(
        "rendering needs embreex: pip install '.[render]'; where it has no wheel, as for Linux on "
        "Arm, render on another machine and copy the folder here, or train on RHD or STB"
    ) from None


@dataclasses.dataclass(frozen=True)
class Hits:
    """Where N rays first meet the mesh.

    face: its index, -1 for a miss; weights: of the face's corners; distance: in lengths of the
    ray's direction.
    """

    face: Int[np.ndarray, " N"]
    weights: Float[np.ndarray, "N 3"]
    distance: Float[np.ndarray, " N"]

    def __getitem__(self, rows: Any) -> "Hits":
        return Hits(self.face[rows], self.weights[rows], self.distance[rows])

    def joined(self, others: "Hits") -> "Hits":
        """These hits and then `others`."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Hits(*(np.concatenate(pair) for pair in pairs))

    def spread(self, rows: Int[np.ndarray, " M"], count: int) -> "Hits":
        """Hits of `count` rays: these in `rows`, misses elsewhere."""
        spread = Hits(
            np.full(count, -1, self.face.dtype),
            np.zeros((count, 3), self.weights.dtype),
            np.full(count, np.inf, self.distance.dtype),
        )
        spread.face[rows], spread.weights[rows] = self.face, self.weights
        spread.distance[rows] = self.distance
        return spread


class Mesh:
    """A triangle mesh ready to be hit. Vertices that no face uses cost nothing."""

    def __init__(self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> None:
        used = np.zeros(len(vertices), bool)
        used[faces] = True
        vertices, faces = vertices[used], (np.cumsum(used) - 1)[faces]
        self._scene = EmbreeScene(_device())
        self._mesh = TriangleMesh(
            self._scene,
            np.ascontiguousarray(vertices, np.float32),
            np.ascontiguousarray(faces, np.int32),
        )

    def first_hits(self, origins: Shaped[Any, "..."], directions: Shaped[Any, "N 3"]) -> Hits:
        """`Hits` of rays from `origins` (`[N, 3]`, or `[3]` for all) along `directions`."""
        struck = self._scene.run(*_rays(origins, directions), output=True)
        u, v = struck["u"], struck["v"]
        return Hits(struck["primID"], np.stack([1 - u - v, u, v], 1), struck["tfar"])

    def occluded(
        self, origins: Shaped[Any, "..."], directions: Shaped[Any, "N 3"], reach: float = 1e6
    ) -> Bool[np.ndarray, " N"]:
        """Whether something is met within `reach` lengths of the direction; rays as above."""
        origins, directions = _rays(origins, directions)
        limits = np.full(len(directions), reach, np.float32)
        return self._scene.run(origins, directions, dists=limits, query="OCCLUDED") >= 0


@functools.cache
def _device() -> EmbreeDevice:
    """This process's Embree device, of one thread: meshes here are too small to share out.

    Embree takes a thread for every core that the process may use when the device is made, and
    they wait by spinning.
    """
    with _on_one_core():
        return EmbreeDevice()


@contextlib.contextmanager
def _on_one_core() -> Iterator[None]:
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


def _rays(
    origins: Shaped[Any, "..."], directions: Shaped[Any, "N 3"]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    directions = np.ascontiguousarray(directions, np.float32)
    origins = np.broadcast_to(np.asarray(origins, np.float32), directions.shape)
    return np.ascontiguousarray(origins), directions


def interpolate(
    values: Float[np.ndarray, "V K"], faces: Int[np.ndarray, "F 3"], hits: Hits
) -> Float[np.ndarray, "N K"]:
    """Vertices' values at hits, every one of which must have a face."""
    a, b, c = (values[corner] for corner in faces[hits.face].T)
    first, second, third = hits.weights.T[..., None]
    a *= first
    b *= second
    c *= third
    a += b
    a += c
    return a
