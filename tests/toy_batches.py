"""Batches of random hands as the pipeline gives them, and predictors whose error is known."""

from typing import Any

import numpy as np
import tensorflow as tf

from dcmls_tf import geometry, hand
from dcmls_tf.data.examples import Batch

SAMPLES, SIZE, FOCAL = 20, 64, 280.0
MEAN_SCALE_MM = 30.0


def examples(modality: str = "rgb", seed: int = 0) -> dict[str, Any]:
    """Hands of random joints before a camera, as one batch."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform([-100, -100, 450], [100, 100, 600], (SAMPLES, 1, 3))
    xyz_mm = tf.cast(centre + rng.normal(0, 30, (SAMPLES, hand.NUM_JOINTS, 3)), tf.float32)
    K = tf.constant([[[FOCAL, 0, 160], [0, FOCAL, 160], [0, 0, 1]]] * SAMPLES)
    uv = geometry.project(xyz_mm, K)
    side = rng.integers(0, 2, SAMPLES)
    middle, length = geometry.joints_box(uv, K, 1.5)
    roll = tf.constant(rng.normal(size=SAMPLES), tf.float32)
    H, A = geometry.crop_transform(middle, length, K, SIZE, roll=roll, mirror=side == 0)
    root_mm, scale_mm = xyz_mm[:, 0], geometry.scale_bone_mm(xyz_mm)
    crop_px = geometry.apply_homography(uv, H)
    rgb = rng.uniform(-0.5, 0.5, (SAMPLES, SIZE, SIZE, 3)).astype(np.float32)
    arrays = {
        "x": rgb if modality == "rgb" else geometry.to_unit_square(crop_px, SIZE),
        "y": geometry.normalise(xyz_mm, root_mm, scale_mm, A),
        "visible": rng.random((SAMPLES, hand.NUM_JOINTS)) < 0.8,
        "root_mm": root_mm,
        "scale_mm": scale_mm,
        "A": A,
        "H": H,
        "K": K,
        "xyz_mm": xyz_mm,
        "uv": uv,
        "side": side,
        "id": np.array([f"sample/{i}".encode() for i in range(SAMPLES)], object),
    }
    return {name: np.asarray(array) for name, array in arrays.items()}


def batches_of(data: dict[str, Any], size: int = 8) -> list[Any]:
    """Batches of the examples; the last one is smaller."""
    return [{k: v[i : i + size] for k, v in data.items()} for i in range(0, SAMPLES, size)]


def perfect(batch: Batch) -> Any:
    """The truth."""
    return batch["y"]


def noisy(batch: Batch) -> Any:
    """The truth with noise that is the same in every batch."""
    return batch["y"] + np.random.default_rng(3).normal(0, 0.4, np.shape(batch["y"]))
