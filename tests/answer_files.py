"""Files of answers as `scripts/predict.py` writes them, of hands whose pose is known."""

import json

import numpy as np
import raw_trees
from hand_files import photo_of

from dcmls_tf import hand
from dcmls_tf.photos import records
from dcmls_tf.photos.hands import HandPose, HandRegion

FPS = 25


def pose(xyz_mm, side, K, root="palm", score=0.9, track=None):
    """The answer of a model with this root for a hand `[21, 3]` in the camera's frame."""
    joints = xyz_mm.copy()
    if root == "palm":
        joints[0] = xyz_mm[[0, hand.MIDDLE_MCP]].mean(0)
    uv = raw_trees.project(joints, K)
    box = np.concatenate([uv.min(0), uv.max(0)])
    region = HandRegion(box, side, "given", uv, score, track)
    at = joints[9 if root == "middle_mcp" else 0]
    return HandPose(region, uv, joints - at, at, None)


def write(path, pictures, root="palm", fps=FPS, video=None):
    """A `predictions.json` of `[(name, [(xyz_mm, side, track)])]`, frames of `video` if named."""
    written = []
    for number, (name, hands) in enumerate(pictures):
        photo = photo_of(np.zeros((480, 640, 3), np.uint8), name=video or name)
        poses = [pose(xyz, side, photo.K, root, track=track) for xyz, side, track in hands]
        record = records.record(photo, poses)
        if video:
            record |= {"frame": number, "time_s": number / fps}
        written.append(record)
    path.write_text(records.as_json(written, hand.joint_names(root)))
    return str(path)


def motion(frames, side, seed=0):
    """A rigid hand `[T, 21, 3]` mm before the camera that turns and moves."""
    rng = np.random.default_rng(seed)
    start = raw_trees.random_hand(rng, side)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    k = np.cross(np.eye(3), axis)
    poses = []
    for frame in range(frames):
        angle = 0.15 * frame
        turn = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
        poses.append(start @ turn + [10 * frame, -5 * frame, 500])
    return np.array(poses)


def load(path):
    """A JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
