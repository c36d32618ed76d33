"""Shards of pictures → shards of keypoints, with a detector that is told what to see."""

import numpy as np
import pytest

from dcmls_tf import detected, hand
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.errors import UserError
from dcmls_tf.photos.detection import Detection
from dcmls_tf.rendering import shards as rendering


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("hands"))
    rendering.render_shards(
        folder, {"training": 3, "evaluation": 1}, 7, frames_a_shard=2, crop_size=96, progress=False
    )
    return folder


def _detection(uv, side=hand.RIGHT):
    return Detection(np.concatenate([uv.min(0), uv.max(0)]), uv, side, 0.9, 0.9)


class _EverySecond:
    """Sees every second hand, 3 px to the right of where the picture's middle is."""

    def __init__(self):
        self.calls = 0

    def __call__(self, pixels):
        assert pixels.dtype == np.uint8
        self.calls += 1
        height, width = pixels.shape[:2]
        # As large as a crop's hand is: a crop spans 2.3 boxes of joints.
        reach = max(height, width) / 2.3 / 2
        grid = np.linspace(-reach, reach, 21)
        uv = np.stack([width / 2 + grid + 3, height / 2 + grid], -1)
        return [_detection(uv, hand.LEFT)] if self.calls % 2 else []


def _canonical(folder, split):
    builder = preparation.from_config(Config(raw_dir=folder, modality="2d"))
    return [
        {key: value.numpy() for key, value in example.items()}
        for example in pipeline.canonical_examples(builder, split, images=False)
    ]


def test_shards_have_the_detectors_keypoints_where_it_finds_a_hand(hands, tmp_path, monkeypatch):
    detector = _EverySecond()
    monkeypatch.setattr(detected, "_detector", lambda: detector)
    monkeypatch.setattr(detected, "results", _in_this_process)
    detected.detect_shards(hands, str(tmp_path), progress=False)
    for split in ("training", "evaluation"):
        before, after = _canonical(hands, split), _canonical(str(tmp_path), split)
        assert [e["id"] for e in before] == [e["id"] for e in after]
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a["xyz_mm"], b["xyz_mm"])
            np.testing.assert_array_equal(a["K"], b["K"])
    moved = [
        (a["uv"] != b["uv"]).any()
        for a, b in zip(
            _canonical(hands, "training"), _canonical(str(tmp_path), "training"), strict=True
        )
    ]
    assert any(moved)
    assert not all(moved)
    for example, is_moved in zip(_canonical(str(tmp_path), "training"), moved, strict=True):
        if is_moved:
            wrist, other = hand.PALM_JOINTS["rhd"]
            middle = (example["uv"][wrist] + example["uv"][other]) / 2
            np.testing.assert_allclose(example["palm_uv"], middle, rtol=1e-5)
            assert example["side"] == hand.LEFT


class _in_this_process:
    def __init__(self, job, tasks, workers):
        self.done = map(job, tasks)

    def __enter__(self):
        return self.done

    def __exit__(self, *_):
        pass


def test_a_hand_is_the_detection_that_lies_on_it():
    uv = np.random.default_rng(0).uniform(0, 100, (21, 2))
    far, near = _detection(uv + 500), _detection(uv + 5)
    assert detected.of_hand([far, near], uv) is near
    assert detected.of_hand([far], uv) is None
    assert detected.of_hand([], uv) is None


def test_annotations_without_pictures_are_refused(tmp_path):
    source = str(tmp_path / "annotations")
    rendering.render_shards(source, {"training": 2}, 7, annotations_only=True, progress=False)
    with pytest.raises(UserError, match="without images"):
        detected.detect_shards(source, str(tmp_path / "out"), progress=False)


@pytest.mark.slow
def test_the_real_detector_looks_at_shards_in_processes(hands, tmp_path):
    detected.detect_shards(hands, str(tmp_path), workers=2, progress=False)
    before, after = _canonical(hands, "training"), _canonical(str(tmp_path), "training")
    assert [e["id"] for e in before] == [e["id"] for e in after]
    detected.detect_shards(hands, str(tmp_path), workers=1, progress=False)
