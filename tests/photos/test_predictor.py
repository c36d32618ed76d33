"""From a photo to poses: windows, boxes, px of the file, and the kinds of models that agree."""

import hand_files
import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import config as config_lib
from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import detection
from dcmls_tf.photos import photo as photos
from dcmls_tf.photos import predictor as inference

rng = np.random.default_rng(0)
SIZE = 200, 150


def photo_of(pixels, reduction=1):
    """A photo as `photos.read` gives it, of a file that is `reduction` times as large."""
    size = tuple(side * reduction for side in pixels.shape[1::-1])
    return photos.Photo("photo.png", pixels, size, *photos.camera(size))


def noise(size=SIZE):
    return rng.integers(0, 255, (*size[::-1], 3), np.uint8)


class Pointer:
    """A model whose 21 joints are the brightest pixel of its image, 500 mm away."""

    config = config_lib.Config()
    signatures = frozenset({"serving_default"})

    def answer(self, signature, image, box, side, K):
        del signature, side
        self.box = box[0]
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
    one = inference.Hand(reduction * np.float32(box))
    (pose,) = inference.Predictor(model)(photo, [one])
    expected = reduction * np.array([u + 0.5, v + 0.5])
    np.testing.assert_allclose(pose.uv, np.tile(expected, (hand.NUM_JOINTS, 1)), atol=1e-4)
    seen = photo.K @ pose.root_mm
    np.testing.assert_allclose(seen[:2] / seen[2], expected, rtol=1e-5)
    # The model is told of a box of the same size, wherever its window begins.
    np.testing.assert_allclose(model.box[2:] - model.box[:2], np.subtract(box[2:], box[:2]), 1e-5)
    assert pose.std_mm is None
    assert pose.hand is one


def test_a_window_is_the_photo_around_the_box():
    pixels = noise()
    window, to_window = inference.cut_window(photo_of(pixels), [90, 60, 110, 70], 1.5)
    # The crop is 1.5 × 20 px, the window twice that around the box's middle (100, 65).
    np.testing.assert_array_equal(window, pixels[35:95, 70:130])
    np.testing.assert_array_equal(to_window @ [90, 60, 1], [20, 25, 1])
    whole, _ = inference.cut_window(photo_of(pixels), [-500, -500, 700, 700], 1.5)
    np.testing.assert_array_equal(whole, pixels)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([30, 10, 20, 40], "left < right"),
        ([10, 40, 20, 40], "top < bottom"),
        ([np.nan, 10, 20, 40], "left < right"),
        ([200, 10, 220, 40], "outside of the 200×150 picture"),
        ([10, -50, 20, 0], "outside of the 200×150 picture"),
    ],
)
def test_a_box_that_shows_nothing_is_refused(box, said):
    with pytest.raises(UserError, match=said):
        inference.cut_window(photo_of(noise()), np.float32(box), 1.5)


@pytest.mark.parametrize("reduction", [1, 3])
def test_any_box_that_touches_the_photo_gives_a_window_that_it_touches(reduction):
    photo = photo_of(noise((20, 15)), reduction)
    width, height = photo.size
    for _ in range(300):
        near = rng.uniform([-width, -height], photo.size)
        box = np.float32([*near, *rng.uniform(np.maximum(near, 0), 2 * np.array(photo.size)) + 0.1])
        window, to_window = inference.cut_window(photo, box, 1.25)
        assert min(window.shape) > 0
        corners = box.reshape(2, 2) * np.diag(to_window)[:2] + to_window[:2, 2]
        assert (corners[1] > 0).all()
        assert (corners[0] < window.shape[1::-1]).all()


def test_a_pose_that_is_not_finite_is_refused():
    class Diverged(Pointer):
        def answer(self, signature, **inputs):
            return {n: v * np.nan for n, v in super().answer(signature, **inputs).items()}

    with pytest.raises(UserError, match="not finite"):
        inference.Predictor(Diverged())(
            photo_of(noise()), [inference.Hand(np.float32([9, 9, 40, 40]))]
        )


def test_hands_from_keypoints_and_detections():
    uv = rng.uniform(10, 90, (hand.NUM_JOINTS, 2))
    one = inference.of_keypoints(uv, side=hand.LEFT, side_from="given")
    np.testing.assert_allclose(one.box, [*uv.min(0), *uv.max(0)], 1e-6)
    assert (one.side, one.side_from, one.score) == (hand.LEFT, "given", None)
    found = detection.Detection(np.array([*uv.min(0), *uv.max(0)]), uv, hand.LEFT, 0.9, 0.8)
    photo = photo_of(noise(), reduction=4)
    of_file = inference.of_detection(found, photo)
    np.testing.assert_allclose(of_file.keypoints, 4 * uv, 1e-6)
    np.testing.assert_allclose(of_file.box, 4 * found.box, 1e-6)
    assert (of_file.side, of_file.side_from, of_file.score) == (hand.LEFT, "detected", 0.8)
    known = inference.of_detection(found, photo, side=hand.RIGHT, side_from="given")
    assert (known.side, known.side_from) == (hand.RIGHT, "given")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no SavedModel"),
        (lambda path: path.write_bytes(b"no model"), "no readable TFLite file"),
    ],
)
def test_what_is_no_model_is_named(make, said, tmp_path):
    make(tmp_path / "model")
    with pytest.raises(UserError, match=said) as raised:
        inference.load(str(tmp_path / "model"))
    assert str(raised.value).startswith(f"--model={tmp_path / 'model'}: ")


@pytest.fixture(scope="module")
def of_keypoints(tmp_path_factory):
    return inference.load(hand_files.write_run(tmp_path_factory.mktemp("run"), modality="2d"))


def hand_in(photo, side=hand.RIGHT):
    """A hand whose keypoints are that of a pose seen by the photo's camera."""
    import raw_trees

    xyz = raw_trees.random_hand(np.random.default_rng(1), side) + [30, 20, 500]
    return inference.of_keypoints(raw_trees.project(xyz, photo.K), side=side, side_from="given")


def test_a_model_of_keypoints_places_its_pose_at_them(of_keypoints):
    assert of_keypoints.needs_keypoints
    assert of_keypoints.has_codes
    photo = photo_of(noise())
    one = hand_in(photo)
    (pose,) = of_keypoints(photo, [one])
    # It is a hand, if not that of the keypoints, and lies where they do.
    fitted = pose.joints_mm + pose.root_mm
    seen = fitted @ np.float32(photo.K).T
    np.testing.assert_allclose(pose.uv, seen[:, :2] / seen[:, 2:], rtol=1e-4)
    gap = np.linalg.norm((pose.uv - one.keypoints)[1:].mean(0))
    assert gap < 0.3 * (one.box[2:] - one.box[:2]).max()
    assert pose.std_mm.shape == (hand.NUM_JOINTS,)
    assert (pose.std_mm > 0).all()


def test_codes_of_a_hand_decode_to_its_pose(of_keypoints):
    photo = photo_of(noise())
    one = hand_in(photo)
    (pose,) = of_keypoints(photo, [one])
    joints_mm, x = of_keypoints.decode(*of_keypoints.encode(photo, one))
    # In the crop's frame: a rotation away from the camera's.
    distances = [
        np.linalg.norm(j[:, None] - j[None], axis=-1) for j in (pose.joints_mm, joints_mm[0])
    ]
    np.testing.assert_allclose(*distances, atol=1e-3)
    assert x.shape == (1, hand.NUM_JOINTS, 2)


def test_a_mirrored_photo_of_the_other_hand_gives_the_mirrored_pose(of_keypoints):
    photo = photo_of(noise())
    one = hand_in(photo)
    mirrored = inference.of_keypoints(
        one.keypoints * [-1, 1] + [photo.size[0], 0], side=hand.LEFT, side_from="given"
    )
    right, left = of_keypoints(photo, [one, mirrored])
    assert of_keypoints.mirrors(left.hand)
    assert not of_keypoints.mirrors(right.hand)
    np.testing.assert_allclose(left.joints_mm, right.joints_mm * [-1, 1, 1], atol=1e-2)
    np.testing.assert_allclose(left.uv[:, 0], photo.size[0] - right.uv[:, 0], atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{"modality": "2d"}, {}, {"side": "input", "latent": "unified"}],
    ids=str,
)
def test_three_kinds_of_models_agree_on_a_photo(options, tmp_path):
    run_dir = hand_files.write_run(tmp_path / "run", **options)
    exports = hand_files.write_exports(run_dir, tmp_path)
    pixels, uv, side = hand_files.rendered_frame()
    photo = photo_of(pixels)
    hands = [inference.of_keypoints(uv, side=s, side_from="given") for s in (side, 1 - side)]
    of_run, *others = ([*inference.load(path)(photo, hands)] for path in (run_dir, *exports))
    # They look at what they are given, if only a little.
    other = [inference.of_keypoints(uv[::-1] + [9, 0], side=side, side_from="given")]
    (changed,) = inference.load(run_dir)(photo, other)
    assert np.abs(of_run[0].joints_mm - changed.joints_mm).max() > 0.1
    for poses in others:
        for pose, expected in zip(poses, of_run, strict=True):
            np.testing.assert_allclose(pose.joints_mm, expected.joints_mm, atol=2e-3)
            np.testing.assert_allclose(pose.uv, expected.uv, atol=0.05)
            np.testing.assert_allclose(pose.root_mm, expected.root_mm, rtol=1e-3)
    of_saved_model, of_lite = others
    np.testing.assert_allclose(of_saved_model[0].std_mm, of_run[0].std_mm, rtol=1e-3)
    assert of_lite[0].std_mm is None
