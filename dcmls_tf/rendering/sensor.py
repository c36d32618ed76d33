"""What phones and webcams do to light: focus, motion, gain, white balance, tone curve.

Each is drawn by itself. Lengths are in px of the crop, which has the sensor's resolution.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf.rendering import lighting
from dcmls_tf.rendering.mix import Mix

_SOFT_SHARE = 0.3


def photograph(
    rng: np.random.Generator, radiance: Float[np.ndarray, "H W 3"], mix: Mix
) -> UInt8[np.ndarray, "H W 3"]:
    """Linear image, exposed, to sRGB."""
    image = cv2.GaussianBlur(radiance, (0, 0), _focus(rng))
    if rng.random() < mix.moved:
        image = cv2.filter2D(image, -1, motion_kernel(rng, rng.uniform(2, len(image) / 18)))
    noise = np.exp(rng.uniform(np.log(0.002), np.log(0.02)))
    if rng.random() < mix.dim:
        image = image * np.float32(rng.uniform(0.15, 0.6))
        noise *= rng.uniform(2, 5)
    image = _noisy(rng, image, noise)
    image = image * np.float32(np.exp(rng.normal(0, [0.08, 0.03, 0.08])))
    srgb = lighting.srgb_from_linear(image)
    return np.round(255 * _toned(rng, srgb)).astype(np.uint8)


def _focus(rng: np.random.Generator) -> float:
    """Radius of the blur, px: mostly sharp, now and then out of focus."""
    if rng.random() < _SOFT_SHARE:
        return np.exp(rng.uniform(np.log(0.8), np.log(2.5)))
    return rng.uniform(0.3, 0.7)


def motion_kernel(rng: np.random.Generator, length: float) -> Float[np.ndarray, "S S"]:
    """A kernel that smears over `length` px along a slightly bent line."""
    angle, bend = rng.uniform(0, np.pi), rng.normal(0, 0.1)
    side = 2 * math.ceil(length / 2) + 1
    kernel = np.zeros((side, side), np.float32)
    for t in np.linspace(-0.5, 0.5, 4 * side):
        along, across = t * length, bend * length * (t * t - 0.125)
        x = along * math.cos(angle) - across * math.sin(angle)
        y = along * math.sin(angle) + across * math.cos(angle)
        column, row = (min(max(round(side // 2 + at), 0), side - 1) for at in (x, y))
        kernel[row, column] += 1
    return kernel / kernel.sum()


def _noisy(
    rng: np.random.Generator, image: Float[np.ndarray, "H W 3"], strength: float
) -> Float[np.ndarray, "H W 3"]:
    """With noise that grows with the light's root; part of it blotchy, as after compression."""
    noise = lighting.noise_window(rng, image.shape)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.6, 1.2)) * np.float32(2)
    amount = np.sqrt(strength**2 * np.clip(image, 0, None) + (0.2 * strength) ** 2)
    return image + noise * amount


def _toned(
    rng: np.random.Generator, srgb: Float[np.ndarray, "H W 3"]
) -> Float[np.ndarray, "H W 3"]:
    """sRGB 0..1 after a camera's contrast and saturation."""
    saturation, contrast = rng.uniform(0.75, 1.25), rng.uniform(0.85, 1.2)
    mix = contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    shift = np.full((3, 1), 0.5 * (1 - contrast))
    return np.clip(cv2.transform(srgb, np.concatenate([mix, shift], 1)), 0, 1)
