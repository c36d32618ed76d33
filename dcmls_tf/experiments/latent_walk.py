"""Figure 6: walks through the latent space from one sample to another.

Along one walk z_h goes from the first sample's to the second's while z_c stays the first's,
which should change the pose alone; along its counterpart z_c goes and z_h stays, which should
change everything but the pose.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Float, UInt8

from dcmls_tf import files, objective
from dcmls_tf.data.examples import Batch
from dcmls_tf.drawing import figures, skeletons
from dcmls_tf.model import DCMLS

PARTS = ("pose", "context")
Picture = UInt8[np.ndarray, "H W 3"]
# One step of some walks: for each walk its x and its pose from two sides.
Frame = list[list[Picture]]


@dataclasses.dataclass(frozen=True)
class Walk:
    """What the codes between two samples decode to.

    x: images in ±0.5, or keypoints; y: poses in scale bones, in the crop's frame.
    """

    x: Float[np.ndarray, "steps ..."]
    y: Float[np.ndarray, "steps 21 3"]


def interpolate_codes(model: DCMLS, batch: Batch, part: str, steps: int = 9) -> Walk:
    """The `Walk` from a batch's first example to its second.

    part: what moves, `pose` (z_h) or `context` (z_c); the other stays at the first example's.
    Codes are the posteriors' means and move along a straight line. Raises `ValueError` for
    another part, or when the model has no context to move or keep.
    """
    if part not in PARTS:
        raise ValueError(f"part={part!r}: use one of {', '.join(PARTS)}")
    if model.config.latent in ("unified", "none"):
        raise ValueError(f"--latent={model.config.latent} has no context")
    code = objective.encode(model, batch, reads="x").x
    at = tf.linspace(0.0, 1.0, steps)[:, None]
    z_h, z_c = (
        z[:1] + (z[1:2] - z[:1]) * (at if moves else tf.zeros_like(at))
        for z, moves in ((code.z_h, part == "pose"), (code.z_c, part == "context"))
    )
    y = model.predict_from_codes(z_h, z_c)
    return Walk(model.decode_x(z_h, z_c).numpy(), y.numpy())


def pictures(walks: Sequence[Walk], size: int = 128) -> list[Frame]:
    """A `Frame` a step, with a row a walk: x, the pose from the front, the pose from the side."""
    extent = max(skeletons.pose_extent(pose) for walk in walks for pose in walk.y)
    return [
        [
            [
                figures.source_picture(walk.x[step], size),
                *(
                    skeletons.draw_pose_3d(walk.y[step], view=view, extent=extent, size=size)
                    for view in ("front", "side")
                ),
            ]
            for walk in walks
        ]
        for step in range(len(walks[0].x))
    ]


def strip(frames: Sequence[Frame]) -> Picture:
    """All steps of all walks as one picture: a column a step, three rows a walk."""
    rows = [[frame[w][k] for frame in frames] for w in range(len(frames[0])) for k in range(3)]
    flat = [picture for row in rows for picture in row]
    return figures.contact_sheet(flat, columns=len(frames))


def write_gif(path: str, frames: Sequence[Frame], milliseconds: int = 120) -> None:
    """Writes an animation to the end and back, one row a walk, atomically."""
    pages = [
        figures.contact_sheet([p for row in frame for p in row], columns=3) for frame in frames
    ]
    files.write(path, figures.animation(pages + pages[-2:0:-1], milliseconds))
