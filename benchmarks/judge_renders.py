"""An independent judge of rendered hands: does MediaPipe find them, and where ours are?

Crops a square around the labelled hand of each frame of a folder in RHD's layout, enlarges it
to 320 px, and runs MediaPipe Hands on it. Needs an environment of its own:

    pip install mediapipe==0.10.14 "numpy<2"
    python benchmarks/judge_renders.py --raw_dir=rendered --split=evaluation --frames=200

MediaPipe's 21 landmarks have the canonical order. RHD's own frames give about 74% found at a
median distance of 7% of the hand's box.
"""

import argparse
import os
import pickle

import cv2
import mediapipe as mp
import numpy as np

CROP_PX = 320
RHD_TO_CANONICAL = [0] + [4 * finger + k for finger in range(5) for k in (4, 3, 2, 1)]


def hands(raw_dir, split, frames):
    """Yields `(crop [320, 320, 3] RGB, joints [21, 2] in units of the crop)`."""
    with open(os.path.join(raw_dir, split, f"anno_{split}.pickle"), "rb") as file:
        annotations = pickle.load(file, encoding="latin1")
    for number in sorted(annotations)[:frames]:
        colour, mask = (
            cv2.imread(os.path.join(raw_dir, split, kind, f"{number:05d}.png"), flag)
            for kind, flag in (("color", cv2.IMREAD_COLOR), ("mask", cv2.IMREAD_GRAYSCALE))
        )
        left, right = ((mask > 1) & (mask < 18)).sum(), (mask > 17).sum()
        first = 0 if left > right else 21
        joints = annotations[number]["uv_vis"][first : first + 21, :2][RHD_TO_CANONICAL]
        yield colour[:, :, ::-1], joints


def crop(image, joints, factor):
    """The square `factor` times the joints' box, enlarged; joints follow the image."""
    centre = (joints.min(0) + joints.max(0)) / 2
    scale = CROP_PX / (factor * np.ptp(joints, axis=0).max())
    shift = CROP_PX / 2 - scale * centre
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    square = cv2.warpAffine(image, matrix, (CROP_PX, CROP_PX), flags=cv2.INTER_CUBIC)
    return square, joints * scale + shift


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw_dir", required=True)
    parser.add_argument("--split", default="evaluation")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--factor", type=float, default=2.0, help="crop's side / hand's box")
    options = parser.parse_args()
    distances, count = [], 0
    with mp.solutions.hands.Hands(
        static_image_mode=True, max_num_hands=2, min_detection_confidence=0.3
    ) as detector:
        for image, joints in hands(options.raw_dir, options.split, options.frames):
            count += 1
            square, ours = crop(image, joints, options.factor)
            found = detector.process(np.ascontiguousarray(square)).multi_hand_landmarks or []
            theirs = [np.array([(p.x, p.y) for p in hand.landmark]) * CROP_PX for hand in found]
            if theirs:
                box = np.ptp(ours, axis=0).max()
                errors = [np.linalg.norm(t - ours, axis=1) / box for t in theirs]
                distances.append(min(errors, key=np.mean))
    print(f"frames {count}, found {len(distances) / count:.1%}")
    if distances:
        per_hand = np.mean(distances, 1)
        print(f"median of landmark distances / hand box {np.median(distances):.1%}")
        print(f"median of a hand's mean distance / hand box {np.median(per_hand):.1%}")


if __name__ == "__main__":
    main()
