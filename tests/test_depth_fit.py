"""The correction by depths, fitted on made hands, and what is written of rendered ones."""

import shutil

import numpy as np
import pytest
from test_detected import _in_this_process

from dcmls_tf import depth_fit, detected, hand
from dcmls_tf.depth_fit import Seen
from dcmls_tf.errors import UserError
from dcmls_tf.photos.depths import Hands
from dcmls_tf.photos.detection import Detection
from dcmls_tf.photos.hands import HandPose
from dcmls_tf.rendering import shards as rendering

rng = np.random.default_rng(0)
PALM = [hand.WRIST, hand.MIDDLE_MCP]


def flat_poses(count):
    """Hands whose poses are right in x and y and flat, and whose depths are the truth, in px."""
    joints = rng.normal(size=(count, 21, 3)) * 30 + np.linspace(0, 90, 21)[:, None] * [0, -1, 0]
    palm = joints[:, PALM].mean(1, keepdims=True)
    true = np.concatenate([np.zeros((count, 1, 3)), (joints - palm)[:, 1:]], 1)
    side = rng.integers(0, 2, count)
    hands = Hands(true * [1, 1, 0.2], 2 * joints[..., :2], 2 * joints[..., 2], side)
    return Seen(hands, np.full((count, 21), 9.0), true, np.ones((count, 21), bool))


def test_the_depths_of_flat_poses_are_learned():
    training, others = flat_poses(3000), flat_poses(200)
    correction = depth_fit.fit(training, others, epochs=6)
    before = depth_fit.errors_mm(others.hands.joints_mm, others)
    after = depth_fit.errors_mm(correction(others.hands), others)
    assert (np.array(after) < 0.75 * np.array(before)).all()
    # Error bars hold on the hands that they are measured on, which is where `others` come in.
    spread = depth_fit.spread(correction, others)
    within = (spread.error < correction.std_factors * spread.std)[:, 1:].mean()
    assert 0.6 < within < 0.8


def test_a_fit_is_the_same_each_time():
    training, others = flat_poses(300), flat_poses(50)
    first, second = (depth_fit.fit(training, others, epochs=1) for _ in range(2))
    np.testing.assert_allclose(first(others.hands), second(others.hands), atol=1e-3)


def test_errors_are_those_of_visible_joints_at_two_scales():
    seen = flat_poses(4)
    visible = rng.random((4, 21)) < 0.7
    visible[:, 1] = True
    poses = rng.normal(size=(4, 21, 3))
    expected = []
    for pose, true, shown in zip(poses, seen.true_mm, visible, strict=True):
        bone = np.linalg.norm(true[9] - true[10]) / np.linalg.norm(pose[9] - pose[10])
        best = np.linalg.lstsq(pose[shown].reshape(-1, 1), true[shown].ravel(), rcond=None)[0][0]
        gaps = [np.linalg.norm(s * pose - true, axis=-1)[shown].mean() for s in (bone, best)]
        expected.append(gaps)
    errors = depth_fit.errors_mm(poses, seen._replace(visible=visible))
    np.testing.assert_allclose(errors, np.mean(expected, 0), rtol=1e-4)


class _EveryHand:
    """Sees a right hand over the middle of each crop, which spans 2.3 boxes of joints."""

    def __call__(self, pixels):
        reach = max(pixels.shape[:2]) / 2.3 / 2
        grid = np.linspace(-reach, reach, 21)
        uv = np.stack([grid, grid], -1) + np.array(pixels.shape[1::-1]) / 2
        box = np.concatenate([uv.min(0), uv.max(0)])
        return [Detection(box, uv, hand.RIGHT, 0.9, 0.9, np.arange(21.0))]


def _ones(photo, regions):
    ones = np.ones((21, 3), np.float32)
    return [HandPose(region, ones[:, :2], ones, ones[0], ones[:, 0]) for region in regions]


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("hands"))
    counts = {"training": 4, "evaluation": 4}
    rendering.render_shards(folder, counts, 7, frames_a_shard=2, crop_size=96, progress=False)
    return folder


@pytest.fixture(autouse=True)
def stubs(monkeypatch):
    monkeypatch.setattr(detected, "_detector", _EveryHand)
    monkeypatch.setattr(depth_fit, "_predictor", lambda: _ones)
    monkeypatch.setattr(depth_fit, "results", _in_this_process)


def test_what_is_seen_lies_beside_the_truth(hands, tmp_path, monkeypatch):
    out = tmp_path / "seen"
    depth_fit.look(hands, str(out), progress=False)
    training = depth_fit.read(str(out), "training")
    count = len(training.visible)
    assert count
    assert len(depth_fit.read(str(out), "evaluation").visible)
    assert training.true_mm.shape == (count, 21, 3)
    np.testing.assert_array_equal(training.true_mm[:, 0], 0)
    assert (np.linalg.norm(training.true_mm[:, 1:], axis=-1) > 10).all()
    np.testing.assert_array_equal(training.hands.depths, [np.arange(21)] * count)
    np.testing.assert_array_equal(training.hands.side, [hand.RIGHT] * count)
    # Shards that are there are kept.
    monkeypatch.setattr(detected, "_detector", lambda: pytest.fail("looked again"))
    depth_fit.look(hands, str(out), progress=False)


def test_where_no_hand_was_found_a_sentence_says_so(hands, tmp_path, monkeypatch):
    monkeypatch.setattr(detected, "_detector", lambda: lambda pixels: [])
    depth_fit.look(hands, str(tmp_path / "seen"), progress=False)
    with pytest.raises(UserError, match="no hand of the training split was found"):
        depth_fit.read(str(tmp_path / "seen"), "training")


def test_a_folder_is_of_one_data_set_and_one_model(hands, tmp_path, monkeypatch):
    out = str(tmp_path / "seen")
    depth_fit.look(hands, out, progress=False)
    moved = shutil.copytree(hands, tmp_path / "others")
    with pytest.raises(UserError, match=f"--out_dir={out}: .*looked_at={hands}, not {moved}"):
        depth_fit.look(str(moved), out, progress=False)
    model = tmp_path / "keypoints.tflite"
    model.write_bytes(b"another")
    monkeypatch.setattr(depth_fit.shipped, "path", lambda *names: str(model))
    with pytest.raises(UserError, match=f"--out_dir={out}: .*keypoint_model="):
        depth_fit.look(hands, out, progress=False)
