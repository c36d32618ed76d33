"""Where a hand is whose pose is known: the shift in mm that puts its points over an image.

A pose is known about its root alone; what was seen of it in an image says where the root is.
Frames and units are `geometry`'s.
"""

from collections.abc import Callable

from jaxtyping import Float

from dcmls_tf import arrays
from dcmls_tf.arrays import Array
from dcmls_tf.geometry import Matrix, project, rays

# Which points touch the sides of a box, and how wide they project, is settled after these.
ROUNDS = 3


def place(
    points_mm: Float[Array, "*B N 3"],
    uv: Float[Array, "*B N 2"],
    weight: Float[Array, "*B N 2"],
    K: Matrix,
) -> Float[Array, "*B 3"]:
    """The shift in mm after which points project nearest to `uv`.

    Linear least squares of each point's distance from its px's ray, along x and along y.

    Args:
        points_mm: points in the camera frame, about any origin.
        uv: px.
        weight: how much each coordinate of `uv` counts.
        K: intrinsics.
    """
    xp = arrays.of(points_mm, uv, weight, K)
    u, v, ones = xp.unstack(rays(uv, K), axis=-1)
    x, y, z = xp.unstack(points_mm, axis=-1)
    matrix = xp.concat([xp.stack([ones, 0 * u, -u], -1), xp.stack([0 * v, ones, -v], -1)], -2)
    target = xp.concat([u * z - x, v * z - y], -1)
    weight = xp.concat([weight[..., 0], weight[..., 1]], -1)[..., None]
    shift = xp.linalg.lstsq(matrix * weight, target[..., None] * weight, l2_regularizer=1e-7)
    return shift[..., 0]


def place_in_box(
    points_mm: Float[Array, "*B N 3"], box: Float[Array, "*B 4"], K: Matrix
) -> Float[Array, "*B 3"]:
    """The shift in mm after which points just fill a box: left, top, right, bottom px."""
    xp = arrays.of(points_mm, box, K)
    near, far = box[..., None, :2], box[..., None, 2:]

    def shift_of(seen: Float[Array, "*B N 2"]) -> Float[Array, "*B 3"]:
        nearest = xp.cast(seen == xp.reduce_min(seen, -2, keepdims=True), xp.float32)
        farthest = xp.cast(seen == xp.reduce_max(seen, -2, keepdims=True), xp.float32)
        return place(points_mm, nearest * near + farthest * far, nearest + farthest, K)

    return _settled(shift_of, points_mm, K)


def place_over(
    points_mm: Float[Array, "*B N 3"], uv: Float[Array, "*B N 2"], K: Matrix
) -> Float[Array, "*B 3"]:
    """The shift in mm after which points lie over `uv`, px, and are as wide.

    Centre and spread (root mean square from it) of the projection are those of `uv`.
    `place` alone would pull a pose that differs from `uv` to the camera, near which its errors
    in mm are small.
    """
    xp = arrays.of(points_mm, uv, K)
    around = uv - xp.reduce_mean(uv, -2, keepdims=True)

    def shift_of(seen: Float[Array, "*B N 2"]) -> Float[Array, "*B 3"]:
        spread = seen - xp.reduce_mean(seen, -2, keepdims=True)
        ratio = xp.norm(around, axis=[-2, -1], keepdims=True)
        ratio /= xp.norm(spread, axis=[-2, -1], keepdims=True)
        return place(points_mm, uv - around + ratio * spread, xp.ones_like(uv), K)

    return _settled(shift_of, points_mm, K)


def _settled(
    shift_of: Callable[[Array], Array], points_mm: Float[Array, "*B N 3"], K: Matrix
) -> Float[Array, "*B 3"]:
    """The shift that follows from how points project, and their projection from the shift."""
    shift = shift_of(points_mm[..., :2])
    for _ in range(ROUNDS - 1):
        shift = shift_of(project(points_mm + shift[..., None, :], K))
    return shift
