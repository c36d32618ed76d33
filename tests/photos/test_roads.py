"""Which of the shipped models answers for which hand."""

import hand_files
import numpy as np
import pytest
from hand_files import noise, photo_of

from dcmls_tf import geometry, hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import predictor
from dcmls_tf.photos.depths import DepthCorrection, Hands
from dcmls_tf.photos.detection import Detection
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.roads import ShippedPredictor
from dcmls_tf.serving import shipped

BOX = np.array([40, 30, 120, 110], np.float32)


@pytest.fixture(scope="module")
def box_of_models(tmp_path_factory):
    """A folder with a model of keypoints and a small one of pixels."""
    folder = tmp_path_factory.mktemp("models")
    for name, modality in ((shipped.KEYPOINTS, "2d"), (shipped.RGB_SMALL, "rgb")):
        run_dir = hand_files.write_run(folder / name, modality=modality)
        _, lite = hand_files.write_exports(run_dir, folder / name)
        (folder / f"{name}.tflite").hardlink_to(lite)
    return folder


@pytest.fixture(autouse=True)
def installed(box_of_models, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", str(box_of_models))


@pytest.mark.slow
def test_keypoints_go_one_road_and_boxes_the_other(box_of_models):
    photo, uv = photo_of(noise()), np.random.default_rng(1).uniform(40, 110, (21, 2))
    model = ShippedPredictor()
    assert not model.needs_keypoints
    regions = [HandRegion.from_keypoints(uv), HandRegion(BOX)]
    of_keypoints, of_box = model(photo, regions)
    for pose, region, name in (
        (of_keypoints, regions[0], shipped.KEYPOINTS),
        (of_box, regions[1], shipped.RGB_SMALL),
    ):
        (alone,) = predictor.load(str(box_of_models / f"{name}.tflite"))(photo, [region])
        np.testing.assert_array_equal(pose.joints_mm, alone.joints_mm)
        np.testing.assert_array_equal(pose.uv, alone.uv)
        assert pose.std_mm is not None
    (by_name,) = predictor.load(shipped.RGB_SMALL)(photo, regions[1:])
    np.testing.assert_array_equal(by_name.joints_mm, of_box.joints_mm)


@pytest.mark.slow
def test_the_detectors_depths_correct_a_pose_of_its_keypoints(box_of_models):
    photo, uv = photo_of(noise()), np.random.default_rng(1).uniform(40, 110, (21, 2))
    model = ShippedPredictor()
    seen = Detection(BOX, uv, hand.LEFT, 0.9, 0.9, np.random.default_rng(2).normal(size=21) * 9)
    region = HandRegion.from_detection(seen, photo)
    alone = predictor.load(str(box_of_models / "keypoints.tflite"))
    (before,), (after,) = alone(photo, [region]), model(photo, [region])
    rows = (before.joints_mm, region.keypoints, region.depths, region.side)
    expected = DepthCorrection.load()(Hands(*(np.asarray(of_one)[None] for of_one in rows)))[0]
    np.testing.assert_allclose(after.joints_mm, expected, rtol=1e-4, atol=1e-3)
    assert np.abs(after.joints_mm - before.joints_mm).max() > 1
    projected = geometry.project(after.joints_mm + after.root_mm, photo.K)
    np.testing.assert_allclose(after.uv, projected, atol=1e-2)
    factors = DepthCorrection.load().std_factors
    assert after.std_mm is not None
    assert before.std_mm is not None
    np.testing.assert_allclose(after.std_mm, factors * before.std_mm, rtol=1e-4)


@pytest.mark.slow
def test_pixels_without_a_model_are_refused_in_a_sentence(box_of_models, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", str(tmp_path))
    with pytest.raises(UserError, match=r"keypoints\.tflite: is missing"):
        ShippedPredictor()
    (tmp_path / "keypoints.tflite").hardlink_to(box_of_models / "keypoints.tflite")
    with pytest.raises(UserError, match=r"rgb\.tflite: is missing .* or no --box"):
        ShippedPredictor()(photo_of(noise()), [HandRegion(BOX)])
