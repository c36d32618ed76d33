"""A small raw folder in InterHand2.6M's layout: both hands of a frame before two cameras."""

import json
from pathlib import Path

import numpy as np
import raw_trees
import tensorflow as tf
from scipy.spatial.transform import Rotation

from dcmls_tf import hand

SIZE = (334, 512)
K = np.array([[1260.0, 0, 250], [0, 1255, 170], [0, 0, 1]])
DEPTH_MM = (1100, 1200)
# Each looks at the same place, which is before the first one.
PLACE = np.array([30.0, -80.0, 1170.0])
TURNS = {
    "400262": np.eye(3),
    "400263": Rotation.from_euler("xyz", [5, 20, 10], degrees=True).as_matrix(),
}
CENTRES = {name: PLACE - R.T @ [0, 0, 1150] for name, R in TURNS.items()}
CAPTURE = 7
# skeleton.txt's joints of a hand as canonical ones: r_thumb4 to r_thumb1, ..., r_wrist.
ORDER = [hand.INDEX[f"{f}_tip"] - joint for f in hand.FINGERS for joint in range(4)] + [0]


def write(root, training=3, evaluation=2, seed=0, images=True):
    """Writes it under `root`, the right hand alone drawn. Returns `root`."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", training), ("test", evaluation)):
        worlds = [_world(rng) for _ in range(count)]
        pictures = [_picture(frame, camera) for frame in range(count) for camera in TURNS]
        for number, picture in enumerate(pictures):
            picture["id"] = number + 100
            if images:
                path = Path(root) / "images" / split / picture["file_name"]
                _draw(path, worlds[picture["frame_idx"]], picture["camera"])
        folder = Path(root) / "annotations" / split
        folder.mkdir(parents=True, exist_ok=True)
        for kind, content in (
            ("data", {"images": pictures, "annotations": list(map(_annotation, pictures))}),
            ("joint_3d", {str(CAPTURE): {str(i): _frame(w) for i, w in enumerate(worlds)}}),
            ("camera", {str(CAPTURE): _cameras()}),
        ):
            path = folder / f"InterHand2.6M_{split}_{kind}.json"
            path.write_text(json.dumps(content))
    return root


def in_camera(world, camera):
    """Points of the world's frame in a camera's, mm."""
    return (np.asarray(world) - CENTRES[camera]) @ TURNS[camera].T


def canonical(world, side):
    """A hand of the 42 joints, in canonical order."""
    first = 0 if side == hand.RIGHT else hand.NUM_JOINTS
    joints = np.zeros((hand.NUM_JOINTS, 3))
    joints[ORDER] = np.asarray(world)[first : first + hand.NUM_JOINTS]
    return joints


def _world(rng):
    """42 joints: a right hand and a left one before the first camera."""
    hands = [
        raw_trees.placed_hand(rng, K, SIZE, DEPTH_MM, side)[ORDER]
        for side in (hand.RIGHT, hand.LEFT)
    ]
    return np.concatenate(hands) + CENTRES["400262"]


def _picture(frame, camera):
    return {
        "file_name": f"Capture{CAPTURE}/ROM01/cam{camera}/image{frame}.jpg",
        "capture": CAPTURE, "camera": camera, "frame_idx": frame, "width": 512, "height": 334,
    }  # fmt: skip


def _annotation(picture):
    return {
        "id": picture["id"], "image_id": picture["id"], "bbox": [0, 0, 512, 334],
        "joint_valid": [[1]] * 42, "hand_type": "interacting", "hand_type_valid": 1,
    }  # fmt: skip


def _frame(world):
    return {"world_coord": world.tolist(), "joint_valid": [[1]] * 42, "hand_type": "interacting"}


def _cameras():
    return {
        "campos": {name: C.tolist() for name, C in CENTRES.items()},
        "camrot": {name: R.tolist() for name, R in TURNS.items()},
        "focal": dict.fromkeys(TURNS, K.diagonal()[:2].tolist()),
        "princpt": dict.fromkeys(TURNS, K[:2, 2].tolist()),
    }


def _draw(path, world, camera):
    joints = in_camera(canonical(world, hand.RIGHT), camera)
    image = raw_trees.drawn(SIZE, raw_trees.project(joints, K), 4)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_jpeg(image, quality=98).numpy())
