"""From a photo to poses: px of the file, codes, samples, mirrored hands.

`test_backends` compares the kinds of models.
"""

import hand_files
import numpy as np
import pytest
import raw_trees
import tensorflow as tf
from hand_files import noise, photo_of

from dcmls_tf import hand
from dcmls_tf.config import Config
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.photos import predictor
from dcmls_tf.photos.hands import HandRegion
from dcmls_tf.photos.predictor import PosePredictor


class Pointer:
    """A model whose 21 joints are the brightest pixel of its image, 500 mm away."""

    config = Config()
    signatures = frozenset({"serving_default"})

    def answer(self, signature, **inputs):
        del signature
        image, K, self.box = inputs["image"], inputs["K"], inputs["box"][0]
        pixels = tf.io.decode_png(image[0]).numpy().sum(-1)
        v, u = np.unravel_index(pixels.argmax(), pixels.shape)
        root_mm = 500 * np.linalg.inv(K[0]) @ [u + 0.5, v + 0.5, 1]
        return {
            "uv": np.tile([u + 0.5, v + 0.5], (1, hand.NUM_JOINTS, 1)),
            "root_mm": root_mm[None],
            "joints_mm": np.zeros([1, hand.NUM_JOINTS, 3]),
        }


@pytest.mark.parametrize("reduction", [1, 4])
@pytest.mark.parametrize("box", [(100, 60, 130, 100), (-20, 70, 40, 140), (150, 90, 260, 220)])
def test_joints_are_in_px_of_the_file(box, reduction):
    """Whatever window the model sees, the brightest pixel is found where the file has it."""
    pixels = noise() // 2
    u, v = (np.clip((box[0] + box[2]) / 2, 0, 199), np.clip((box[1] + box[3]) / 2, 0, 149))
    u, v = int(u), int(v)
    pixels[v, u] = 255
    photo, model = photo_of(pixels, reduction), Pointer()
    region = HandRegion(reduction * np.array(box, np.float32))
    (pose,) = PosePredictor(model)(photo, [region])
    expected = reduction * np.array([u + 0.5, v + 0.5])
    np.testing.assert_allclose(pose.uv, np.tile(expected, (hand.NUM_JOINTS, 1)), atol=1e-4)
    seen = photo.K @ pose.root_mm
    np.testing.assert_allclose(seen[:2] / seen[2], expected, rtol=1e-5)
    # The model is told of a box of the same size, wherever its window begins.
    np.testing.assert_allclose(model.box[2:] - model.box[:2], np.subtract(box[2:], box[:2]), 1e-5)
    assert pose.std_mm is None
    assert pose.region is region


def test_a_pose_that_is_not_finite_is_refused():
    class Broken(Pointer):
        def answer(self, signature, **inputs):
            return {n: v * np.nan for n, v in super().answer(signature, **inputs).items()}

    with pytest.raises(Diverged, match="not finite"):
        PosePredictor(Broken())(
            photo_of(noise()), [HandRegion(np.array([9, 9, 40, 40], np.float32))]
        )


@pytest.fixture(scope="module")
def of_keypoints(tmp_path_factory):
    return predictor.load(hand_files.write_run(tmp_path_factory.mktemp("run"), modality="2d"))


def hand_in(photo, side=hand.RIGHT):
    """A hand whose keypoints are that of a pose seen by the photo's camera."""
    xyz = raw_trees.random_hand(np.random.default_rng(1), side) + [30, 20, 500]
    return HandRegion.from_keypoints(raw_trees.project(xyz, photo.K), side, "given")


def test_a_model_of_keypoints_places_its_pose_at_them(of_keypoints):
    assert of_keypoints.needs_keypoints
    assert of_keypoints.has_codes
    photo = photo_of(noise())
    region = hand_in(photo)
    (pose,) = of_keypoints(photo, [region])
    # It is a hand, if not that of the keypoints, and lies where they do.
    fitted = pose.joints_mm + pose.root_mm
    seen = fitted @ photo.K.T
    np.testing.assert_allclose(pose.uv, seen[:, :2] / seen[:, 2:], rtol=1e-4)
    assert region.keypoints is not None
    gap = np.linalg.norm((pose.uv - region.keypoints)[1:].mean(0))
    assert gap < 0.3 * (region.box[2:] - region.box[:2]).max()
    assert pose.std_mm is not None
    assert pose.std_mm.shape == (hand.NUM_JOINTS,)
    assert (pose.std_mm > 0).all()


def test_codes_of_a_hand_decode_to_its_pose(of_keypoints):
    photo = photo_of(noise())
    region = hand_in(photo)
    (pose,) = of_keypoints(photo, [region])
    joints_mm, x = of_keypoints.decode(*of_keypoints.encode(photo, region))
    # In the crop's frame: a rotation away from the camera's.
    distances = [
        np.linalg.norm(j[:, None] - j[None], axis=-1) for j in (pose.joints_mm, joints_mm[0])
    ]
    np.testing.assert_allclose(*distances, atol=1e-3)
    assert x.shape == (1, hand.NUM_JOINTS, 2)


def test_a_mirrored_photo_of_the_other_hand_gives_the_mirrored_pose(of_keypoints):
    photo = photo_of(noise())
    region = hand_in(photo)
    assert region.keypoints is not None
    uv = region.keypoints * [-1, 1] + [photo.size[0], 0]
    mirrored = HandRegion.from_keypoints(uv, hand.LEFT, "given")
    right, left = of_keypoints(photo, [region, mirrored])
    assert of_keypoints.mirrors(left.region)
    assert not of_keypoints.mirrors(right.region)
    np.testing.assert_allclose(left.joints_mm, right.joints_mm * [-1, 1, 1], atol=1e-2)
    np.testing.assert_allclose(left.uv[:, 0], photo.size[0] - right.uv[:, 0], atol=0.1)


def test_sampled_poses_spread_about_the_pose_as_it_says(of_keypoints):
    photo = photo_of(noise())
    region = hand_in(photo)
    (pose,) = of_keypoints(photo, [region])
    poses = of_keypoints.sample(photo, region)
    assert poses.shape == (16, hand.NUM_JOINTS, 3)
    spread = np.sqrt(((poses - poses.mean(0)) ** 2).sum(-1).mean(0))
    np.testing.assert_allclose(spread, pose.std_mm, rtol=1e-3)
    # In the camera's frame, as the pose is: not farther from it than the spread explains.
    assert np.linalg.norm(poses.mean(0) - pose.joints_mm, axis=-1).mean() < spread.mean()
    np.testing.assert_array_equal(of_keypoints.sample(photo, region, seed=0), poses)
    assert np.abs(of_keypoints.sample(photo, region, seed=1) - poses).max() > 0.1


def test_a_model_without_a_latent_space_neither_samples_nor_encodes():
    photo, direct = photo_of(noise()), PosePredictor(Pointer())
    region = HandRegion(np.array([9, 9, 40, 40], np.float32))
    assert not direct.can_sample
    with pytest.raises(UserError, match="cannot sample poses"):
        direct.sample(photo, region)
    assert not direct.has_codes
    with pytest.raises(UserError, match="cannot encode"):
        direct.encode(photo, region)


def test_a_model_of_keypoints_asks_for_them(of_keypoints):
    with pytest.raises(UserError, match="reads 2D keypoints"):
        of_keypoints(photo_of(noise()), [HandRegion(np.array([9, 9, 40, 40], np.float32))])
