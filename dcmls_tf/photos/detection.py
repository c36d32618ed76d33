"""Hands in a photo: boxes, sides and 2D joints, by MediaPipe's two networks under LiteRT.

`palm_detection_full.tflite` finds palms, and `hand_landmark_full.tflite` finds 21 joints and the
side in a turned square around each (Zhang et al., MediaPipe Hands, 2020); `detector_files` has
them. What is done between the two follows MediaPipe's published graphs `palm_detection_cpu` and
`hand_landmark_cpu`; the constants below are theirs.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from dcmls_tf import hand, litert
from dcmls_tf.photos import detector_files, opencv

# Palm detector: a single-shot detector with square anchors, (cells a side, anchors a cell).
PALM_INPUT, ANCHOR_GRIDS = 192, ((24, 2), (12, 6))
MIN_SCORE, MERGE_IOU = 0.5, 0.3
WRIST_POINT, MIDDLE_POINT = 0, 2
# The square that the joints are looked for in: the palm's, enlarged and moved to the fingers.
ROI_SCALE, ROI_SHIFT = 2.6, 0.5
# The same around joints that are known, less their fingers' ends.
JOINTS_SCALE, JOINTS_SHIFT = 2.0, 0.1
STEADY_JOINTS = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
LANDMARKS_INPUT, MIN_PRESENCE = 224, 0.5
SAME_HAND_IOU = 0.5


@dataclasses.dataclass(frozen=True)
class Detection:
    """One hand: `box` left, top, right, bottom px, tight around the joints `uv` px.

    `side` is 0 left, 1 right; `side_score` how sure that is, 0.5 to 1; `score` the
    network's confidence that a hand is there at all. `depths`: how far behind the wrist the joints
    are, in px as `uv`, by weak perspective.
    """

    box: Float[np.ndarray, "4"]
    uv: Float[np.ndarray, "21 2"]
    side: int
    side_score: float
    score: float
    depths: Float[np.ndarray, "21"] | None = None


class Detector:
    """Finds hands in photos. Raises `UserError` when its networks cannot be had.

    max_hands: how many hands of a photo are given, the surest first.
    min_score: the least confidence that a hand is there.
    tiles: into how many squares, half over each other, the photo's longer side is parted for
        hands that are small in it: into 2, 3, … up to so many; 1: the whole photo alone.
    """

    def __init__(
        self,
        max_hands: int = 4,
        num_threads: int = 1,
        min_score: float = MIN_PRESENCE,
        tiles: int = 1,
    ):
        contents = detector_files.networks()
        self._palm = litert.interpreter(contents[detector_files.PALM], num_threads)
        self._landmarks = litert.interpreter(contents[detector_files.LANDMARKS], num_threads)
        self._max_hands, self._min_score, self._tiles = max_hands, min_score, tiles

    def __call__(self, pixels: UInt8[np.ndarray, "H W 3"]) -> list[Detection]:
        """The hands in a photo, RGB, in its px.

        Each is looked at twice: around its palm, and around the joints that were found there,
        which puts them 9% nearer to the truth on the average (245 rendered hands).
        """
        detections: list[Detection] = []
        for roi in self.palms(pixels)[: 2 * self._max_hands]:
            first = self._hand(pixels, roi)
            new = first and (self.again(pixels, first) or first)
            if new and all(iou(new.box, other.box) < SAME_HAND_IOU for other in detections):
                detections.append(new)
        return sorted(detections, key=lambda d: -d.score)[: self._max_hands]

    def again(self, pixels: UInt8[np.ndarray, "H W 3"], known: Detection) -> Detection | None:
        """The hand where a `known` one is or was, `None` where there is none any more."""
        return self._hand(pixels, roi_of_joints(known.uv))

    def palms(self, pixels: UInt8[np.ndarray, "H W 3"]) -> list[Float[np.ndarray, "3 3"]]:
        """The squares to look for joints in, surest palm first: square → photo px.

        A square's own coordinates go from (0, 0) to (1, 1), fingers up.
        """
        seen = [self._palms_in(pixels, square) for square in squares(pixels.shape, self._tiles)]
        boxes, points, scores = (np.concatenate(of_all) for of_all in zip(*seen, strict=True))
        return [roi_of_palm(box, p) for box, p in merge_palms(boxes, points, scores)]

    def _palms_in(
        self, pixels: UInt8[np.ndarray, "H W 3"], square: Float[np.ndarray, "3 3"]
    ) -> tuple[Float[np.ndarray, "N 4"], Float[np.ndarray, "N 7 2"], Float[np.ndarray, "N"]]:
        """Boxes, points and scores of the palms in a square of a photo, in the photo's px."""
        image = cut_square(pixels, square, PALM_INPUT, outside="black")
        raw, logits = _run(self._palm, image, (18, 1))
        boxes, points, scores = decode_palms(raw, logits[:, 0], min(MIN_SCORE, self._min_score))
        side, corner = square[0, 0], square[:2, 2]
        return side * boxes + np.tile(corner, 2), side * points + corner, scores

    def _hand(
        self, pixels: UInt8[np.ndarray, "H W 3"], roi: Float[np.ndarray, "3 3"]
    ) -> Detection | None:
        image = cut_square(pixels, roi, LANDMARKS_INPUT, outside="edge")
        joints, presence, right, _ = _run(self._landmarks, image, (63, 1, 1, 63))
        if presence < self._min_score:
            return None
        joints = joints.reshape(hand.NUM_JOINTS, 3) / LANDMARKS_INPUT
        uv = joints[:, :2] @ roi[:2, :2].T + roi[:2, 2]
        depths = joints[:, 2] * np.linalg.norm(roi[:2, 0])
        box = np.concatenate([uv.min(axis=0), uv.max(axis=0)])
        side = hand.RIGHT if right > 0.5 else hand.LEFT
        return Detection(box, uv, side, float(max(right, 1 - right)), float(presence), depths)


def squares(shape: tuple[int, ...], tiles: int) -> list[Float[np.ndarray, "3 3"]]:
    """The squares of a photo of `shape` that palms are looked for in: (0, 0)–(1, 1) → photo px.

    The whole, and then, 2 to `tiles` along the longer side, parts of it.
    """
    return [square for count in range(1, tiles + 1) for square in _parts(shape, count)]


def _parts(shape: tuple[int, ...], count: int) -> Iterator[Float[np.ndarray, "3 3"]]:
    """`count` squares along the longer side, and as many as it takes along the other."""
    side = 2 * max(shape[:2]) / (count + 1)
    rows, columns = (
        np.linspace(0, px - side, math.ceil(2 * px / side - 1e-9) - 1)
        if px > side
        else np.array([(px - side) / 2])
        for px in shape[:2]
    )
    for top, left in itertools.product(rows, columns):
        yield np.array([[side, 0, left], [0, side, top], [0, 0, 1.0]])


def anchors() -> Float[np.ndarray, "2016 2"]:
    """Middles of the palm detector's anchors, in parts of its input."""
    grids = []
    for cells, each in ANCHOR_GRIDS:
        at = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(at, at)
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], -1), each, axis=0))
    return np.concatenate(grids)


def decode_palms(
    raw: Float[np.ndarray, "2016 18"],
    logits: Float[np.ndarray, "2016"],
    min_score: float = MIN_SCORE,
) -> tuple[Float[np.ndarray, "N 4"], Float[np.ndarray, "N 7 2"], Float[np.ndarray, "N"]]:
    """Network outputs → those that score: boxes, points, scores.

    Boxes (left, top, right, bottom) and points are in parts of the input.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -100, 100)))
    keep = scores >= min_score
    centre = anchors()[keep]
    raw = raw[keep] / PALM_INPUT
    middle, half = centre + raw[:, :2], raw[:, 2:4] / 2
    boxes = np.concatenate([middle - half, middle + half], -1)
    return boxes, centre[:, None] + raw[:, 4:].reshape(-1, 7, 2), scores[keep]


def merge_palms(
    boxes: Float[np.ndarray, "N 4"],
    points: Float[np.ndarray, "N 7 2"],
    scores: Float[np.ndarray, "N"],
) -> list[tuple[Float[np.ndarray, "4"], Float[np.ndarray, "7 2"]]]:
    """Weighted non-maximum suppression: list of (box, points), the surest first.

    Boxes that overlap the surest by more than `MERGE_IOU` are averaged with it by score.
    """
    merged, left = [], list(np.argsort(-scores, kind="stable"))
    while left:
        same = [i for i in left if iou(boxes[i], boxes[left[0]]) > MERGE_IOU] or left[:1]
        weight = scores[same] / scores[same].sum()
        merged.append((np.tensordot(weight, boxes[same], 1), np.tensordot(weight, points[same], 1)))
        left = [i for i in left if i not in same]
    return merged


def roi_of_palm(
    box: Float[np.ndarray, "4"], points: Float[np.ndarray, "7 2"]
) -> Float[np.ndarray, "3 3"]:
    """A palm's box and points in px → the square around its hand, its coordinates → px.

    The square is turned so that wrist → middle finger points up.
    """
    turn = _turn(points[WRIST_POINT], points[MIDDLE_POINT])
    size = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 + ROI_SHIFT * size[1] * turn @ [0, -1]
    return _square(middle, ROI_SCALE * size.max(), turn)


def roi_of_joints(uv: Float[np.ndarray, "21 2"]) -> Float[np.ndarray, "3 3"]:
    """Joints in px → the square around their hand, its coordinates → px.

    Turned so that wrist → knuckles points up; follows MediaPipe's `hand_landmark_landmarks_to_roi`.
    """
    index, middle_finger, ring = (uv[hand.INDEX[f"{f}_mcp"]] for f in ("index", "middle", "ring"))
    turn = _turn(uv[hand.WRIST], ((index + ring) / 2 + middle_finger) / 2)
    turned = uv[STEADY_JOINTS] @ turn
    near, far = turned.min(axis=0), turned.max(axis=0)
    size = far - near
    middle = (near + far) / 2 - [0, JOINTS_SHIFT * size[1]]
    return _square(turn @ middle, JOINTS_SCALE * size.max(), turn)


def _turn(wrist: Float[np.ndarray, "2"], fingers: Float[np.ndarray, "2"]) -> np.ndarray:
    """The rotation `[2, 2]` after which up is where the fingers are from the wrist."""
    across, down = fingers - wrist
    angle = np.arctan2(across, -down)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _square(
    middle: Float[np.ndarray, "2"], side: float, turn: Float[np.ndarray, "2 2"]
) -> Float[np.ndarray, "3 3"]:
    to_photo = np.eye(3)
    to_photo[:2, :2] = side * turn
    to_photo[:2, 2] = middle - side * turn @ [0.5, 0.5]
    return to_photo


def cut_square(
    pixels: UInt8[np.ndarray, "H W 3"],
    to_photo: Float[np.ndarray, "3 3"],
    size: int,
    outside: str,
) -> Float[np.ndarray, "size size 3"]:
    """A square of a photo in [0, 1].

    to_photo: from (0, 0)–(1, 1) to px; outside: `black`, or `edge` to repeat the edge.
    """
    cv2 = opencv.load()
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
    return cut.astype(np.float32) / 255


def iou(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(size, 0))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def _run(
    interpreter: Any, image: Float[np.ndarray, "size size 3"], sizes: tuple[int, ...]
) -> list[Any]:
    """Runs a network on an image; its outputs of `sizes` (last axis), in the order of names."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    details = sorted(interpreter.get_output_details(), key=lambda d: d["name"])
    outputs = [interpreter.get_tensor(d["index"])[0] for d in details]
    assert tuple(output.shape[-1] for output in outputs) == sizes
    return [output.item() if output.size == 1 else output for output in outputs]
