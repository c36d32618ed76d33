"""Figures: skeletons in images and in 3D, contact sheets, PCK curves, result pages.

Pictures are uint8 RGB arrays `[H, W, 3]`, drawn at four times their size and reduced, which
smooths the edges. Figures are matplotlib figures of their own, without pyplot's global
state, so that they may be drawn from any thread. One hue a finger: `hand.joint_colour`.
"""

import functools
import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from dcmls_tf import hand

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


def draw_skeleton(image, uv, visible=None, *, colour=None, width=None, order=None):
    """A copy of an image with a hand's bones and joints, anti-aliased.

    Args:
      image: `[H, W, 3]`, uint8 or float in [-0.5, 0.5].
      uv: `[21, 2]` px from the outer corner of the first pixel, as in `geometry`; may lie
        outside.
      visible: `[21]` bool. Hidden joints are hollow and their bones faded.
      colour: one RGB colour for the whole hand; default one hue a finger.
      width: line width in px; default from the image's size.
      order: joints `[21]` from the first drawn to the last, e.g. far to near.

    Raises `ValueError` for wrong shapes or coordinates that are not finite.
    """
    image, uv = as_uint8(image), _points("uv", uv, 2)
    visible = np.ones(len(uv), bool) if visible is None else np.asarray(visible, bool)
    width = width or max(1.2, min(image.shape[:2]) / 110)
    layer = Image.new("RGBA", [SUPERSAMPLING * side for side in image.shape[1::-1]])
    # Far-off points would overflow the rasteriser; they are out of sight all the same.
    points = SUPERSAMPLING * np.clip(uv, -1e4, 1e4)
    order = range(len(uv) - 1, -1, -1) if order is None else order
    # Pillow's lines count from pixel middles, its ellipses from pixel corners.
    _draw_bones(ImageDraw.Draw(layer), points - 0.5, visible, colour, SUPERSAMPLING * width, order)
    _draw_joints(ImageDraw.Draw(layer), points, visible, colour, SUPERSAMPLING * width, order)
    layer = layer.resize(image.shape[1::-1], Image.Resampling.BOX)
    base = Image.fromarray(image).convert("RGBA")
    return np.array(Image.alpha_composite(base, layer).convert("RGB"))


def draw_hand(image, uv, box, label=""):
    """A copy of a photo `[H, W, 3]` with a hand's skeleton, its box `[4]` px and a label.

    Lines are as wide as suits the hand's size; only the part of the photo around it is redrawn.
    """
    image, uv, box = as_uint8(image).copy(), _points("uv", uv, 2), np.asarray(box, float)
    side = max(box[2:] - box[:2])
    size = np.array(image.shape[1::-1])
    text = np.array([_font().getlength(label), LABEL_PX + 2])
    # Above the box, and within the photo where it is wide enough.
    place = np.maximum(np.minimum(box[:2] - [0, text[1]], size - text), 0)
    corners = np.concatenate([uv, box.reshape(2, 2)])
    first = np.minimum(corners.min(axis=0) - 0.2 * side, place)
    end = np.maximum(corners.max(axis=0) + 0.2 * side, place + text + 1)
    first = np.clip(first, 0, size - 1).astype(int)
    end = np.clip(np.ceil(end), first + 1, size).astype(int)
    part = image[first[1] : end[1], first[0] : end[0]]
    width = float(np.clip(side / 60, 1.2, min(size) / 60))
    drawn = Image.fromarray(draw_skeleton(part, uv - first, width=width))
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((box - np.tile(first, 2)).tolist(), outline=PAPER)
    draw.text(tuple(place - first), label, PAPER, _font(), stroke_width=1, stroke_fill=OUTLINE)
    part[:] = np.array(drawn)
    return image


@functools.cache
def _font():
    return ImageFont.load_default(LABEL_PX)


def draw_pose_3d(pose, truth=None, *, view="front", extent=None, grid=None, size=256):
    """A pose seen along an axis of the camera, in true proportions, `[size, size, 3]` uint8.

    Args:
      pose: `[21, 3]` in the camera's convention (x right, y down, z forward), any unit.
      truth: a second pose of the same kind, drawn in grey under the first.
      view: a key of `VIEWS`.
      extent: half of the picture's side in the pose's unit; default to fit both poses.
      grid: distance between grid lines in the same unit; default none.
      size: side of the picture in px.
    """
    if view not in VIEWS:
        raise ValueError(f"view={view!r}: use one of {', '.join(VIEWS)}")
    poses = {None: _points("pose", pose, 3)}
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


def pose_extent(*poses):
    """Half of the side of a cube around the first pose's middle that holds all poses."""
    return 1.12 * max(np.abs(np.asarray(p) - _middle(poses[0])).max() for p in poses) or 1.0


def contact_sheet(images, columns, padding=4, background=255):
    """Images of one size `[N, H, W, 3]` as a grid, row by row, `[.., .., 3]` uint8."""
    images = [as_uint8(image) for image in images]
    if not images or columns < 1:
        raise ValueError(f"a sheet of {len(images)} images in {columns} columns is empty")
    if len({image.shape for image in images}) > 1:
        raise ValueError(f"images differ in size: {sorted({i.shape for i in images})}")
    height, width = np.array(images[0].shape[:2]) + padding
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    shape = (rows * height + padding, columns * width + padding, 3)
    sheet = np.full(shape, background, np.uint8)
    for i, image in enumerate(images):
        top, left = padding + i // columns * height, padding + i % columns * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def pck_figure(curves, caption="", faint=None):
    """PCK curves as a figure; `curves` maps a label to (thresholds in mm `[T]`, pck `[T]`).

    `faint`: further curves of the same kind, drawn thin and grey, such as published ones.
    """
    figure = _figure(7.2, 5.2)
    axes = figure.add_subplot()
    for i, (label, (thresholds_mm, pck)) in enumerate(curves.items()):
        axes.plot(thresholds_mm, pck, ["-", "--", "-.", ":"][i % 4], label=label, linewidth=2)
    for i, (label, (thresholds_mm, pck)) in enumerate((faint or {}).items()):
        style = {"color": str(0.35 + 0.1 * (i % 4)), "linewidth": 1, "marker": "ov^sD"[i % 5]}
        axes.plot(thresholds_mm, pck, label=label, markersize=3, **style)
    axes.set(xlim=(0, 50), ylim=(0, 1), xlabel="error threshold (mm)")
    axes.set_ylabel("fraction of joints within it (3D PCK)")
    axes.axvspan(20, 50, color="0.94", zorder=0)
    axes.grid(color="0.85", linewidth=0.8)
    axes.legend(loc="lower right", fontsize=9)
    axes.set_title(caption, fontsize=9, loc="left")
    return figure


def picture_page(rows, column_titles, row_titles, title="", footer=""):
    """A figure of pictures: `rows` is a list of equally long lists of `[H, W, 3]` arrays.

    Row titles stand left of the pictures, upright, and may have several lines.
    """
    columns = len(column_titles)
    height = 2.3 * len(rows) + 1.0
    figure = _figure(2.3 * columns + 1.5, height)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for pictures, name, of_row in zip(rows, row_titles, axes, strict=True):
        for picture, ax in zip(pictures, of_row, strict=True):
            ax.imshow(as_uint8(picture), interpolation="antialiased")
            ax.set(xticks=[], yticks=[])
        of_row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, labelpad=8)
    for ax, name in zip(axes[0], column_titles, strict=True):
        ax.set_title(name, fontsize=10)
    figure.suptitle(title, fontsize=12)
    figure.supxlabel(footer, fontsize=9)
    return figure


def reconstruction_page(x, x_rec, y, y_pred, size=160, columns=2):
    """Input, reconstruction, and prediction over truth from two sides, for TensorBoard.

    Args:
      x, x_rec: images `[B, H, W, 3]` in [-0.5, 0.5], of any two sizes; or joints
        `[B, 21, 2]`, where the reconstruction is drawn over the input in grey. Without
        reconstructions (`x_rec=None`) they are left out.
      y, y_pred: poses `[B, 21, 3]` in the crop's frame, truth in grey.
      size: side of one picture in px.
      columns: examples beside each other; each takes four pictures.

    Returns uint8 `[.., .., 3]`.
    """
    x, y, y_pred = (np.asarray(a, float) for a in (x, y, y_pred))
    rebuilt = [None] * len(x) if x_rec is None else np.asarray(x_rec, float)
    strips = [
        contact_sheet(
            _source_pictures(source, source_rec, size)
            + [draw_pose_3d(pred, truth, view=view, size=size) for view in ("front", "side")],
            columns=4,
        )
        for source, source_rec, truth, pred in zip(x, rebuilt, y, y_pred, strict=True)
    ]
    return contact_sheet(strips, columns, padding=2)


def turning(pose, truth=None, frames=16, size=256):
    """A pose turned once around its vertical axis: `frames` pictures `[size, size, 3]` uint8.

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


def _yaw(angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def animation(pages, milliseconds):
    """Pictures `[H, W, 3]` uint8 of one size as the bytes of a GIF that runs for ever."""
    first, *others = [Image.fromarray(page) for page in pages]
    content = io.BytesIO()
    timing = {"duration": milliseconds, "loop": 0}
    first.save(content, format="GIF", save_all=True, append_images=others, **timing)
    return content.getvalue()


def to_array(figure):
    """A figure as pixels, `[H, W, 3]` uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def as_uint8(image):
    """An RGB image as uint8 `[H, W, 3]`; floats are taken to be in [-0.5, 0.5] and clipped."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"image is {image.shape}, expected (height, width, 3)")
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"image is {image.dtype}, expected uint8 or float in [-0.5, 0.5]")
    return np.uint8(np.rint(255 * np.clip(np.nan_to_num(image) + 0.5, 0, 1)))


def _draw_bones(draw, points, visible, colour, width, order):
    for child in order:
        parent = hand.PARENTS[child]
        if parent < 0:
            continue
        alpha = 255 if visible[child] and visible[parent] else HIDDEN_ALPHA
        line = [tuple(points[parent]), tuple(points[child])]
        if colour != TRUTH_COLOUR:
            draw.line(line, fill=(*OUTLINE, alpha), width=round(1.7 * width))
        draw.line(line, fill=(*(colour or hand.joint_colour(child)), alpha), width=round(width))


def _draw_joints(draw, points, visible, colour, width, order):
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


def _paper(size, centre, scale, grid):
    picture = Image.new("RGB", (size, size), PAPER)
    draw = ImageDraw.Draw(picture)
    for axis in range(2) if grid else ():
        reach = size / 2 / scale
        first, last = np.ceil((centre[axis] + np.array([-reach, reach])) / grid)
        for step in range(int(first), int(last)):
            at = (step * grid - centre[axis]) * scale + size / 2
            line = [(at, 0), (at, size)] if axis == 0 else [(0, at), (size, at)]
            draw.line(line, fill=GRID_AXIS if step == 0 else GRID_LINE)
    return np.array(picture)


def source_picture(source, size):
    """One x as a picture `[size, size, 3]`: an image in ±0.5, or joints `[21, 2]` of a crop."""
    if np.ndim(source) == 3:
        return _resized(as_uint8(source), size)
    return draw_pose_3d(np.pad(source, [(0, 0), (0, 1)]), extent=0.6, size=size)


def _source_pictures(source, rebuilt, size):
    given = [source] if rebuilt is None else [source, rebuilt]
    if source.ndim == 3:
        return [_resized(as_uint8(image), size) for image in given]
    flat = [np.pad(joints, [(0, 0), (0, 1)]) for joints in given]
    fit = {"extent": pose_extent(*flat), "size": size}
    return [draw_pose_3d(flat[0], **fit)] + [draw_pose_3d(j, flat[0], **fit) for j in flat[1:]]


def _resized(image, size):
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def _middle(pose):
    pose = np.asarray(pose, float)
    return (pose.min(axis=0) + pose.max(axis=0)) / 2


def _points(name, points, axes):
    points = np.asarray(points, float)
    if points.shape != (hand.NUM_JOINTS, axes):
        raise ValueError(f"{name} is {points.shape}, expected ({hand.NUM_JOINTS}, {axes})")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has a coordinate that is not finite")
    return points


def _figure(width, height):
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
