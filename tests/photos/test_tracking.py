"""Hands followed through frames, by a detector whose hands move as they are told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import tracking
from dcmls_tf.photos.detection import Detection, Detector, iou
from dcmls_tf.photos.photo import Photo, camera
from dcmls_tf.photos.tracking import Tracker

ROOT = Path(__file__).parents[2]
PIXELS = np.zeros((100, 200, 3), np.uint8)
SHAPE = np.random.default_rng(0).uniform(0, 30, (21, 2))


def detection(x, side=hand.RIGHT, side_score=0.9, score=0.9):
    uv = SHAPE + [x, 20]
    return Detection(np.concatenate([uv.min(0), uv.max(0)]), uv, side, side_score, score)


class Scripted:
    """Sees the hands of `frames`, one list a frame; counts how often it looks at all of one."""

    def __init__(self, frames):
        self.frames, self.now, self.looks, self.known = frames, -1, 0, []

    def __call__(self, pixels):
        self.looks += 1
        return list(self.frames[self.now])

    def again(self, pixels, known):
        self.known.append(known)
        near = [d for d in self.frames[self.now] if iou(d.box, known.box) > 0.2]
        return near[0] if near else None


def follow(frames, times=None, **options):
    detector = Scripted(frames)
    tracker = Tracker(detector, **options)
    regions, of_photo = [], camera((200, 100))
    for number in range(len(frames)):
        detector.now = number
        time_s = None if times is None else times[number]
        regions.append(tracker(Photo("v.mp4", PIXELS, (200, 100), *of_photo, number, time_s)))
    return regions, detector


def test_hands_keep_their_numbers_and_the_detector_rests():
    frames = [[detection(3 * i), detection(150 - 3 * i)] for i in range(12)]
    frames[5:] = [[b, a] for a, b in frames[5:]]  # The detector's order says nothing.
    regions, detector = follow(frames)
    assert [[r.track for r in of_frame] for of_frame in regions] == [[0, 1]] * 12
    assert detector.looks == 1
    left_edges = [of_frame[0].box[0] for of_frame in regions]
    np.testing.assert_allclose(np.diff(left_edges), 3, atol=1e-4)


def test_a_lost_hand_is_looked_for_and_is_another_when_it_comes_back():
    frames = [[detection(10)], [detection(12)], [], [], [detection(120)], [detection(121)]]
    regions, detector = follow(frames)
    assert [[r.track for r in of_frame] for of_frame in regions] == [[0], [0], [], [], [1], [1]]
    assert detector.looks == 5  # The first is remembered for a second.


def test_a_hand_that_comes_back_where_it_was_keeps_its_number():
    frames = [[detection(10), detection(120)], [detection(120)], [detection(25), detection(118)]]
    regions, _ = follow(frames)
    assert [[r.track for r in of_frame] for of_frame in regions] == [[0, 1], [1], [0, 1]]
    regions, _ = follow(frames, times=[0, 0.1, 1.2])
    assert [r.track for r in regions[-1]] == [1, 2]
    left_edges = [r.box[0] for r in regions[-1]]
    np.testing.assert_allclose(left_edges, frames[-1][1].box[0] + np.array([0, 25 - 118]))


def test_of_two_hands_near_each_other_the_lost_one_is_known_by_its_side():
    both = [detection(60, hand.LEFT), detection(85, hand.RIGHT)]
    frames = [both, [], [detection(72, hand.RIGHT)]]
    regions, _ = follow(frames)
    assert [r.track for r in regions[-1]] == [1]


def test_time_stamps_say_when_to_look_around():
    frames = [[detection(10)]] * 7
    _, detector = follow(frames, times=np.arange(7) / 4)  # 4 a second
    assert detector.looks == 4
    _, detector = follow(frames, times=np.arange(7) / 240)
    assert detector.looks == 1


def test_hands_that_come_are_found_at_the_next_turn():
    count = tracking.LOOK_AROUND + 2
    frames = [[detection(10)] + ([detection(120)] if i > 2 else []) for i in range(count)]
    regions, _ = follow(frames)
    assert [len(of_frame) for of_frame in regions] == [1] * tracking.LOOK_AROUND + [2, 2]
    regions, _ = follow(frames, max_hands=1)
    assert {len(of_frame) for of_frame in regions} == {1}


def test_a_hand_keeps_its_side_against_single_frames():
    sides = [hand.RIGHT] * 4 + [hand.LEFT] + [hand.RIGHT] * 3
    regions, _ = follow([[detection(10, side)] for side in sides])
    assert {r.side for (r,) in regions} == {hand.RIGHT}
    regions, _ = follow([[detection(10, side)] for side in [hand.RIGHT] + [hand.LEFT] * 9])
    assert [regions[0][0].side, regions[-1][0].side] == [hand.RIGHT, hand.LEFT]


@pytest.mark.parametrize("side", [hand.LEFT, hand.RIGHT])
def test_a_side_that_is_given_is_taken(side):
    regions, _ = follow([[detection(10)]] * 2, side=side)
    assert {(r.side, r.side_from) for (r,) in regions} == {(side, "given")}


def test_two_tracks_never_end_on_one_hand():
    frames = [[detection(10), detection(60)], [detection(35)], [detection(36)]]
    regions, _ = follow(frames)
    assert [len(of_frame) for of_frame in regions] == [2, 1, 1]


def test_a_hand_that_two_tracks_end_on_is_the_nearer_ones():
    frames = [[detection(10), detection(60)], [detection(55)], [detection(50)]]
    detector = Scripted(frames)
    detector.again = lambda pixels, known: frames[detector.now][-1]
    tracker, tracks = Tracker(detector), []
    for number in range(3):
        detector.now = number
        regions = tracker(Photo("v.mp4", PIXELS, (200, 100), *camera((200, 100)), number))
        tracks.append([r.track for r in regions])
    assert tracks == [[0, 1], [1], [1]]


def test_where_a_hand_is_looked_for_moves_with_it_but_not_with_its_noise():
    resting = [[detection(10 + 0.2 * (i % 2))] for i in range(6)]
    _, detector = follow(resting)
    assert {id(known) for known in detector.known} == {id(resting[0][0])}
    moving = [[detection(10 + 9 * i)] for i in range(6)]
    _, detector = follow(moving)
    assert detector.known == [of_frame[0] for of_frame in moving[:-1]]


@pytest.mark.slow
@pytest.mark.parametrize("passing", [False, True])
def test_two_hands_keep_their_numbers_for_40_frames(passing):
    """A photo of a hand and its mirror image, which move about, or past each other."""
    try:
        detector = Detector(tiles=2)
    except UserError as error:
        pytest.skip(f"no hand detector: {error}")
    with Image.open(ROOT / "docs" / "hand.jpg") as image:
        shown = np.array(image.convert("RGB").resize((240, 272)))
    height = 600 if passing else 380
    tracker, of_hand = Tracker(detector), camera((800, height))
    identities, both = {}, 0
    for number in range(40):
        share = number / 39
        tops = (20, 310) if passing else (60, 60 + 40 * np.sin(9 * share))
        lefts = (20 + 440 * share, 500 - 440 * share) if passing else (
            60 + 40 * np.sin(5 * share), 480 - 60 * np.sin(4 * share)
        )  # fmt: skip
        pixels = np.full((height, 800, 3), 150, np.uint8)
        corners = np.array([lefts, tops]).T.astype(int)
        for (left, top), picture in zip(corners, (shown, shown[:, ::-1]), strict=True):
            pixels[top : top + 272, left : left + 240] = picture
        regions = tracker(Photo("v.mp4", pixels, (800, height), *of_hand, number, number / 30))
        both += len(regions) == 2
        for region in regions:
            middle = region.box.reshape(2, 2).mean(0) - [120, 136]
            which = int(np.linalg.norm(corners - middle, axis=-1).argmin())
            assert identities.setdefault(region.track, which) == which, number
    assert both >= 36
    assert len(identities) == 2
