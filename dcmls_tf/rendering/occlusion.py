"""What hides a hand from a camera, by casting at a coarse copy of the body.

A copy with a fifth of the faces gives the flags that the whole mesh would, but for about two
joints in a thousand, and is built in a sixth of the time.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float, Int

from dcmls_tf import hand
from dcmls_tf.rendering import raycast
from dcmls_tf.rendering.body import Body
from dcmls_tf.rendering.camera import Camera
from dcmls_tf.rendering.held import Thing
from dcmls_tf.rendering.regions import PARTS

NO_HAND = -1
REACH_PX = 2  # how far from a joint a pixel of its hand may lie
_CELL_M = {"hand": 0.012, "forearm": 0.025}
_OTHER_CELL_M = 0.07
_SAMPLES_A_SIDE = 16  # of the grid of rays that measures a hand's size in the image
_SKIN_DEPTH_M = 0.025  # that skin reaches beyond the joints


@dataclasses.dataclass(frozen=True)
class Coarse:
    """A coarse copy of a body's surface.

    vertices: indices of the body's that it keeps; faces: of those; face_side: the side of a
    hand's faces, else `NO_HAND`.
    """

    vertices: Int[np.ndarray, " N"]
    faces: Int[np.ndarray, "F 3"]
    face_side: Int[np.ndarray, " F"]


@functools.lru_cache(maxsize=1)
def coarse(body: Body) -> Coarse:
    """The body's `Coarse`: of the vertices in one cell of space, moved by one bone, one is kept."""
    cells = np.floor(body.mean_vertices / _cell_sizes(body)[:, None]).astype(int)
    keys = np.column_stack([cells, body.part, body.weights.argmax(1)])
    _, cluster = np.unique(keys, axis=0, return_inverse=True)
    cluster = cluster.reshape(-1)
    vertices = _most_central(body.mean_vertices, cluster)
    corners = cluster[body.faces]
    a, b, c = corners.T
    whole = (a != b) & (b != c) & (c != a)
    _, first = np.unique(np.sort(corners[whole], 1), axis=0, return_index=True)
    return Coarse(vertices, corners[whole][first], _sides(body.face_class[whole][first]))


def _cell_sizes(body: Body) -> Float[np.ndarray, " V"]:
    """Of the cell of each vertex, metres: small where hands are."""
    sizes = [
        next((m for name, m in _CELL_M.items() if part.startswith(name)), _OTHER_CELL_M)
        for part in PARTS
    ]
    return np.array(sizes)[body.part]


def _most_central(
    points: Float[np.ndarray, "V 3"], cluster: Int[np.ndarray, " V"]
) -> Int[np.ndarray, " N"]:
    """For each cluster, the index of the point nearest to its points' mean."""
    count = np.bincount(cluster)
    means = np.stack([np.bincount(cluster, axis) / count for axis in points.T], 1)
    away = np.linalg.norm(points - means[cluster], axis=1)
    order = np.lexsort((away, cluster))
    return order[np.concatenate([[0], np.cumsum(count)[:-1]])]


def _sides(classes: Int[np.ndarray, " F"]) -> Int[np.ndarray, " F"]:
    """The side of faces of RHD's mask classes, or `NO_HAND`."""
    sides = np.full(len(classes), NO_HAND)
    for side in (hand.LEFT, hand.RIGHT):
        sides[hand.is_of_side(classes, side)] = side
    return sides


class Occluder:
    """A posed person's coarse copy, ready to be cast at by any camera.

    vertices: posed positions of `copy.vertices`; thing: what a hand holds.
    """

    def __init__(
        self, copy: Coarse, vertices: Float[np.ndarray, "N 3"], thing: Thing | None = None
    ) -> None:
        self.vertices = vertices
        faces = copy.faces
        if thing is not None:
            faces = np.concatenate([faces, thing.faces + len(vertices)])
            vertices = np.concatenate([vertices, thing.vertices])
        more = len(faces) - len(copy.faces) + 1  # and a miss, which has face -1
        self._face_side = np.append(copy.face_side, [NO_HAND] * more)
        self._mesh = raycast.Mesh(vertices, faces)

    def gap(self, position: Float[np.ndarray, "3"]) -> float:
        """Metres from a position to the nearest vertex."""
        away = self.vertices - position.astype(np.float32)
        return float(np.sqrt(np.einsum("vc,vc->v", away, away).min()))

    def sides_at(self, camera: Camera, uv: Float[np.ndarray, "N 2"]) -> Int[np.ndarray, " N"]:
        """The side of the hand seen at points of the image, px, or `NO_HAND`."""
        hits = self._mesh.first_hits(camera.position, camera.rays(uv))
        return self._face_side[hits.face]

    def visible(
        self, camera: Camera, uv: Float[np.ndarray, "2 21 2"], z: Float[np.ndarray, "2 21"]
    ) -> Bool[np.ndarray, "2 21"]:
        """Whether joints are in the image with a pixel of their own hand within `REACH_PX`.

        uv, z: both hands' joints, px and metres.

        On RHD's frames this rule agrees with the published flags for all but 3 of 2,520 joints:
        a joint behind its own hand counts as visible, one behind anything else does not.
        """
        visible = in_image(uv, camera.size) & (z > 0)
        side, joint = np.nonzero(visible)
        if len(side):
            pixels = np.floor(uv[side, joint])[:, None] + _NEIGHBOURS
            own = self.sides_at(camera, pixels.reshape(-1, 2) + 0.5).reshape(len(side), -1)
            own = (own == side[:, None]) & in_image(pixels, camera.size)
            visible[side, joint] = own.any(1)
        return visible

    def sizes(
        self, camera: Camera, uv: Float[np.ndarray, "2 21 2"], z: Float[np.ndarray, "2 21"]
    ) -> Float[np.ndarray, "2"]:
        """About how many px each hand covers; uv, z: as for `visible`."""
        return np.array([self._size(camera, uv[s], z[s], s) for s in (0, 1)])

    def _size(
        self, camera: Camera, uv: Float[np.ndarray, "21 2"], z: Float[np.ndarray, "21"], side: int
    ) -> float:
        box = hand_box(camera, uv, z)
        if box is None:
            return 0.0
        low, high = box[:2], box[2:]
        shares = (np.arange(_SAMPLES_A_SIDE) + 0.5) / _SAMPLES_A_SIDE
        columns, rows = (low + shares[:, None] * (high - low)).T
        grid = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
        return float(np.mean(self.sides_at(camera, grid) == side) * np.prod(high - low))


_STEPS = np.arange(-REACH_PX, REACH_PX + 1)
_NEIGHBOURS = np.stack(np.meshgrid(_STEPS, _STEPS), -1).reshape(-1, 2)


def reach_px(zoom: float) -> int:
    """`REACH_PX` in an image `zoom` times as large."""
    return max(1, round(REACH_PX * zoom))


def near_own_pixels(
    uv: Float[np.ndarray, "N 2"],
    z: Float[np.ndarray, " N"],
    own: Bool[np.ndarray, "H W"],
    reach: int = REACH_PX,
) -> Bool[np.ndarray, " N"]:
    """The flags of `Occluder.visible` from an image: `own` is where the joints' hand is seen."""
    height, width = own.shape
    visible = ((uv >= 0) & (uv < (width, height))).all(-1) & (z > 0)
    for j in np.flatnonzero(visible):
        column, row = uv[j].astype(int)
        rows, columns = (slice(max(at - reach, 0), at + reach + 1) for at in (row, column))
        visible[j] = own[rows, columns].any()
    return visible


def in_image(uv: Float[np.ndarray, "*N 2"], size: int) -> Bool[np.ndarray, "*N"]:
    """Which points lie in an image of `size` px a side."""
    return np.all((uv >= 0) & (uv < size), axis=-1)


def hand_box(
    camera: Camera, uv: Float[np.ndarray, "21 2"], z: Float[np.ndarray, "21"]
) -> Float[np.ndarray, "4"] | None:
    """`left, top, right, bottom` px around a hand in the image; `None` when outside of it.

    uv, z: its joints, px and metres.
    """
    if z.min() <= 0.05:
        return None
    pad = REACH_PX + _SKIN_DEPTH_M * camera.K[0, 0] / z.min()
    low, high = (np.clip(at, 0, camera.size) for at in (uv.min(0) - pad, uv.max(0) + pad))
    return np.concatenate([low, high]) if (high > low).all() else None
