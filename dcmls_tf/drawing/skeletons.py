"""Skeletons of hands: over pictures, and of 3D poses seen along an axis of the camera.

Pictures are uint8 RGB arrays `[H, W, 3]`, drawn at four times their size and reduced, which
smooths the edges. One hue a finger: `hand.joint_colour`.
"""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from dcmls_tf import hand

Colour = tuple[int, int, int]
# Joints from the first drawn to the last.
Order = Sequence[int] | Int[np.ndarray, "21"]

SUPERSAMPLING = 4
HIDDEN_ALPHA = 90
TRUTH_COLOUR = (165, 165, 165)
OUTLINE = (20, 20, 20)
PAPER = (250, 250, 250)
LABEL_PX = 14
GRID_LINE = (222, 222, 222)
GRID_AXIS = (185, 185, 185)

# Rows: where right, down and forward of the viewer point in the camera's frame (x right,
# y down, z forward). Each is a rotation, so that no view mirrors the hand.
VIEWS = {
    "front": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "side": np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "top": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
VIEW_TITLES = {
    "front": "front",
    "side": "from the right (depth →)",
    "top": "from above (depth ↑)",
}


def draw_skeleton(
    image: Shaped[np.ndarray, "H W 3"],
    uv: Float[np.ndarray, "21 2"],
    visible: Bool[np.ndarray, "21"] | None = None,
    *,
    colour: Colour | None = None,
    width: float | None = None,
    order: Order | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of an image with a hand's bones and joints, anti-aliased.

    Args:
        image: uint8, or float in [-0.5, 0.5].
        uv: px from the outer corner of the first pixel, as in `geometry`; may lie outside.
        visible: hidden joints are hollow and their bones faded; default all are visible.
        colour: one RGB colour for the whole hand; default one hue a finger.
        width: line width in px; default from the image's size.
        order: joints from the first drawn to the last, e.g. far to near.

    Raises `ValueError` for wrong shapes or coordinates that are not finite.
    """
    image, uv = as_uint8(image), _points("uv", uv, 2)
    visible = np.ones(len(uv), bool) if visible is None else np.asarray(visible, bool)
    width = width or max(1.2, min(image.shape[:2]) / 110)
    rows, columns, _ = image.shape
    layer = Image.new("RGBA", (SUPERSAMPLING * columns, SUPERSAMPLING * rows))
    # Far-off points would overflow the rasteriser; they are out of sight all the same.
    points = SUPERSAMPLING * np.clip(uv, -1e4, 1e4)
    order = range(len(uv) - 1, -1, -1) if order is None else order
    # Pillow's lines count from pixel middles, its ellipses from pixel corners.
    _draw_bones(ImageDraw.Draw(layer), points - 0.5, visible, colour, SUPERSAMPLING * width, order)
    _draw_joints(ImageDraw.Draw(layer), points, visible, colour, SUPERSAMPLING * width, order)
    layer = layer.resize((columns, rows), Image.Resampling.BOX)
    base = Image.fromarray(image).convert("RGBA")
    return np.array(Image.alpha_composite(base, layer).convert("RGB"))


def draw_hand(
    image: Shaped[np.ndarray, "H W 3"],
    uv: Float[np.ndarray, "21 2"],
    box: Float[np.ndarray, "4"],
    label: str = "",
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of a photo with a hand's skeleton, its box (left, top, right, bottom px) and a label.

    Lines are as wide as suits the hand's size; only the part of the photo around it is redrawn.
    """
    image, uv, box = as_uint8(image).copy(), _points("uv", uv, 2), np.asarray(box, float)
    side = max(box[2:] - box[:2])
    size = np.array(image.shape[1::-1])
    text_size = np.array([_font().getlength(label), LABEL_PX + 2])
    # Above the box, and within the photo where it is wide enough.
    place = np.maximum(np.minimum(box[:2] - [0, text_size[1]], size - text_size), 0)
    corners = np.concatenate([uv, box.reshape(2, 2)])
    first = np.minimum(corners.min(axis=0) - 0.2 * side, place)
    end = np.maximum(corners.max(axis=0) + 0.2 * side, place + text_size + 1)
    first = np.clip(first, 0, size - 1).astype(int)
    end = np.clip(np.ceil(end), first + 1, size).astype(int)
    part = image[first[1] : end[1], first[0] : end[0]]
    width = float(np.clip(side / 60, 1.2, min(size) / 60))
    drawn = Image.fromarray(draw_skeleton(part, uv - first, width=width))
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((box - np.tile(first, 2)).tolist(), outline=PAPER)
    left, top = (place - first).tolist()
    draw.text((left, top), label, PAPER, _font(), stroke_width=1, stroke_fill=OUTLINE)
    part[:] = np.array(drawn)
    return image


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(LABEL_PX)


def draw_pose_3d(
    pose: Float[np.ndarray, "21 3"],
    truth: Float[np.ndarray, "21 3"] | None = None,
    *,
    view: str = "front",
    extent: float | None = None,
    grid: float | None = None,
    size: int = 256,
) -> UInt8[np.ndarray, "size size 3"]:
    """A pose seen along an axis of the camera, in true proportions.

    Args:
        pose: in the camera's convention (x right, y down, z forward), any unit.
        truth: a second pose of the same kind, drawn in grey under the first.
        view: a key of `VIEWS`.
        extent: half of the picture's side in the pose's unit; default to fit both poses.
        grid: distance between grid lines in the same unit; default none.
        size: side of the picture in px.

    Raises `ValueError` for another view, wrong shapes or coordinates that are not finite.
    """
    if view not in VIEWS:
        raise ValueError(f"view={view!r}: use one of {', '.join(VIEWS)}")
    poses: dict[Colour | None, np.ndarray] = {None: _points("pose", pose, 3)}
    if truth is not None:
        poses = {TRUTH_COLOUR: _points("truth", truth, 3), **poses}
    first = next(iter(poses.values()))
    centre = VIEWS[view] @ _middle(first)
    scale = size / 2 / (extent or pose_extent(*poses.values()))
    picture = _paper(size, centre, scale, grid)
    for colour, points in poses.items():
        seen = points @ VIEWS[view].T - centre
        uv = seen[:, :2] * scale + size / 2
        far_to_near = np.argsort(-seen[:, 2])
        picture = draw_skeleton(picture, uv, colour=colour, order=far_to_near, width=size / 90)
    return picture


def pose_extent(*poses: Float[np.ndarray, "21 3"]) -> float:
    """Half of the side of a cube around the first pose's middle that holds all poses."""
    return 1.12 * max(np.abs(np.asarray(p) - _middle(poses[0])).max() for p in poses) or 1.0


def turning(
    pose: Float[np.ndarray, "21 3"],
    truth: Float[np.ndarray, "21 3"] | None = None,
    frames: int = 16,
    size: int = 256,
) -> list[UInt8[np.ndarray, "size size 3"]]:
    """A pose turned once around its vertical axis, as `frames` pictures.

    pose, truth: as in `draw_pose_3d`; the size that they are drawn at stays the same.
    """
    pose = np.asarray(pose, float)
    middle = _middle(pose)
    poses = [pose - middle] if truth is None else [pose - middle, np.asarray(truth) - middle]
    extent = 1.1 * max(np.linalg.norm(points, axis=-1).max() for points in poses)
    return [
        draw_pose_3d(*(points @ _yaw(angle).T for points in poses), extent=extent, size=size)
        for angle in np.linspace(0, 2 * np.pi, frames, endpoint=False)
    ]


def _yaw(angle: float) -> Float[np.ndarray, "3 3"]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def as_uint8(image: Shaped[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """An RGB image as uint8; floats are taken to be in [-0.5, 0.5] and clipped.

    Raises `ValueError` for another shape or type.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"image is {image.shape}, expected (height, width, 3)")
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"image is {image.dtype}, expected uint8 or float in [-0.5, 0.5]")
    return np.rint(255 * np.clip(np.nan_to_num(image) + 0.5, 0, 1)).astype(np.uint8)


def _draw_bones(
    draw: ImageDraw.ImageDraw,
    points: Float[np.ndarray, "21 2"],
    visible: Bool[np.ndarray, "21"],
    colour: Colour | None,
    width: float,
    order: Order,
) -> None:
    for child in order:
        parent = hand.PARENTS[child]
        if parent < 0:
            continue
        alpha = 255 if visible[child] and visible[parent] else HIDDEN_ALPHA
        line = [tuple(points[parent]), tuple(points[child])]
        if colour != TRUTH_COLOUR:
            draw.line(line, fill=(*OUTLINE, alpha), width=round(1.7 * width))
        draw.line(line, fill=(*(colour or hand.joint_colour(child)), alpha), width=round(width))


def _draw_joints(
    draw: ImageDraw.ImageDraw,
    points: Float[np.ndarray, "21 2"],
    visible: Bool[np.ndarray, "21"],
    colour: Colour | None,
    width: float,
    order: Order,
) -> None:
    for joint in order:
        fill = colour or hand.joint_colour(joint)
        edge = fill if colour == TRUTH_COLOUR else OUTLINE
        radius = (1.5 if joint in (0, *hand.TIPS) else 1.15) * width
        rim = max(1, round(0.35 * width))
        box = [*(points[joint] - radius), *(points[joint] + radius)]
        if visible[joint]:
            draw.ellipse(box, fill=(*fill, 255), outline=(*edge, 255), width=rim)
        else:
            draw.ellipse(box, fill=(0, 0, 0, 0), outline=(*fill, 230), width=2 * rim)


def _paper(
    size: int, centre: Float[np.ndarray, "3"], scale: float, grid: float | None
) -> UInt8[np.ndarray, "size size 3"]:
    """An empty picture, with lines at multiples of `grid`; `centre` is in its middle."""
    picture = Image.new("RGB", (size, size), PAPER)
    draw = ImageDraw.Draw(picture)
    if not grid:
        return np.array(picture)
    reach = size / 2 / scale
    for axis in range(2):
        first, last = np.ceil((centre[axis] + np.array([-reach, reach])) / grid)
        for step in range(int(first), int(last)):
            place = (step * grid - centre[axis]) * scale + size / 2
            line = [(place, 0), (place, size)] if axis == 0 else [(0, place), (size, place)]
            draw.line(line, fill=GRID_AXIS if step == 0 else GRID_LINE)
    return np.array(picture)


def _middle(pose: Float[np.ndarray, "21 D"]) -> Float[np.ndarray, " D"]:
    pose = np.asarray(pose, float)
    return (pose.min(axis=0) + pose.max(axis=0)) / 2


def _points(name: str, points: Float[np.ndarray, "21 D"], axes: int) -> Float[np.ndarray, "21 D"]:
    points = np.asarray(points, float)
    if points.shape != (hand.NUM_JOINTS, axes):
        raise ValueError(f"{name} is {points.shape}, expected ({hand.NUM_JOINTS}, {axes})")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has a coordinate that is not finite")
    return points
