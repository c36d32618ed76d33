"""Sliders in the latent space of decoders that are matrices."""

import numpy as np
import pytest
from fake_predictors import Z_C, Z_H, LinearPredictor, UnifiedPredictor
from hand_files import noise, photo_of

from dcmls_tf import hand
from dcmls_tf.photos import sliders
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.sliders import LatentSliders


def sliders_of(predictor=None, side=hand.RIGHT):
    region = HandRegion(np.array([20, 10, 100, 70], np.float32), side)
    return LatentSliders(predictor or LinearPredictor(), photo_of(noise()), region)


def positions(*first):
    return np.pad(np.array(first, float), (0, sliders.SLIDERS - len(first)))


def test_sliders_at_zero_show_the_hands_own_codes():
    expected, _ = LinearPredictor().decode(LinearPredictor.z_h, LinearPredictor.z_c)
    joints_mm, picture = sliders_of().at(positions(), positions())
    np.testing.assert_allclose(joints_mm, expected[0], rtol=1e-4)
    assert picture.shape == (sliders.PICTURE_PX, sliders.PICTURE_PX, 3)
    of_left, mirrored = sliders_of(side=hand.LEFT).at(positions(), positions())
    np.testing.assert_allclose(of_left, joints_mm * [-1, 1, 1])
    apart = [np.abs(m.astype(float) - picture).mean() for m in (mirrored[:, ::-1], mirrored)]
    assert 10 * apart[0] < apart[1]


def test_sliders_move_the_pose_most_first_and_by_one_amount():
    latent = sliders_of()
    start, picture = latent.at(positions(), positions())
    of_pose, of_x = latent.directions
    assert of_pose.shape == (sliders.SLIDERS, Z_H)
    assert of_x.shape == (Z_C, Z_C)
    unit = of_pose / np.linalg.norm(of_pose, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, np.eye(sliders.SLIDERS), atol=1e-5)
    strengths = np.linalg.norm(unit @ LinearPredictor.of_pose, axis=1)
    np.testing.assert_allclose(
        strengths, np.linalg.svd(LinearPredictor.of_pose)[1][: sliders.SLIDERS], rtol=1e-3
    )
    for n in range(sliders.SLIDERS):
        moved, same = latent.at(np.eye(sliders.SLIDERS)[n], positions())
        rms = np.sqrt(np.square(moved - start).sum(-1).mean())
        assert rms == pytest.approx(sliders.POSE_MM, rel=1e-3)
        np.testing.assert_array_equal(same, picture)  # z_h does not move x here.
    same, changed = latent.at(positions(), positions(1))
    np.testing.assert_array_equal(same, start)
    assert (changed != picture).any()


def test_no_slider_leaves_the_latent_space_for_what_hardly_matters():
    class Weak(LinearPredictor):
        of_pose = 1e-6 * LinearPredictor.of_pose

    np.testing.assert_allclose(
        np.linalg.norm(sliders_of(Weak()).directions[0], axis=1), sliders.LONGEST_STEP, rtol=1e-5
    )


def test_without_z_c_its_sliders_do_nothing():
    latent = sliders_of(UnifiedPredictor())
    assert len(latent.directions[1]) == 0
    start, _ = latent.at(positions(), positions())
    same, _ = latent.at(positions(), positions(3, 2, 1))
    np.testing.assert_array_equal(same, start)
    moved, _ = latent.at(positions(1), positions())
    assert np.abs(moved - start).max() > 1
