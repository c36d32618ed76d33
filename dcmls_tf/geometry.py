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
functions take any number of leading dimensions (`*B`, which broadcast), except `warp_image`.
"""

from typing import Any

import tensorflow as tf
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from dcmls_tf import hand

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

Matrix = Float[tf.Tensor, "*B 3 3"]
Angle = Float[tf.Tensor, "*B"] | float  # radians


def project(xyz_mm: Float[tf.Tensor, "*B N 3"], K: Matrix) -> Float[tf.Tensor, "*B N 2"]:
    """Points in the camera frame, mm → px.

    Points nearer than 1 mm, or behind the camera, count as 1 mm away.
    """
    homogeneous = tf.matmul(xyz_mm, K, transpose_b=True)
    return homogeneous[..., :2] / tf.maximum(homogeneous[..., 2:], MIN_DEPTH_MM)


def rays(uv: Float[tf.Tensor, "*B N 2"], K: Matrix) -> Float[tf.Tensor, "*B N 3"]:
    """Px → their directions in the camera frame, with z = 1."""
    return tf.matmul(_homogeneous(uv), tf.linalg.inv(K), transpose_b=True)


def apply_homography(points: Float[tf.Tensor, "*B N 2"], H: Matrix) -> Float[tf.Tensor, "*B N 2"]:
    """Points of an image through a homography, as source px → crop px."""
    mapped = tf.matmul(_homogeneous(points), H, transpose_b=True)
    return mapped[..., :2] / mapped[..., 2:]


def crop_camera(size: int, half: Float[tf.Tensor, "*B"]) -> Matrix:
    """Intrinsics of a square image of `size` px that sees ± `half` (a tangent)."""
    focal = size / 2 / half
    middle = size / 2 * tf.ones_like(focal)
    return _intrinsics(focal, middle, middle)


def typical_camera(height: Shaped[tf.Tensor, "*B"], width: Shaped[tf.Tensor, "*B"]) -> Matrix:
    """Intrinsics of images whose camera is not known; both sides are in px."""
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    focal = TYPICAL_FOCAL * tf.maximum(height, width)
    return _intrinsics(focal, width / 2, height / 2)


def with_focal(K: Matrix, factor: Float[tf.Tensor, "*B"]) -> Matrix:
    """Intrinsics whose focal lengths are `factor` times as long."""
    ones = tf.ones_like(factor)
    return K * tf.stack([factor, factor, ones], -1)[..., None, :]


def joints_box(
    uv: Float[tf.Tensor, "*B N 2"], K: Matrix, margin: float
) -> tuple[Float[tf.Tensor, "*B 2"], Float[tf.Tensor, "*B"]]:
    """The square around joints: its centre and its side, in px as `uv` is.

    The side is `margin` times the longer side of the joints' box. Joints outside of the
    image count; ones at absurd angles are pulled in (see `MAX_OFF_AXIS`).
    """
    focal = tf.linalg.diag_part(K)[..., None, :2]
    middle = K[..., None, :2, 2]
    uv = tf.clip_by_value(uv, middle - MAX_OFF_AXIS * focal, middle + MAX_OFF_AXIS * focal)
    lower, upper = tf.reduce_min(uv, -2), tf.reduce_max(uv, -2)
    side = margin * tf.reduce_max(upper - lower, -1)
    focal = K[..., 0, 0]
    return (lower + upper) / 2, tf.clip_by_value(side, MIN_SIDE * focal, MAX_SIDE * focal)


def crop_transform(
    centre: Float[tf.Tensor, "*B 2"],
    side: Float[tf.Tensor, "*B"],
    K: Matrix,
    size: int,
    *,
    roll: Angle = 0.0,
    mirror: Bool[tf.Tensor, "*B"] | bool = False,
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
    centre, side, roll = (tf.convert_to_tensor(v, tf.float32) for v in (centre, side, roll))
    turn = _roll_and_mirror(roll, mirror, side)
    if perspective:
        return _virtual_camera(centre, side, K, size, turn)
    return _similarity(centre, side, size, turn), turn


def _similarity(
    centre: Float[tf.Tensor, "*B 2"], side: Float[tf.Tensor, "*B"], size: int, turn: Matrix
) -> Matrix:
    """`H` of a box that is turned in the image's plane and scaled."""
    zoom = size / side
    linear = zoom[..., None, None] * turn[..., :2, :2]
    shift = size / 2 - tf.linalg.matvec(linear, centre)
    return _rows(
        tf.concat([linear[..., 0, :], shift[..., :1]], -1),
        tf.concat([linear[..., 1, :], shift[..., 1:]], -1),
        tf.ones_like(side)[..., None] * [0.0, 0.0, 1.0],
    )


def _virtual_camera(
    centre: Float[tf.Tensor, "*B 2"],
    side: Float[tf.Tensor, "*B"],
    K: Matrix,
    size: int,
    turn: Matrix,
) -> tuple[Matrix, Matrix]:
    """`H` and `A` of a camera that looks at a box, sees all its edges, and is turned then."""
    look = look_at(rays(centre[..., None, :], K)[..., 0, :])
    edges = centre[..., None, :] + side[..., None, None] / 2 * [[-1, 0], [1, 0], [0, -1], [0, 1.0]]
    seen = tf.matmul(rays(edges, K), look, transpose_b=True)
    half = tf.reduce_max(tf.abs(seen[..., :2] / seen[..., 2:]), [-2, -1])
    A = tf.matmul(turn, look)
    H = tf.matmul(tf.matmul(crop_camera(size, half), A), tf.linalg.inv(K))
    return H / H[..., 2:, 2:], A


def look_at(direction: Float[tf.Tensor, "*B 3"]) -> Matrix:
    """The smallest rotation that turns a direction to the optical axis, (0, 0, 1)."""
    a, b, c = tf.unstack(tf.math.l2_normalize(direction, -1), axis=-1)
    shared = -a * b / (1 + c)
    return _rows(
        tf.stack([1 - a * a / (1 + c), shared, -a], -1),
        tf.stack([shared, 1 - b * b / (1 + c), -b], -1),
        tf.stack([a, b, c], -1),
    )


def tilt(axis: Angle, angle: Angle) -> Matrix:
    """Rotation by `angle` about an axis in the image plane, (cos `axis`, sin `axis`, 0).

    Both are in radians.
    """
    x, y, zeros = tf.cos(axis), tf.sin(axis), tf.zeros_like(axis)
    cos, sin = tf.cos(angle), tf.sin(angle)
    return _rows(
        tf.stack([cos + x * x * (1 - cos), x * y * (1 - cos), y * sin], -1),
        tf.stack([x * y * (1 - cos), cos + y * y * (1 - cos), -x * sin], -1),
        tf.stack([-y * sin, x * sin, cos + zeros], -1),
    )


def rotate_about(
    points: Float[tf.Tensor, "*B N 3"], rotation: Matrix, pivot: Float[tf.Tensor, "*B 3"]
) -> Float[tf.Tensor, "*B N 3"]:
    """Points turned by a rotation about a pivot."""
    pivot = pivot[..., None, :]
    return tf.matmul(points - pivot, rotation, transpose_b=True) + pivot


def scale_bone_mm(xyz_mm: Float[tf.Tensor, "*B 21 3"]) -> Float[tf.Tensor, "*B"]:
    """Length in mm of the bone that sets a hand's scale."""
    near, far = hand.SCALE_BONE
    return tf.norm(xyz_mm[..., near, :] - xyz_mm[..., far, :], axis=-1)


def normalise(
    xyz_mm: Float[tf.Tensor, "*B 21 3"],
    root_mm: Float[tf.Tensor, "*B 3"],
    scale_mm: Float[tf.Tensor, "*B"],
    A: Matrix,
) -> Float[tf.Tensor, "*B 21 3"]:
    """Joints in the camera frame, mm → y: root-relative, in scale bones, in the crop's frame."""
    relative = (xyz_mm - root_mm[..., None, :]) / scale_mm[..., None, None]
    return tf.matmul(relative, A, transpose_b=True)


def denormalise(
    y: Float[tf.Tensor, "*B 21 3"],
    root_mm: Float[tf.Tensor, "*B 3"],
    scale_mm: Float[tf.Tensor, "*B"],
    A: Matrix,
) -> Float[tf.Tensor, "*B 21 3"]:
    """Inverse of `normalise`: y → camera frame, mm. A is orthogonal."""
    return tf.matmul(y, A) * scale_mm[..., None, None] + root_mm[..., None, :]


def to_unit_square(crop_px: Float[tf.Tensor, "*B N 2"], size: int) -> Float[tf.Tensor, "*B N 2"]:
    """Crop px → [-0.5, 0.5] inside the crop of side `size`."""
    return crop_px / size - 0.5


def from_unit_square(x: Float[tf.Tensor, "*B N 2"], size: int) -> Float[tf.Tensor, "*B N 2"]:
    """Inverse of `to_unit_square`."""
    return (x + 0.5) * size


def warp_image(
    image: UInt8[tf.Tensor, "h w 3"], H: Float[tf.Tensor, "3 3"], size: int
) -> Float[tf.Tensor, "size size 3"]:
    """The crop that `H` cuts out of an image, in [0, 1].

    Bilinear; where the crop shrinks the image, several samples are averaged per pixel.
    Outside of the image is black.
    """
    inverse = tf.linalg.inv(H)
    samples = _supersampling(inverse, size)
    step = 1 / tf.cast(samples, tf.float32)
    # The op's pixels have their middle at whole numbers, ours at halves.
    from_output = _rows([step, 0.0, step / 2], [0.0, step, step / 2], [0.0, 0.0, 1.0])
    to_input = tf.constant([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], tf.float32)
    transform = tf.reshape(to_input @ inverse @ from_output, [9])
    side = size * samples
    crop = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=(transform[:8] / transform[8])[None],
        output_shape=tf.stack([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    blocks = tf.reshape(tf.cast(crop, tf.float32), [size, samples, size, samples, 3])
    return tf.reduce_mean(blocks, [1, 3]) / 255


def _supersampling(inverse: Float[tf.Tensor, "3 3"], size: int) -> Int[tf.Tensor, ""]:
    """Samples a side of one crop pixel: about the source px it covers at the crop's middle."""
    depth = tf.linalg.matvec(inverse, [size / 2, size / 2, 1.0])[2]
    px = tf.sqrt(tf.abs(tf.linalg.det(inverse) / depth**3))
    return tf.cast(tf.clip_by_value(tf.round(px), 1, MAX_SUPERSAMPLING), tf.int32)


def _roll_and_mirror(
    roll: Angle,
    mirror: Bool[tf.Tensor, "*B"] | bool,
    like: Float[tf.Tensor, "*B"],
) -> Matrix:
    """Turn by `roll` after swapping left and right."""
    zeros, ones = tf.zeros_like(like), tf.ones_like(like)
    roll = roll + zeros
    sign = tf.where(mirror, -1.0, 1.0) + zeros
    cos, sin = tf.cos(roll), tf.sin(roll)
    return _rows(
        tf.stack([sign * cos, -sin, zeros], -1),
        tf.stack([sign * sin, cos, zeros], -1),
        tf.stack([zeros, zeros, ones], -1),
    )


def _intrinsics(
    focal: Float[tf.Tensor, "*B"],
    middle_x: Float[tf.Tensor, "*B"],
    middle_y: Float[tf.Tensor, "*B"],
) -> Matrix:
    zeros, ones = tf.zeros_like(focal), tf.ones_like(focal)
    return _rows(
        tf.stack([focal, zeros, middle_x], -1),
        tf.stack([zeros, focal, middle_y], -1),
        tf.stack([zeros, zeros, ones], -1),
    )


def _homogeneous(points: Float[tf.Tensor, "*B N 2"]) -> Float[tf.Tensor, "*B N 3"]:
    return tf.concat([points, tf.ones_like(points[..., :1])], -1)


def _rows(*rows: Any) -> Matrix:
    """A matrix from its three rows, each a `*B 3` tensor or a list."""
    return tf.stack(rows, -2)
