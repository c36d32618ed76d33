"""Figures: PCK curves, pages and sheets of pictures, animations.

Figures are matplotlib figures of their own, without pyplot's global state, so that they may be
drawn from any thread. Pictures are RGB, uint8 or float in [-0.5, 0.5], as in `skeletons`.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Shaped, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dcmls_tf.drawing import skeletons

# Label → thresholds in mm and PCK there.
Curves = Mapping[str, tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]]


def pck_figure(curves: Curves, caption: str = "", faint: Curves | None = None) -> Figure:
    """PCK curves as a figure.

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


def picture_page(
    rows: Sequence[Sequence[Shaped[np.ndarray, "H W 3"]]],
    column_titles: Sequence[str],
    row_titles: Sequence[str],
    title: str = "",
    footer: str = "",
) -> Figure:
    """A figure of pictures in rows of equal length.

    Row titles stand left of the pictures, upright, and may have several lines.
    """
    columns = len(column_titles)
    height = 2.3 * len(rows) + 1.0
    figure = _figure(2.3 * columns + 1.5, height)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for pictures, name, row_axes in zip(rows, row_titles, axes, strict=True):
        for picture, ax in zip(pictures, row_axes, strict=True):
            ax.imshow(skeletons.as_uint8(picture), interpolation="antialiased")
            ax.set(xticks=[], yticks=[])
        row_axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, labelpad=8)
    for ax, name in zip(axes[0], column_titles, strict=True):
        ax.set_title(name, fontsize=10)
    figure.suptitle(title, fontsize=12)
    figure.supxlabel(footer, fontsize=9)
    return figure


def contact_sheet(
    images: Sequence[Shaped[np.ndarray, "H W 3"]],
    columns: int,
    padding: int = 4,
    background: int = 255,
) -> UInt8[np.ndarray, "sheet_H sheet_W 3"]:
    """Images of one size as a grid, row by row. Raises `ValueError` for none, or of two sizes."""
    images = [skeletons.as_uint8(image) for image in images]
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


def reconstruction_page(
    x: npt.ArrayLike,
    x_rec: npt.ArrayLike | None,
    y: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    size: int = 160,
    columns: int = 2,
) -> UInt8[np.ndarray, "page_H page_W 3"]:
    """Input, reconstruction, and prediction over truth from two sides, for TensorBoard.

    Args:
        x, x_rec: images `[B, H, W, 3]` in [-0.5, 0.5], of any two sizes; or joints
            `[B, 21, 2]`, where the reconstruction is drawn over the input in grey. Without
            reconstructions (`x_rec=None`) they are left out.
        y, y_pred: poses `[B, 21, 3]` in the crop's frame, truth in grey.
        size: side of one picture in px.
        columns: examples in a row; each takes four pictures.
    """
    x, y, y_pred = (np.asarray(a, float) for a in (x, y, y_pred))
    rebuilt = [None] * len(x) if x_rec is None else np.asarray(x_rec, float)
    strips = [
        contact_sheet(
            _source_pictures(source, source_rec, size)
            + [
                skeletons.draw_pose_3d(pred, truth, view=view, size=size)
                for view in ("front", "side")
            ],
            columns=4,
        )
        for source, source_rec, truth, pred in zip(x, rebuilt, y, y_pred, strict=True)
    ]
    return contact_sheet(strips, columns, padding=2)


def source_picture(
    source: Float[np.ndarray, "H W 3"] | Float[np.ndarray, "21 2"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """One x as a picture: an image in [-0.5, 0.5], or joints in a crop, which spans ±0.5."""
    if np.ndim(source) == 3:
        return _resized(skeletons.as_uint8(source), size)
    return skeletons.draw_pose_3d(_flat(source), extent=0.6, size=size)


def animation(pages: Sequence[UInt8[np.ndarray, "H W 3"]], milliseconds: int) -> bytes:
    """Pictures of one size as the bytes of a GIF that runs for ever, each shown so long."""
    first, *others = [Image.fromarray(page) for page in pages]
    content = io.BytesIO()
    timing = {"duration": milliseconds, "loop": 0}
    first.save(content, format="GIF", save_all=True, append_images=others, **timing)
    return content.getvalue()


def to_array(figure: Figure) -> UInt8[np.ndarray, "H W 3"]:
    """A figure as pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _source_pictures(
    source: Float[np.ndarray, "..."], rebuilt: Float[np.ndarray, "..."] | None, size: int
) -> list[UInt8[np.ndarray, "size size 3"]]:
    """x and, where there is one, its reconstruction: each its own picture."""
    given = [source] if rebuilt is None else [source, rebuilt]
    if source.ndim == 3:
        return [_resized(skeletons.as_uint8(image), size) for image in given]
    first, *others = [_flat(joints) for joints in given]
    extent = skeletons.pose_extent(first, *others)
    pairs = [(first, None), *((pose, first) for pose in others)]
    return [skeletons.draw_pose_3d(*pair, extent=extent, size=size) for pair in pairs]


def _flat(joints: Float[np.ndarray, "21 2"]) -> Float[np.ndarray, "21 3"]:
    """Joints of the image as a pose of depth 0."""
    return np.pad(joints, [(0, 0), (0, 1)])


def _resized(image: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
