"""A scene ready to be looked at: rays cast into it, and what they hit shaded.

Only what bears on the image is kept of the scene's surfaces, so that many small pictures of one
scene cost what they show.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from dcmls_tf import hand
from dcmls_tf.rendering import appearance, jewellery, lighting, raycast
from dcmls_tf.rendering.body import default_body
from dcmls_tf.rendering.camera import Camera
from dcmls_tf.rendering.regions import THING_CLASS
from dcmls_tf.rendering.scene import Scene

_SHADOW_SHARE = 0.12  # of the image; what is further outside casts no shadow into it
_COARSE_PX = 4
_SUBPIXELS = np.array([(-0.33, -0.17), (0.17, -0.33), (0.0, 0.33)], np.float32)


class Renderer:
    """A scene ready to be cast and shaded, as one camera sees it.

    rng: draws light and colours.
    """

    def __init__(self, scene: Scene, rng: np.random.Generator, camera: Camera) -> None:
        self.scene, self.rng, self.camera = scene, rng, camera
        self.light = lighting.sample_lighting(rng, camera)
        self.look = appearance.sample_look(rng, scene.person)
        self.texture = appearance.texture_of(scene.person)
        self.bands: Sequence[jewellery.Band] = ()
        self.thing = scene.figure.thing
        self.fabric = None if self.thing is None else appearance.sample_thing_fabric(rng)
        vertices, faces, classes, channels = self._whole()
        chosen, normals = self._what_matters(vertices, faces)
        used = np.zeros(len(vertices), bool)
        used[faces[chosen]] = True
        self.vertices, self.normals = vertices[used], normals[used]
        self.faces, self.face_class = (np.cumsum(used) - 1)[faces[chosen]], classes[chosen]
        self.mesh = raycast.Mesh(self.vertices, self.faces)
        self.attributes = np.column_stack(
            [self.vertices, self.normals, self._openness(), channels[used]]
        )

    def _whole(
        self,
    ) -> tuple[
        Float[np.ndarray, "V 3"],
        Int[np.ndarray, "F 3"],
        UInt8[np.ndarray, " F"],
        Float[np.ndarray, "V 18"],
    ]:
        """Vertices, faces, classes of faces and channels of the person and what a hand holds."""
        body = default_body()
        parts = self.scene.posed.vertices, body.faces, body.face_class, self.texture.channels
        if self.thing is None:
            return parts
        thing, count = self.thing, len(parts[0])
        classes = np.full(len(thing.faces), THING_CLASS, np.uint8)
        more = thing.vertices, thing.faces + count, classes, appearance.thing_channels(thing)
        vertices, faces, classes, channels = map(np.concatenate, zip(parts, more, strict=True))
        return vertices, faces, classes, channels

    def window(self) -> tuple[slice, slice]:
        """Slices of the rows and columns that the person may cover."""
        uv, z = self.camera.project(self.vertices[self.faces[:, 0]])
        size = self.camera.size
        if z.min() < 0.05:
            return np.s_[0:size, 0:size]
        low = np.clip(np.floor(uv.min(0)) - 48, 0, size).astype(int)
        high = np.clip(np.ceil(uv.max(0)) + 48, 0, size).astype(int)
        return np.s_[low[1] : high[1], low[0] : high[0]]

    def _what_matters(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, "V 3"]]:
        """Indices of the faces that bear on the image, and the vertices' normals.

        That is what is in it or near it, and is turned to the camera or to the lamp: what is
        turned to neither is always behind such a face for eye and lamp alike.
        """
        uv, z = self.camera.project(vertices)
        margin = _SHADOW_SHARE * self.camera.size
        inside = _inside(uv, -margin, self.camera.size + margin)
        nearby = inside & (z > 0) | (np.abs(z) < 0.1)
        rows = _faces_with(nearby, faces)
        corners = vertices[faces[rows]]
        outward = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        to_eye = self.camera.position.astype(np.float32) - corners[:, 0]
        seen = (np.einsum("fc,fc->f", outward, to_eye) > 0) | (outward @ self.light.direction > 0)
        normals = lighting.unit(_gathered(outward, faces[rows], len(vertices)))
        return rows[seen], normals

    def _openness(self) -> Float[np.ndarray, " V"]:
        """How much of the sky the hands' own vertices see; 1 elsewhere."""
        openness = np.ones(len(self.vertices), np.float32)
        hands = np.zeros(len(openness), bool)
        hands[self.faces[self.face_class > hand.PERSON_CLASS]] = True
        to_eye = self.camera.position.astype(np.float32) - self.vertices
        hands &= np.einsum("vc,vc->v", self.normals, to_eye) > 0
        openness[hands] = lighting.openness(self.mesh, self.vertices[hands], self.normals[hands])
        return openness

    def cast_near_person(
        self, pixels: Int[np.ndarray, "N 2"], shape: tuple[int, ...]
    ) -> raycast.Hits:
        """Hits of the middles of an image's pixels, cast only around where a coarse grid hits."""
        coarse = np.zeros(shape, np.uint8)
        sparse = np.s_[::_COARSE_PX, ::_COARSE_PX]
        grid = pixels.reshape(*shape, 2)[sparse]
        struck = self.cast(grid.reshape(-1, 2) + 0.5).face >= 0
        coarse[sparse] = struck.reshape(grid.shape[:2])
        reach = 2 * _COARSE_PX + 1
        near = np.flatnonzero(cv2.dilate(coarse, np.ones((reach, reach), np.uint8)))
        return self.cast(pixels[near] + 0.5).spread(near, len(pixels))

    def cast(self, uv: Float[np.ndarray, "N 2"]) -> raycast.Hits:
        """Hits of points in the image, px."""
        return self.mesh.first_hits(self.camera.position, self.camera.rays(uv))

    def shade(self, hits: raycast.Hits) -> Float[np.ndarray, "N 3"]:
        """Linear radiance of hits that all have a face."""
        values = raycast.interpolate(self.attributes, self.faces, hits)
        points, normals = values[:, :3], lighting.unit(values[:, 3:6])
        openness, channels = values[:, 6], values[:, 7:]
        surface = appearance.surface(
            self.look, self.scene.outfit, self.texture, channels, self.face_class[hits.face]
        )
        jewellery.put_on(
            surface, self.bands, self.texture, channels[:, :3], channels[:, 3:6],
            self.face_class[hits.face],
        )  # fmt: skip
        if self.fabric is not None:
            things = self.face_class[hits.face] == THING_CLASS
            appearance.paint_thing(surface, self.fabric, channels, things)
        to_eye = lighting.unit(self.camera.position.astype(np.float32) - points)
        bumped = lighting.unit(normals + surface.bump)
        return lighting.shade(
            self.rng, self.light, self.mesh, surface, points, bumped, to_eye, openness
        )

    def shade_finely(
        self,
        hits: raycast.Hits,
        pixels: Int[np.ndarray, "N 2"],
        behind: Float[np.ndarray, "N 3"],
    ) -> tuple[Float[np.ndarray, "M 3"], Float[np.ndarray, "N 3"]]:
        """Radiance of hits, and the means of points inside of pixels.

        behind: the background's radiance in those pixels.
        """
        inside = self.cast((pixels[:, None] + 0.5 + _SUBPIXELS).reshape(-1, 2))
        struck = inside.face >= 0
        light = self.shade(hits.joined(inside[struck]))
        points = np.repeat(behind, len(_SUBPIXELS), axis=0)
        points[struck] = light[len(hits.face) :]
        return light[: len(hits.face)], points.reshape(-1, len(_SUBPIXELS), 3).mean(1)


def _inside(uv: Float[np.ndarray, "N 2"], low: float, high: float) -> Bool[np.ndarray, " N"]:
    """Which points have both coordinates between `low` and `high` px."""
    u, v = uv[:, 0], uv[:, 1]
    return (u >= low) & (u <= high) & (v >= low) & (v <= high)


def _faces_with(
    chosen: Bool[np.ndarray, " V"], faces: Int[np.ndarray, "F 3"]
) -> Int[np.ndarray, " N"]:
    """Indices of faces with a corner among the chosen vertices."""
    return np.flatnonzero(chosen[faces[:, 0]] | chosen[faces[:, 1]] | chosen[faces[:, 2]])


def _cross(a: Float[np.ndarray, "N 3"], b: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """Cross products; column by column, which is faster than NumPy's."""
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)


def _gathered(
    values: Float[np.ndarray, "F 3"], faces: Int[np.ndarray, "F 3"], count: int
) -> Float[np.ndarray, "count 3"]:
    """Sums of values over each vertex's faces, float32."""
    at = faces.ravel()
    sums = [np.bincount(at, np.repeat(values[:, c], 3), count) for c in range(3)]
    return np.stack(sums, 1).astype(np.float32)
