"""Hands cut out of frames: as much of the picture as training crops can show, and no more.

A crop is rendered by a camera of its own, which sees a square of the frame. What lies outside
of the frame is cut off, as a photograph's border would.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf.data import rhd
from dcmls_tf.data.examples import RawHand
from dcmls_tf.rendering import frame
from dcmls_tf.rendering.camera import Camera
from dcmls_tf.rendering.mix import RHD, Mix
from dcmls_tf.rendering.scene import Scene

# The crop's side over the longer side of the joints' box. A training crop of 1.25 boxes reaches
# this far when it is turned by 45 degrees, moved by a tenth and larger by 15%.
MARGIN = 2.3
MIN_SIDE_PX = 48
JPEG_QUALITY = 88
_COMPRESSED = (25, 80)  # qualities that leave artefacts


@dataclasses.dataclass(frozen=True)
class Crop:
    """A picture of one hand, and its label.

    colour: RGB; encoded: the same as JPEG; fields: a canonical example's without image and id.
    """

    colour: UInt8[np.ndarray, "h w 3"]
    encoded: bytes
    fields: RawHand


def crop_camera(
    camera: Camera, uv: Float[np.ndarray, "N 2"], crop_size: int, detail: float
) -> tuple[Camera, tuple[int, int, int, int]]:
    """The camera of the square around a hand's joints, and the frame in its px.

    detail: px that the sensor has for each of the scene's; the crop has as many, but not more
    than `crop_size` a side. The frame is left, top, right, bottom, in whole px.
    """
    low, high = uv.min(0), uv.max(0)
    side = MARGIN * (high - low).max()
    size = int(np.clip(round(side * detail), MIN_SIDE_PX, crop_size))
    corner = (low + high) / 2 - side / 2
    edges = (np.array([[0, 0], [camera.size, camera.size]]) - corner) * (size / side)
    (left, top), (right, bottom) = np.clip(np.round(edges), 0, size).astype(int).tolist()
    return camera.cropped(corner, side, size), (left, top, right, bottom)


def render_crop(
    scene: Scene,
    side: int,
    rng: np.random.Generator,
    photographs: Sequence[str],
    crop_size: int,
    mix: Mix = RHD,
) -> Crop:
    """The `Crop` of one hand of a scene; `rng` draws all that the scene leaves open."""
    # RHD's pixels are those of its cameras; phones and webcams have up to 5 times as many a side.
    detail = np.exp(rng.uniform(np.log(1.1), np.log(5))) if scene.near else 1.0
    quality = int(rng.integers(*_COMPRESSED)) if rng.random() < mix.compressed else JPEG_QUALITY
    uv, _ = scene.camera.project(scene.figure.joints[side])
    camera, (left, top, right, bottom) = crop_camera(scene.camera, uv, crop_size, detail)
    colour, mask, _ = frame.paint(scene, rng, photographs, camera, mix)
    inside = np.s_[top:bottom, left:right]
    fields = _fields(scene, camera, side, mask, inside)
    return Crop(colour[inside], encode(colour[inside], quality), fields)


def _fields(
    scene: Scene,
    camera: Camera,
    side: int,
    mask: UInt8[np.ndarray, "S S"],
    inside: tuple[slice, slice],
) -> RawHand:
    """Canonical fields, in px of the part `inside` of the crop."""
    rows, columns = inside
    camera = camera.cropped((columns.start, rows.start), camera.size, camera.size)
    return rhd.one_hand(vars(frame.annotate_by_mask(scene, camera, mask[inside])), side)


def encode(colour: UInt8[np.ndarray, "h w 3"], quality: int = JPEG_QUALITY) -> bytes:
    """JPEG bytes of an RGB image."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", colour[:, :, ::-1], options)[1].tobytes()
