"""Cameras, crops and poses: every change of frame, and its inverse.

A crop is a virtual camera. Cutting a square out of an image, turning it and mirroring it
is one homography `H` (source px → crop px) for everything that lives in the image, and one
orthogonal matrix `A` (camera frame → crop frame) for everything that lives in space:

    points in the crop = H · uv,    y = A · (xyz − root) / scale.

With `perspective` the virtual camera turns until its optical axis meets the middle of the
box, so both hold exactly: the crop camera's picture of A · xyz is H · uv. Without, the crop
is a similarity of the image, as the paper's baselines do, and A is its in-plane part only.

Frames and units: the camera frame has x right, y down, z forward, in mm. Pixels count from
the outer corner of the first pixel, whose middle is (0.5, 0.5); `K` maps mm to them. All
functions but those of pixels take any number of leading dimensions (`*B`, which broadcast).
Tensors give tensors, and NumPy arrays NumPy arrays (see `arrays`).
"""

from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int, Shaped, UInt8

from dcmls_tf import arrays, hand, sampling
from dcmls_tf.arrays import Array

MIN_DEPTH_MM = 1.0
# A box is measured in focal lengths where it has to be kept sane: joints far off the optical
# axis count as if they were at 56°, and no crop spans less than about 1° or more than 90°.
MAX_OFF_AXIS = 1.5
MIN_SIDE, MAX_SIDE = 0.02, 2.0
# Each pixel of a crop averages at most this many samples a side.
MAX_SUPERSAMPLING = 4
# Focal length of an unknown camera in longer sides of its image: 53°. Phones have 0.7 to 0.9,
# webcams about 0.9, RHD 0.8 to 1.0, STB 0.95 and 1.3.
TYPICAL_FOCAL = 1.0

Matrix = Float[Array, "*B 3 3"]
Angle = Float[Array, "*B"] | float  # radians


def project(xyz_mm: Float[Array, "*B N 3"], K: Matrix) -> Float[Array, "*B N 2"]:
    """Points in the camera frame, mm → px.

    Points nearer than 1 mm, or behind the camera, count as 1 mm away.
    """
    xp = arrays.of(xyz_mm, K)
    homogeneous = xp.matmul(xyz_mm, K, transpose_b=True)
    return homogeneous[..., :2] / xp.maximum(homogeneous[..., 2:], MIN_DEPTH_MM)


def rays(uv: Float[Array, "*B N 2"], K: Matrix) -> Float[Array, "*B N 3"]:
    """Px → their directions in the camera frame, with z = 1."""
    xp = arrays.of(uv, K)
    return xp.matmul(_homogeneous(uv), xp.linalg.inv(K), transpose_b=True)


def apply_homography(points: Float[Array, "*B N 2"], H: Matrix) -> Float[Array, "*B N 2"]:
    """Points of an image through a homography, as source px → crop px."""
    xp = arrays.of(points, H)
    mapped = xp.matmul(_homogeneous(points), H, transpose_b=True)
    return mapped[..., :2] / mapped[..., 2:]


def crop_camera(size: int, half: Float[Array, "*B"]) -> Matrix:
    """Intrinsics of a square image of `size` px that sees ± `half` (a tangent)."""
    xp = arrays.of(half)
    focal = size / 2 / half
    middle = size / 2 * xp.ones_like(focal)
    return _intrinsics(focal, middle, middle)


def typical_camera(height: Shaped[Array, "*B"], width: Shaped[Array, "*B"]) -> Matrix:
    """Intrinsics of images whose camera is not known; both sides are in px."""
    xp = arrays.of(height, width)
    height, width = xp.cast(height, xp.float32), xp.cast(width, xp.float32)
    focal = TYPICAL_FOCAL * xp.maximum(height, width)
    return _intrinsics(focal, width / 2, height / 2)


def with_focal(K: Matrix, factor: Float[Array, "*B"]) -> Matrix:
    """Intrinsics whose focal lengths are `factor` times as long."""
    xp = arrays.of(K, factor)
    ones = xp.ones_like(factor)
    return K * xp.stack([factor, factor, ones], -1)[..., None, :]


def joints_box(
    uv: Float[Array, "*B N 2"], K: Matrix, margin: float
) -> tuple[Float[Array, "*B 2"], Float[Array, "*B"]]:
    """The square around joints: its centre and its side, in px as `uv` is.

    The side is `margin` times the longer side of the joints' box. Joints outside of the
    image count; ones at absurd angles are pulled in (see `MAX_OFF_AXIS`).
    """
    xp = arrays.of(uv, K)
    focal = xp.linalg.diag_part(K)[..., None, :2]
    middle = K[..., None, :2, 2]
    uv = xp.clip_by_value(uv, middle - MAX_OFF_AXIS * focal, middle + MAX_OFF_AXIS * focal)
    lower, upper = xp.reduce_min(uv, -2), xp.reduce_max(uv, -2)
    side = margin * xp.reduce_max(upper - lower, -1)
    focal = K[..., 0, 0]
    return (lower + upper) / 2, xp.clip_by_value(side, MIN_SIDE * focal, MAX_SIDE * focal)


def crop_transform(
    centre: Float[Array, "*B 2"],
    side: Float[Array, "*B"],
    K: Matrix,
    size: int,
    *,
    roll: Angle = 0.0,
    mirror: Bool[Array, "*B"] | bool = False,
    perspective: bool = True,
) -> tuple[Matrix, Matrix]:
    """`H` and `A` of the crop of a square box.

    Args:
        centre, side: the box in source px (`joints_box`'s, or a detector's).
        K: intrinsics; only `perspective` needs them.
        size: side of the crop in px.
        roll: turn of the crop in its plane, radians.
        mirror: whether left and right swap.
        perspective: turn the camera towards the box; otherwise a similarity of the image.
    """
    xp = arrays.of(centre, side, K, roll)
    centre, side, roll = (xp.convert_to_tensor(v, xp.float32) for v in (centre, side, roll))
    turn = roll_and_mirror(roll, mirror, side)
    if perspective:
        return _virtual_camera(centre, side, K, size, turn)
    return _similarity(centre, side, size, turn), turn


def _similarity(
    centre: Float[Array, "*B 2"], side: Float[Array, "*B"], size: int, turn: Matrix
) -> Matrix:
    """`H` of a box that is turned in the image's plane and scaled."""
    xp = arrays.of(centre, side)
    zoom = size / side
    linear = zoom[..., None, None] * turn[..., :2, :2]
    shift = size / 2 - xp.linalg.matvec(linear, centre)
    return _rows(
        xp.concat([linear[..., 0, :], shift[..., :1]], -1),
        xp.concat([linear[..., 1, :], shift[..., 1:]], -1),
        xp.ones_like(side)[..., None] * [0.0, 0.0, 1.0],
    )


def _virtual_camera(
    centre: Float[Array, "*B 2"],
    side: Float[Array, "*B"],
    K: Matrix,
    size: int,
    turn: Matrix,
) -> tuple[Matrix, Matrix]:
    """`H` and `A` of a camera that looks at a box, sees all its edges, and is turned then."""
    xp = arrays.of(centre, side, K)
    look = look_at(rays(centre[..., None, :], K)[..., 0, :])
    edges = centre[..., None, :] + side[..., None, None] / 2 * [[-1, 0], [1, 0], [0, -1], [0, 1.0]]
    seen = xp.matmul(rays(edges, K), look, transpose_b=True)
    half = xp.reduce_max(xp.abs(seen[..., :2] / seen[..., 2:]), [-2, -1])
    A = xp.matmul(turn, look)
    H = xp.matmul(xp.matmul(crop_camera(size, half), A), xp.linalg.inv(K))
    return H / H[..., 2:, 2:], A


def look_at(direction: Float[Array, "*B 3"]) -> Matrix:
    """The smallest rotation that turns a direction to the optical axis, (0, 0, 1)."""
    xp = arrays.of(direction)
    a, b, c = xp.unstack(xp.math.l2_normalize(direction, -1), axis=-1)
    shared = -a * b / (1 + c)
    return _rows(
        xp.stack([1 - a * a / (1 + c), shared, -a], -1),
        xp.stack([shared, 1 - b * b / (1 + c), -b], -1),
        xp.stack([a, b, c], -1),
    )


def tilt(axis: Angle, angle: Angle) -> Matrix:
    """Rotation by `angle` about an axis in the image plane, (cos `axis`, sin `axis`, 0).

    Both are in radians.
    """
    xp = arrays.of(axis, angle)
    x, y, zeros = xp.cos(axis), xp.sin(axis), xp.zeros_like(axis)
    cos, sin = xp.cos(angle), xp.sin(angle)
    return _rows(
        xp.stack([cos + x * x * (1 - cos), x * y * (1 - cos), y * sin], -1),
        xp.stack([x * y * (1 - cos), cos + y * y * (1 - cos), -x * sin], -1),
        xp.stack([-y * sin, x * sin, cos + zeros], -1),
    )


def rotate_about(
    points: Float[Array, "*B N 3"], rotation: Matrix, pivot: Float[Array, "*B 3"]
) -> Float[Array, "*B N 3"]:
    """Points turned by a rotation about a pivot."""
    xp = arrays.of(points, rotation, pivot)
    pivot = pivot[..., None, :]
    return xp.matmul(points - pivot, rotation, transpose_b=True) + pivot


def scale_bone_mm(xyz_mm: Float[Array, "*B 21 3"]) -> Float[Array, "*B"]:
    """Length in mm of the bone that sets a hand's scale."""
    xp = arrays.of(xyz_mm)
    near, far = hand.SCALE_BONE
    return xp.norm(xyz_mm[..., near, :] - xyz_mm[..., far, :], axis=-1)


def normalise(
    xyz_mm: Float[Array, "*B 21 3"],
    root_mm: Float[Array, "*B 3"],
    scale_mm: Float[Array, "*B"],
    A: Matrix,
) -> Float[Array, "*B 21 3"]:
    """Joints in the camera frame, mm → y: root-relative, in scale bones, in the crop's frame."""
    xp = arrays.of(xyz_mm, root_mm, scale_mm, A)
    relative = (xyz_mm - root_mm[..., None, :]) / scale_mm[..., None, None]
    return xp.matmul(relative, A, transpose_b=True)


def denormalise(
    y: Float[Array, "*B 21 3"],
    root_mm: Float[Array, "*B 3"],
    scale_mm: Float[Array, "*B"],
    A: Matrix,
) -> Float[Array, "*B 21 3"]:
    """Inverse of `normalise`: y → camera frame, mm. A is orthogonal."""
    xp = arrays.of(y, root_mm, scale_mm, A)
    return xp.matmul(y, A) * scale_mm[..., None, None] + root_mm[..., None, :]


def to_unit_square(crop_px: Float[Array, "*B N 2"], size: int) -> Float[Array, "*B N 2"]:
    """Crop px → [-0.5, 0.5] inside the crop of side `size`."""
    return crop_px / size - 0.5


def from_unit_square(x: Float[Array, "*B N 2"], size: int) -> Float[Array, "*B N 2"]:
    """Inverse of `to_unit_square`."""
    return (x + 0.5) * size


def warp_image(
    image: UInt8[Array, "h w 3"], H: Float[Array, "3 3"], size: int
) -> Float[Array, "size size 3"]:
    """The crop that `H` cuts out of an image, in [0, 1].

    Bilinear; where the crop shrinks the image, several samples are averaged per pixel.
    Outside of the image is black.
    """
    return sample_image(image, warp(H, size), size)


class Warp(NamedTuple):
    """How an image is sampled for a crop.

    transform: first 8 numbers of the matrix, whose ninth is 1, from the samples' px to the image's;
        here the middle of the first pixel is at 0.
    samples: samples a side of one crop pixel.
    """

    transform: Float[Array, "*B 8"]
    samples: Int[Array, "*B"]


def warp(H: Matrix, size: int) -> Warp:
    """The `Warp` of the crop that `H` cuts out, `size` px wide."""
    xp = arrays.of(H)
    inverse = xp.linalg.inv(H)
    samples = _supersampling(inverse, size)
    step = 1 / xp.cast(samples, xp.float32)
    zeros, ones = xp.zeros_like(step), xp.ones_like(step)
    # The op's pixels have their middle at whole numbers, ours at halves.
    from_output = _rows(
        xp.stack([step, zeros, step / 2], -1),
        xp.stack([zeros, step, step / 2], -1),
        xp.stack([zeros, zeros, ones], -1),
    )
    to_input = xp.convert_to_tensor([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], xp.float32)
    whole = xp.matmul(xp.matmul(to_input, inverse), from_output)
    rows = xp.concat([whole[..., 0, :], whole[..., 1, :], whole[..., 2, :2]], -1)
    return Warp(rows / whole[..., 2, 2:], samples)


def sample_image(
    image: UInt8[Array, "h w 3"], warp: Warp, size: int
) -> Float[Array, "size size 3"]:
    """The crop, in [0, 1], that one image's `Warp` samples."""
    xp = arrays.of(image, warp.transform)
    crop = sampling.projective(image, warp.transform, size * warp.samples)
    blocks = xp.reshape(xp.cast(crop, xp.float32), [size, warp.samples, size, warp.samples, 3])
    return xp.reduce_mean(blocks, [1, 3]) / 255


def _supersampling(inverse: Matrix, size: int) -> Int[Array, "*B"]:
    """Samples a side of one crop pixel: about the source px it covers at the crop's middle."""
    xp = arrays.of(inverse)
    depth = xp.linalg.matvec(inverse, [size / 2, size / 2, 1.0])[..., 2]
    px = xp.sqrt(xp.abs(xp.linalg.det(inverse) / depth**3))
    return xp.cast(xp.clip_by_value(xp.round(px), 1, MAX_SUPERSAMPLING), xp.int32)


def roll_and_mirror(
    roll: Angle,
    mirror: Bool[Array, "*B"] | bool,
    like: Float[Array, "*B"],
) -> Matrix:
    """Turn by `roll` after swapping left and right."""
    xp = arrays.of(like)
    zeros, ones = xp.zeros_like(like), xp.ones_like(like)
    roll = roll + zeros
    sign = xp.where(mirror, -1.0, 1.0) + zeros
    cos, sin = xp.cos(roll), xp.sin(roll)
    return _rows(
        xp.stack([sign * cos, -sin, zeros], -1),
        xp.stack([sign * sin, cos, zeros], -1),
        xp.stack([zeros, zeros, ones], -1),
    )


def _intrinsics(
    focal: Float[Array, "*B"],
    middle_x: Float[Array, "*B"],
    middle_y: Float[Array, "*B"],
) -> Matrix:
    xp = arrays.of(focal, middle_x, middle_y)
    zeros, ones = xp.zeros_like(focal), xp.ones_like(focal)
    return _rows(
        xp.stack([focal, zeros, middle_x], -1),
        xp.stack([zeros, focal, middle_y], -1),
        xp.stack([zeros, zeros, ones], -1),
    )


def _homogeneous(points: Float[Array, "*B N 2"]) -> Float[Array, "*B N 3"]:
    xp = arrays.of(points)
    return xp.concat([points, xp.ones_like(points[..., :1])], -1)


def _rows(*rows: Any) -> Matrix:
    """A matrix from its three rows, each a `*B 3` tensor or a list."""
    xp = arrays.of(*rows)
    return xp.stack(rows, -2)
