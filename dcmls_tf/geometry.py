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
functions take any number of leading dimensions (`...`), except `warp_image`.
"""

import math

import tensorflow as tf

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
# Which joints touch the sides of a box is found in this many rounds.
PLACEMENT_ROUNDS = 3


def project(xyz_mm, K):
    """Camera frame `[..., N, 3]` mm → `[..., N, 2]` px; `K` is `[..., 3, 3]`.

    Points nearer than 1 mm, or behind the camera, count as 1 mm away.
    """
    homogeneous = tf.matmul(xyz_mm, K, transpose_b=True)
    return homogeneous[..., :2] / tf.maximum(homogeneous[..., 2:], MIN_DEPTH_MM)


def rays(uv, K):
    """Px `[..., N, 2]` → directions `[..., N, 3]` in the camera frame with z = 1."""
    return tf.matmul(_homogeneous(uv), tf.linalg.inv(K), transpose_b=True)


def apply_homography(points, H):
    """Points `[..., N, 2]` through `H` `[..., 3, 3]` → `[..., N, 2]`."""
    mapped = tf.matmul(_homogeneous(points), H, transpose_b=True)
    return mapped[..., :2] / mapped[..., 2:]


def joints_box(uv, K, margin):
    """The square around joints: `uv` `[..., N, 2]` px → middle `[..., 2]`, side `[...]` px.

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


def crop_transform(centre, side, K, size, *, roll=0.0, mirror=False, perspective=True):
    """`H` and `A`, both `[..., 3, 3]`, of the crop of a square box.

    Args:
        centre, side: the box, `[..., 2]` and `[...]` source px (`joints_box`, or a detector's).
        K: intrinsics `[..., 3, 3]`; only `perspective` needs them.
        size: side of the crop in px.
        roll: turn of the crop in its plane, radians `[...]`.
        mirror: whether left and right swap, bool `[...]`.
        perspective: turn the camera towards the box; otherwise a similarity of the image.
    """
    centre, side, roll = (tf.convert_to_tensor(v, tf.float32) for v in (centre, side, roll))
    turn = _roll_and_mirror(roll, mirror, side)
    if perspective:
        return _virtual_camera(centre, side, K, size, turn)
    zoom = size / side
    linear = zoom[..., None, None] * turn[..., :2, :2]
    shift = size / 2 - tf.linalg.matvec(linear, centre)
    H = _rows(
        tf.concat([linear[..., 0, :], shift[..., :1]], -1),
        tf.concat([linear[..., 1, :], shift[..., 1:]], -1),
        tf.ones_like(side)[..., None] * [0.0, 0.0, 1.0],
    )
    return H, turn


def _virtual_camera(centre, side, K, size, turn):
    look = look_at(rays(centre[..., None, :], K)[..., 0, :])
    edges = centre[..., None, :] + side[..., None, None] / 2 * [[-1, 0], [1, 0], [0, -1], [0, 1.0]]
    seen = tf.matmul(rays(edges, K), look, transpose_b=True)
    half = tf.reduce_max(tf.abs(seen[..., :2] / seen[..., 2:]), [-2, -1])
    A = tf.matmul(turn, look)
    H = tf.matmul(tf.matmul(crop_camera(size, half), A), tf.linalg.inv(K))
    return H / H[..., 2:, 2:], A


def crop_camera(size, half):
    """Intrinsics `[..., 3, 3]` of a square image of `size` px that sees ± `half` (a tangent)."""
    focal = size / 2 / half
    zero, one = tf.zeros_like(focal), tf.ones_like(focal)
    middle = size / 2 * one
    return _rows(
        tf.stack([focal, zero, middle], -1),
        tf.stack([zero, focal, middle], -1),
        tf.stack([zero, zero, one], -1),
    )


def typical_camera(height, width):
    """Intrinsics `[..., 3, 3]` of images whose camera is not known; both sides `[...]` px."""
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    focal = TYPICAL_FOCAL * tf.maximum(height, width)
    zero, one = tf.zeros_like(focal), tf.ones_like(focal)
    return _rows(
        tf.stack([focal, zero, width / 2], -1),
        tf.stack([zero, focal, height / 2], -1),
        tf.stack([zero, zero, one], -1),
    )


def place(points_mm, uv, weight, K):
    """Where a hand is: the shift `[..., 3]` mm after which its points project nearest to `uv`.

    Linear least squares of each point's distance from its px's ray, along x and along y.

    Args:
        points_mm: `[..., N, 3]`, camera frame, about any origin.
        uv: `[..., N, 2]` px.
        weight: `[..., N, 2]`, how much each coordinate of `uv` counts.
        K: intrinsics `[..., 3, 3]`.
    """
    u, v, one = tf.unstack(rays(uv, K), axis=-1)
    x, y, z = tf.unstack(points_mm, axis=-1)
    rows = tf.concat([tf.stack([one, 0 * u, -u], -1), tf.stack([0 * v, one, -v], -1)], -2)
    right = tf.concat([u * z - x, v * z - y], -1)
    weight = tf.concat([weight[..., 0], weight[..., 1]], -1)[..., None]
    shift = tf.linalg.lstsq(rows * weight, right[..., None] * weight, l2_regularizer=1e-7)
    return shift[..., 0]


def place_in_box(points_mm, box, K):
    """Where a hand is that just fills `box`: the shift `[..., 3]` mm of `[..., N, 3]` points.

    `box` `[..., 4]` is left, top, right, bottom px; `K` `[..., 3, 3]`.
    """
    near, far = box[..., None, :2], box[..., None, 2:]
    seen = points_mm[..., :2]
    for _ in range(PLACEMENT_ROUNDS):
        nearest = tf.cast(seen == tf.reduce_min(seen, -2, keepdims=True), tf.float32)
        farthest = tf.cast(seen == tf.reduce_max(seen, -2, keepdims=True), tf.float32)
        touched = nearest * near + farthest * far
        shift = place(points_mm, touched, nearest + farthest, K)
        seen = project(points_mm + shift[..., None, :], K)
    return shift


def place_over(points_mm, uv, K):
    """Where a hand is that lies over `uv` and is as wide: the shift `[..., 3]` mm of its points.

    Centre and spread (root mean square from it) of the projection are those of `uv`
    `[..., N, 2]` px. `place` alone would pull a pose that differs from `uv` to the camera, near
    which its errors in mm are small.
    """
    around = uv - tf.reduce_mean(uv, -2, keepdims=True)
    seen = points_mm[..., :2]
    for _ in range(PLACEMENT_ROUNDS):
        spread = seen - tf.reduce_mean(seen, -2, keepdims=True)
        ratio = tf.norm(around, axis=[-2, -1], keepdims=True)
        ratio /= tf.norm(spread, axis=[-2, -1], keepdims=True)
        shift = place(points_mm, uv - around + ratio * spread, tf.ones_like(uv), K)
        seen = project(points_mm + shift[..., None, :], K)
    return shift


def look_at(direction):
    """The smallest rotation `[..., 3, 3]` that turns `direction` `[..., 3]` to (0, 0, 1)."""
    a, b, c = tf.unstack(tf.math.l2_normalize(direction, -1), axis=-1)
    shared = -a * b / (1 + c)
    return _rows(
        tf.stack([1 - a * a / (1 + c), shared, -a], -1),
        tf.stack([shared, 1 - b * b / (1 + c), -b], -1),
        tf.stack([a, b, c], -1),
    )


def _roll_and_mirror(roll, mirror, like):
    """Turn by `roll` after swapping left and right, `[..., 3, 3]`."""
    roll = roll + tf.zeros_like(like)
    sign = tf.where(mirror, -1.0, 1.0) + tf.zeros_like(like)
    zero, one = tf.zeros_like(like), tf.ones_like(like)
    cos, sin = tf.cos(roll), tf.sin(roll)
    return _rows(
        tf.stack([sign * cos, -sin, zero], -1),
        tf.stack([sign * sin, cos, zero], -1),
        tf.stack([zero, zero, one], -1),
    )


def tilt(axis, angle):
    """Rotation `[..., 3, 3]` by `angle` about the axis at angle `axis` in the image plane.

    Both `[...]`, radians; the axis is (cos, sin, 0).
    """
    x, y, zero = tf.cos(axis), tf.sin(axis), tf.zeros_like(axis)
    cos, sin = tf.cos(angle), tf.sin(angle)
    return _rows(
        tf.stack([cos + x * x * (1 - cos), x * y * (1 - cos), y * sin], -1),
        tf.stack([x * y * (1 - cos), cos + y * y * (1 - cos), -x * sin], -1),
        tf.stack([-y * sin, x * sin, cos + zero], -1),
    )


def rotate_about(points, rotation, pivot):
    """Points `[..., N, 3]` turned by `rotation` `[..., 3, 3]` about `pivot` `[..., 3]`."""
    pivot = pivot[..., None, :]
    return tf.matmul(points - pivot, rotation, transpose_b=True) + pivot


def scale_bone_mm(xyz_mm):
    """Length `[...]` in mm of the bone that sets the scale; joints `[..., 21, 3]`."""
    near, far = hand.SCALE_BONE
    return tf.norm(xyz_mm[..., near, :] - xyz_mm[..., far, :], axis=-1)


def normalise(xyz_mm, root_mm, scale_mm, A):
    """Camera frame `[..., 21, 3]` mm → y: root-relative, in scale bones, in the crop's frame.

    `root_mm` `[..., 3]`, `scale_mm` `[...]`, `A` `[..., 3, 3]`.
    """
    relative = (xyz_mm - root_mm[..., None, :]) / scale_mm[..., None, None]
    return tf.matmul(relative, A, transpose_b=True)


def denormalise(y, root_mm, scale_mm, A):
    """Inverse of `normalise`: y `[..., 21, 3]` → camera frame, mm. A is orthogonal."""
    return tf.matmul(y, A) * scale_mm[..., None, None] + root_mm[..., None, :]


def to_unit_square(crop_px, size):
    """Crop px `[..., N, 2]` → [-0.5, 0.5] inside the crop of side `size`."""
    return crop_px / size - 0.5


def from_unit_square(x, size):
    """Inverse of `to_unit_square`."""
    return (x + 0.5) * size


def warp_image(image, H, size):
    """The crop: uint8 `[h, w, 3]` through `H` `[3, 3]` → float32 `[size, size, 3]` in [0, 1].

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


def _supersampling(inverse, size):
    """Samples a side of one crop pixel: about the source px it covers at the crop's middle."""
    depth = tf.linalg.matvec(inverse, [size / 2, size / 2, 1.0])[2]
    px = tf.sqrt(tf.abs(tf.linalg.det(inverse) / depth**3))
    return tf.cast(tf.clip_by_value(tf.round(px), 1, MAX_SUPERSAMPLING), tf.int32)


def radians(degrees):
    """Degrees → radians."""
    return degrees * (math.pi / 180)


def _homogeneous(points):
    return tf.concat([points, tf.ones_like(points[..., :1])], -1)


def _rows(*rows):
    return tf.stack(rows, -2)
