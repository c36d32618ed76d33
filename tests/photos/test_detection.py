"""The hand detector's arithmetic against its own definitions, and the real networks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import detection
from dcmls_tf.photos.asked import MANY_TILES, HandsAsked

pytest.importorskip("cv2")
ROOT = Path(__file__).parents[2]
rng = np.random.default_rng(0)


def test_anchors_are_the_middles_of_two_grids():
    middles = detection.anchors()
    assert middles.shape == (2016, 2)
    # Row by row, x first, two anchors a cell of 8 px, then six a cell of 16 px.
    np.testing.assert_allclose(192 * middles[[0, 1, 2, 48]], [[4, 4], [4, 4], [12, 4], [4, 12]])
    np.testing.assert_allclose(192 * middles[[1152, 1157, 1158]], [[8, 8], [8, 8], [24, 8]])
    np.testing.assert_allclose(192 * middles[-1], [184, 184])


def test_palms_are_decoded_around_their_anchors():
    raw, logits = np.zeros((2016, 18)), np.full(2016, -20.0)
    logits[48] = 3.0
    raw[48, :4] = 10, -2, 40, 20
    raw[48, 4:] = np.arange(14)
    boxes, points, scores = detection.decode_palms(raw, logits)
    np.testing.assert_allclose(192 * boxes, [[4 + 10 - 20, 12 - 2 - 10, 4 + 10 + 20, 12 - 2 + 10]])
    np.testing.assert_allclose(192 * points[0], np.arange(14).reshape(7, 2) + [4, 12])
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-3))])


def test_palms_that_overlap_are_averaged_by_score():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60.0]])
    points = rng.normal(size=(3, 7, 2))
    scores = np.array([0.6, 0.9, 0.7])
    (first, first_points), (second, _) = detection.merge_palms(boxes, points, scores)
    np.testing.assert_allclose(first, (0.6 * boxes[0] + 0.9 * boxes[1]) / 1.5)
    np.testing.assert_allclose(first_points, (0.6 * points[0] + 0.9 * points[1]) / 1.5)
    np.testing.assert_allclose(second, boxes[2])


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -100])
def test_the_square_turns_with_the_hand(degrees):
    """Wrist → middle finger is up in the square, which lies half a palm further that way."""
    angle = np.radians(degrees)
    up = np.array([np.sin(angle), -np.cos(angle)])
    points = np.zeros((7, 2))
    points[detection.WRIST_POINT], points[detection.MIDDLE_POINT] = [100, 100], [100, 100] + 30 * up
    roi = detection.roi_of_palm(np.array([80, 90, 120, 130.0]), points)
    middle = (roi @ [0.5, 0.5, 1])[:2]
    np.testing.assert_allclose(middle, [100, 110] + 0.5 * 40 * up)
    upwards = (roi @ [0.5, 0, 1])[:2] - middle
    np.testing.assert_allclose(upwards, 2.6 * 40 / 2 * up, atol=1e-9)
    assert np.linalg.det(roi[:2, :2]) > 0  # Not mirrored.


@pytest.mark.parametrize("degrees", [0, 40, 180, -100])
def test_the_square_around_joints_turns_with_the_hand(degrees):
    """Knuckles are up in the square, which holds all joints and is a tenth nearer to the tips."""
    upright = np.zeros((hand.NUM_JOINTS, 2))
    fingers = upright[1:].reshape(5, 4, 2)  # Base to tip, the thumb first.
    fingers[..., 0] = np.array([-40, -20, 0, 20, 40])[:, None]
    fingers[..., 1] = -40, -60, -80, -90
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    uv = upright @ turn.T + [200, 150]
    roi = detection.roi_of_joints(uv)
    inside = (np.linalg.inv(roi) @ np.column_stack([uv, np.ones(len(uv))]).T).T
    assert inside[:, :2].min() > 0
    assert inside[:, :2].max() < 1
    up = inside[hand.INDEX["middle_mcp"]] - inside[hand.WRIST]
    assert up[1] < 0
    assert abs(up[0]) < 0.3 * abs(up[1])
    steady = upright[detection.STEADY_JOINTS]
    assert np.linalg.det(roi[:2, :2]) == pytest.approx((2.0 * np.ptp(steady, axis=0).max()) ** 2)


def test_a_square_is_cut_where_it_lies():
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:30, 40:50] = 255
    to_photo = np.array([[20, 0, 35], [0, 20, 15], [0, 0, 1.0]])
    cut = detection.cut_square(pixels, to_photo, 20, "black")
    np.testing.assert_allclose(cut[..., 0], np.pad(np.ones((10, 10)), 5), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (200, 1000), (1, 1)])
@pytest.mark.parametrize("tiles", [1, 2, 4])
def test_squares_cover_a_photo_and_overlap_by_half(height, width, tiles):
    found = detection.squares((height, width, 3), tiles)
    for square in found:
        assert square[0, 0] == square[1, 1] > 0
    longer, by_size = max(height, width), {}
    for square in found:
        by_size.setdefault(round(square[0, 0], 6), []).append(square[:2, 2])
    assert sorted(by_size) == pytest.approx([2 * longer / (n + 1) for n in range(tiles, 0, -1)])
    for side, corners in by_size.items():
        for axis, px in enumerate((width, height)):
            starts = np.unique(np.round([corner[axis] for corner in corners], 6))
            assert starts[0] <= 1e-6
            assert starts[-1] + side >= px - 1e-4
            assert (np.diff(starts) <= side / 2 + 1e-4).all()
            assert len(starts) == 1 or (starts[0] == 0 and starts[-1] + side <= px + 1e-4)


def test_intersection_over_union():
    a, b = np.array([0, 0, 10, 10.0]), np.array([5, 0, 15, 10.0])
    assert detection.iou(a, b) == pytest.approx(50 / 150)
    assert detection.iou(a, b + 20) == 0


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("ai_edge_litert")
    try:
        return detection.Detector()
    except UserError as error:
        pytest.skip(f"no hand detector: {error}")


@pytest.fixture(scope="module")
def frame():
    """A rendered person's frame with one hand near the camera: pixels, joints px, side."""
    pytest.importorskip("embreex")
    from hand_files import rendered_frame

    return rendered_frame()


@pytest.mark.slow
def test_a_rendered_hand_is_found(detector, frame):
    pixels, uv, side = frame
    box = np.concatenate([uv.min(axis=0), uv.max(axis=0)])
    best = max(detector(pixels), key=lambda d: detection.iou(d.box, box))
    assert detection.iou(best.box, box) > 0.6
    assert best.side == side
    gap = np.linalg.norm(best.uv - uv, axis=-1).mean() / (box[2:] - box[:2]).max()
    assert gap < 0.12


@pytest.mark.slow
def test_a_mirrored_hand_is_the_other_hand(detector, frame):
    pixels, uv, side = frame
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    uv = uv * [-1, 1] + [pixels.shape[1], 0]
    box = np.concatenate([uv.min(axis=0), uv.max(axis=0)])
    best = max(detector(mirrored), key=lambda d: detection.iou(d.box, box))
    assert best.side == (hand.LEFT if side == hand.RIGHT else hand.RIGHT)


@pytest.mark.slow
def test_many_small_hands_are_found_where_they_are_asked_for(detector):
    """Eight hands, a seventh of the photo wide each, of which one look finds none."""
    photo = Image.new("RGB", (1600, 1200), (150, 150, 150))
    with Image.open(ROOT / "docs" / "hand.jpg") as image:
        shown = image.convert("RGB").resize((220, 249))
    flip = Image.Transpose.FLIP_LEFT_RIGHT
    places = [(400 * column + 90, 600 * row + 175) for row in range(2) for column in range(4)]
    for number, place in enumerate(places):
        photo.paste(shown.transpose(flip) if number % 2 else shown, place)
    asked = HandsAsked(max_hands=9, tiles=MANY_TILES)
    found = asked.detector()(np.asarray(photo))
    assert len(found) == 8
    middles = np.array([(d.box[:2] + d.box[2:]) / 2 for d in found])
    nearest = [np.linalg.norm(middles - (x + 110, y + 125), axis=-1).min() for x, y in places]
    assert max(nearest) < 60
    assert len(detector(np.asarray(photo))) < 4
    (first, *_) = (d.score for d in found)
    assert len(detection.Detector(9, min_score=first, tiles=MANY_TILES)(np.asarray(photo))) < 8


@pytest.mark.slow
def test_nothing_is_found_in_noise(detector):
    assert detector(rng.integers(0, 255, (200, 300, 3), np.uint8)) == []
    assert detector(np.zeros((1, 1, 3), np.uint8)) == []
