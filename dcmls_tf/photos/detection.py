"""Hands in a photo: boxes, sides and 2D joints, by MediaPipe's two networks under LiteRT.

MediaPipe's package needs NumPy 1 and cannot stand beside TensorFlow 2.21, but its networks can:
`palm_detection_full.tflite` finds palms, and `hand_landmark_full.tflite` finds 21 joints and the
side in a turned square around each (Zhang et al., MediaPipe Hands, 2020). Both are under
Apache-2.0. They are taken once from the package's wheel, which pip downloads, and kept in the
user's cache (`cache_folder`). What is done between the two follows MediaPipe's published graphs
`palm_detection_cpu` and `hand_landmark_cpu`; the constants below are theirs.
"""

import dataclasses
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

from dcmls_tf import files, hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos.photo import opencv
from dcmls_tf.serving import tflite as lite

WHEEL = "mediapipe==0.10.14"
# Any of the release's wheels has the networks; this one is there for every user.
WHEEL_TAGS = ("--platform=manylinux_2_17_x86_64", "--python-version=3.11", "--implementation=cp")
PALM, LANDMARKS = "palm_detection_full.tflite", "hand_landmark_full.tflite"
NETWORKS = {  # name → place in the wheel, SHA-256
    PALM: (
        "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    LANDMARKS: (
        "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
}

# Palm detector: a single-shot detector with square anchors, (cells a side, anchors a cell).
PALM_INPUT, ANCHOR_GRIDS = 192, ((24, 2), (12, 6))
MIN_SCORE, MERGE_IOU = 0.5, 0.3
WRIST_POINT, MIDDLE_POINT = 0, 2
# The square that the joints are looked for in: the palm's, enlarged and moved to the fingers.
ROI_SCALE, ROI_SHIFT = 2.6, 0.5
LANDMARKS_INPUT, MIN_PRESENCE = 224, 0.5
SAME_HAND_IOU = 0.5


@dataclasses.dataclass(frozen=True)
class Detection:
    """One hand: `box` `[4]` left, top, right, bottom px, tight around `uv` `[21, 2]` px.

    `side` is 0 left, 1 right; `side_score` how sure that is, 0.5 to 1; `score` the
    network's confidence that a hand is there at all.
    """

    box: np.ndarray
    uv: np.ndarray
    side: int
    side_score: float
    score: float


class Detector:
    """Finds hands in photos. Raises `UserError` when its networks cannot be had.

    max_hands: how many hands of a photo are given, the surest first.
    """

    def __init__(self, max_hands=4, num_threads=1):
        contents = networks()
        self._palm = lite.interpreter(contents[PALM], num_threads)
        self._landmarks = lite.interpreter(contents[LANDMARKS], num_threads)
        self._max_hands = max_hands

    def __call__(self, pixels):
        """Photo uint8 `[H, W, 3]` RGB → list of `Detection`, in its px."""
        found = []
        for roi in self.palms(pixels)[: 2 * self._max_hands]:
            one = self._hand(pixels, roi)
            if one and all(iou(one.box, other.box) < SAME_HAND_IOU for other in found):
                found.append(one)
        return sorted(found, key=lambda one: -one.score)[: self._max_hands]

    def palms(self, pixels):
        """The squares to look for joints in, surest palm first: `[3, 3]` square → photo px.

        A square's own coordinates go from (0, 0) to (1, 1), fingers up.
        """
        height, width = pixels.shape[:2]
        side = max(height, width)
        corner = np.array([width - side, height - side]) / 2
        letterbox = np.array([[side, 0, corner[0]], [0, side, corner[1]], [0, 0, 1.0]])
        image = cut_square(pixels, letterbox, PALM_INPUT, outside="black")
        raw, logits = _run(self._palm, image, (18, 1))
        boxes, points, scores = decode_palms(raw, logits[:, 0])
        merged = merge_palms(boxes, points, scores)
        return [
            roi_of_palm(side * box + np.tile(corner, 2), side * p + corner) for box, p in merged
        ]

    def _hand(self, pixels, roi):
        image = cut_square(pixels, roi, LANDMARKS_INPUT, outside="edge")
        joints, presence, right, _ = _run(self._landmarks, image, (63, 1, 1, 63))
        if presence < MIN_PRESENCE:
            return None
        uv = joints.reshape(hand.NUM_JOINTS, 3)[:, :2] / LANDMARKS_INPUT
        uv = uv @ roi[:2, :2].T + roi[:2, 2]
        box = np.concatenate([uv.min(axis=0), uv.max(axis=0)])
        side = hand.RIGHT if right > 0.5 else hand.LEFT
        return Detection(box, uv, side, float(max(right, 1 - right)), float(presence))


def anchors():
    """Middles of the palm detector's anchors, `[2016, 2]` in parts of its input."""
    grids = []
    for cells, each in ANCHOR_GRIDS:
        at = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(at, at)
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], -1), each, axis=0))
    return np.concatenate(grids)


def decode_palms(raw, logits):
    """Network outputs `[2016, 18]`, `[2016]` → those that score: boxes, points, scores.

    Boxes `[N, 4]` (left, top, right, bottom) and points `[N, 7, 2]`, in parts of the input.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -100, 100)))
    keep = scores >= MIN_SCORE
    centre = anchors()[keep]
    raw = raw[keep] / PALM_INPUT
    middle, half = centre + raw[:, :2], raw[:, 2:4] / 2
    boxes = np.concatenate([middle - half, middle + half], -1)
    return boxes, centre[:, None] + raw[:, 4:].reshape(-1, 7, 2), scores[keep]


def merge_palms(boxes, points, scores):
    """Weighted non-maximum suppression: list of (box, points), the surest first.

    Boxes that overlap the surest by more than `MERGE_IOU` are averaged with it by score.
    """
    merged, left = [], list(np.argsort(-scores, kind="stable"))
    while left:
        same = [i for i in left if iou(boxes[i], boxes[left[0]]) > MERGE_IOU] or left[:1]
        weight = scores[same] / scores[same].sum()
        average = [np.tensordot(weight, values[same], 1) for values in (boxes, points)]
        merged.append(tuple(average))
        left = [i for i in left if i not in same]
    return merged


def roi_of_palm(box, points):
    """A palm's box `[4]` and points `[7, 2]` px → the square around its hand, `[3, 3]`.

    The square is turned so that wrist → middle finger points up.
    """
    across, down = points[MIDDLE_POINT] - points[WRIST_POINT]
    turn = np.arctan2(across, -down)
    cos, sin = np.cos(turn), np.sin(turn)
    size = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 + ROI_SHIFT * size[1] * np.array([sin, -cos])
    side = ROI_SCALE * size.max()
    linear = side * np.array([[cos, -sin], [sin, cos]])
    to_photo = np.eye(3)
    to_photo[:2, :2], to_photo[:2, 2] = linear, middle - linear @ [0.5, 0.5]
    return to_photo


def cut_square(pixels, to_photo, size, outside):
    """A square of a photo, float32 `[size, size, 3]` in [0, 1].

    to_photo: `[3, 3]` from (0, 0)–(1, 1) to px; outside: `black`, or `edge` to repeat the edge.
    """
    cv2 = opencv()
    # OpenCV counts from the middle of the first pixel, photos from its corner.
    to_middle = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    from_output = np.array([[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size], [0, 0, 1]])
    cut = cv2.warpAffine(
        pixels,
        (to_middle @ to_photo @ from_output)[:2],
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if outside == "black" else cv2.BORDER_REPLICATE,
    )
    return np.float32(cut) / 255


def iou(a, b):
    """Intersection over union of two boxes `[4]`."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(size, 0))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def cache_folder():
    """Where the networks are kept: below `$XDG_CACHE_HOME`, or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "dcmls_tf", WHEEL.replace("==", "-"))


def networks():
    """The two networks' bytes by name, from the cache or, once, from the wheel.

    Raises `UserError` when they cannot be downloaded or kept, or are not the ones expected.
    """
    found = {name: _cached(name) for name in NETWORKS}
    if None not in found.values():
        return found
    found = _downloaded()
    try:
        os.makedirs(cache_folder(), exist_ok=True)
        for name, content in found.items():
            files.write(os.path.join(cache_folder(), name), content)
    except OSError as error:
        raise UserError(
            f"{cache_folder()}: the hand detector cannot be kept there ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from None
    return found


def _cached(name):
    try:
        with open(os.path.join(cache_folder(), name), "rb") as file:
            content = file.read()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == NETWORKS[name][1] else None


def _downloaded():
    print(f"downloading MediaPipe's hand detector once ({WHEEL}, 36 MB)", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--only-binary=:all:", *WHEEL_TAGS, "--dest", folder, WHEEL]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise UserError(
                f"the hand detector cannot be downloaded (pip: {reason}); give --box or "
                f"--keypoints, or put {' and '.join(NETWORKS)} into {cache_folder()}"
            )
        (wheel,) = os.listdir(folder)
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            found = {name: archive.read(place) for name, (place, _) in NETWORKS.items()}
    for name, content in found.items():
        if hashlib.sha256(content).hexdigest() != NETWORKS[name][1]:
            raise UserError(f"{WHEEL}: its {name} is not the one expected; download it elsewhere")
    return found


def _run(interpreter, image, sizes):
    """Runs a network on an image; its outputs of `sizes` (last axis), in the order of names."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    details = sorted(interpreter.get_output_details(), key=lambda d: d["name"])
    found = [interpreter.get_tensor(d["index"])[0] for d in details]
    assert tuple(f.shape[-1] for f in found) == sizes
    return [f.item() if f.size == 1 else f for f in found]
