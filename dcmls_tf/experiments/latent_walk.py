"""Figure 6: walks through the latent space from one sample to another.

Along one walk z_h goes from the first sample's to the second's while z_c stays the first's,
which should change the pose alone; along its counterpart z_c goes and z_h stays, which should
change everything but the pose.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from dcmls_tf import files, objective
from dcmls_tf.drawing import figures as visualization

PARTS = ("pose", "context")


@dataclasses.dataclass(frozen=True)
class Walk:
    """`x` `[steps, ...]`, images in ±0.5 or keypoints; `y` `[steps, 21, 3]` in the crop's frame."""

    x: np.ndarray
    y: np.ndarray


def walk(model, batch, part, steps=9):
    """The `Walk` from a batch's first example to its second.

    part: what moves, `pose` (z_h) or `context` (z_c); the other stays at the first example's.
    Codes are the posteriors' means and move along a straight line. Raises `ValueError` for
    another part, or when the model has no context to move or keep.
    """
    if part not in PARTS:
        raise ValueError(f"part={part!r}: use one of {', '.join(PARTS)}")
    if model.config.latent in ("unified", "none"):
        raise ValueError(f"--latent={model.config.latent} has no context")
    code = objective.Forward(model, batch, training=False).x
    at = tf.linspace(0.0, 1.0, steps)[:, None]
    z_h, z_c = (
        z[:1] + (z[1:2] - z[:1]) * (at if moves else tf.zeros_like(at))
        for z, moves in ((code.z_h, part == "pose"), (code.z_c, part == "context"))
    )
    y = model.decode_y(z_h, model.context_for_y(z_c, model.translate(z_c)))
    return Walk(model.decode_x(z_h, z_c).numpy(), y.numpy())


def pictures(walks, size=128):
    """Frames of `Walk`s beside each other: step → rows of [x, 3D from the front, from the side]."""
    extent = max(visualization.pose_extent(pose) for of in walks for pose in of.y)
    return [
        [
            [
                visualization.source_picture(of.x[step], size),
                *(
                    visualization.draw_pose_3d(of.y[step], view=view, extent=extent, size=size)
                    for view in ("front", "side")
                ),
            ]
            for of in walks
        ]
        for step in range(len(walks[0].x))
    ]


def strip(frames):
    """All steps of all walks as one picture: a column a step, three rows a walk."""
    rows = [[frame[w][k] for frame in frames] for w in range(len(frames[0])) for k in range(3)]
    flat = [picture for row in rows for picture in row]
    return visualization.contact_sheet(flat, columns=len(frames))


def write_gif(path, frames, milliseconds=120):
    """An animation to the end and back, one row a walk. Written atomically."""
    there = [
        visualization.contact_sheet([p for row in frame for p in row], columns=3)
        for frame in frames
    ]
    files.write(path, visualization.animation(there + there[-2:0:-1], milliseconds))
