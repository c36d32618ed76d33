"""Backgrounds: photographs of a split, procedural ones, folders that do not serve."""

import cv2
import numpy as np
import pytest

from dcmls_tf.errors import UserError
from dcmls_tf.rendering import backgrounds


def test_splits_share_no_photograph():
    paths = backgrounds.photographs()
    assert len(paths) >= 8
    training = backgrounds.of_split(paths, "training")
    evaluation = backgrounds.of_split(paths, "evaluation")
    assert training
    assert evaluation
    assert sorted(training + evaluation) == sorted(paths)


def test_two_photographs_serve_both_splits(tmp_path):
    for name in ("a.jpg", "b.PNG"):
        cv2.imwrite(str(tmp_path / name), np.full((40, 60, 3), 90, np.uint8))
    paths = backgrounds.photographs(str(tmp_path))
    assert [len(backgrounds.of_split(paths, s)) for s in ("training", "evaluation")] == [1, 1]


def test_background_is_a_linear_image():
    rng = np.random.default_rng(0)
    for _ in range(4):
        image = backgrounds.sample_background(rng, backgrounds.photographs())
        assert image.shape == (320, 320, 3)
        assert image.min() >= 0
        assert np.isfinite(image).all()


def test_folder_without_photographs(tmp_path):
    with pytest.raises(UserError, match=r"--backgrounds=.*holds 0"):
        backgrounds.photographs(str(tmp_path))


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"--backgrounds=.*nowhere"):
        backgrounds.photographs(str(tmp_path / "nowhere"))


def test_unreadable_photograph_is_named(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"not an image")
    cv2.imwrite(str(tmp_path / "good.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match=r"bad\.jpg is not a readable image"):
        backgrounds.photographs(str(tmp_path))
