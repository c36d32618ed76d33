"""The square around a hand that becomes a model's crop, and what is random about it."""

import math
from typing import NamedTuple

from jaxtyping import Float

from dcmls_tf import arrays, geometry, hand
from dcmls_tf.arrays import Array
from dcmls_tf.config import Config
from dcmls_tf.data.examples import PlacedHand

_Number = Float[Array, "*B"] | float


class Noise(NamedTuple):
    """What is random about an augmented example: numbers `[*B]` in [-1, 1], 0 for no change."""

    roll: _Number = 0.0
    shift_x: _Number = 0.0
    shift_y: _Number = 0.0
    scale: _Number = 0.0
    hue: _Number = 0.0
    saturation: _Number = 0.0
    contrast: _Number = 0.0
    brightness: _Number = 0.0
    view_axis: _Number = 0.0
    view_angle: _Number = 0.0
    focal: _Number = 0.0
    bones: Float[Array, "*B 20"] | None = None
    keypoints: Float[Array, "*B 64"] | None = None
    picture: Float[Array, "*B 15"] | None = None


STILL = Noise()


def crop_to_hand(
    placed: PlacedHand, config: Config, noise: Noise = STILL
) -> tuple[Float[Array, "*B 3 3"], Float[Array, "*B 3 3"]]:
    """`H` and `A` (see `ModelExample`) of the square around a hand, jittered by `noise`."""
    centre, side = geometry.joints_box(placed["uv"], placed["K"], config.crop_margin)
    jitter = [noise.shift_x + 0 * side, noise.shift_y + 0 * side]
    shift = config.augment_shift * arrays.of(jitter).stack(jitter, -1)
    return geometry.crop_transform(
        centre + shift * side[..., None],
        side * (1 + config.augment_scale * noise.scale),
        placed["K"],
        config.input_size,
        roll=math.radians(config.augment_rotation) * noise.roll,
        mirror=(placed["side"] == hand.LEFT) & (config.side == "mirror"),
        perspective=config.perspective_crop,
    )
