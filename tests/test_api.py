"""The Python API: its documented examples as they stand, on real files, and what it refuses."""

import doctest
import pathlib

import hand_files
import numpy as np
import pytest
import raw_trees
from PIL import Image

import dcmls_tf
from dcmls_tf import api, hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import photo

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"
SIZE = 120, 160
K = np.array([[160.0, 0, 80], [0, 160, 60], [0, 0, 1]])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the examples speak of: a data set, a run, a photo, flagfiles."""
    folder = tmp_path_factory.mktemp("workplace")
    raw_trees.write_rhd(folder / "rendered", training=80, evaluation=20, images=False)
    hand_files.write_run(folder / "runs" / "rendered")
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    (folder / "configs").symlink_to(CONFIGS)
    return folder


@pytest.fixture
def keypoints():
    joints = raw_trees.placed_hand(np.random.default_rng(1), K, SIZE, (400, 500))
    return raw_trees.project(joints, K)


@pytest.fixture
def box(keypoints):
    return np.concatenate([keypoints.min(axis=0), keypoints.max(axis=0)])


@pytest.fixture(scope="module")
def model(workplace):
    return api.load(workplace / "runs" / "rendered")


@pytest.fixture
def picture(workplace):
    return workplace / "photo.png"


EXAMPLES = [part for part in doctest.DocTestFinder().find(api) if part.examples]
# The module's train a run to its end.
MARKS = {"dcmls_tf.api": pytest.mark.slow}


@pytest.mark.parametrize(
    "part", [pytest.param(e, id=e.name, marks=MARKS.get(e.name, ())) for e in EXAMPLES]
)
def test_the_documented_examples_hold(part, workplace, keypoints, box, monkeypatch):
    monkeypatch.chdir(workplace)
    known = {"keypoints": keypoints, "box": box, "Image": Image, "np": np, "dcmls_tf": dcmls_tf}
    part.globs = known
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(part).failed == 0


def test_a_path_an_array_and_a_photo_are_the_same_picture(model, picture, box):
    pixels = np.asarray(Image.open(picture))
    forms = picture, str(picture), pixels, photo.read(str(picture))
    poses = [model.predict(form, box=box)[0] for form in forms]
    for pose in poses[1:]:
        np.testing.assert_array_equal(pose.joints_mm, poses[0].joints_mm)
        np.testing.assert_array_equal(pose.uv, poses[0].uv)


def test_each_box_or_set_of_keypoints_is_a_hand(model, picture, keypoints, box):
    right, left = (model.predict(picture, box=box, side=side)[0] for side in ("right", "left"))
    assert (right.region.side, left.region.side) == (hand.RIGHT, hand.LEFT)
    both = model.predict(picture, keypoints=[keypoints, keypoints + 1])
    np.testing.assert_array_equal(both[0].joints_mm, right.joints_mm)
    np.testing.assert_allclose(both[1].region.box, box + 1, rtol=1e-6)


def test_codes_and_samples_are_of_each_hand(model, picture, box):
    z_h, z_c = model.encode(picture, box=[box, box + 2])
    assert (len(z_h), len(z_c)) == (2, 2)
    (one,) = model.encode(picture, box=box)[0]
    np.testing.assert_allclose(z_h[0], one, atol=1e-6)
    first, again, other = (model.sample(picture, seed, box=box) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"box": [1, 2, 3]}, "box: is .* give .4. px"),
        ({"keypoints": np.zeros([20, 2])}, "keypoints: is .* give .21, 2. px"),
        ({"box": [1, 2, 30, 40], "side": "port"}, "side=port: use one of left, right"),
    ],
)
def test_what_is_not_good_is_named(options, said, model, picture):
    with pytest.raises(UserError, match=said):
        model.predict(picture, **options)


def test_an_array_that_is_no_picture_is_refused(model):
    with pytest.raises(UserError, match="picture: is float64"):
        model.predict(np.zeros([9, 9, 3]), box=[1, 2, 3, 4])


def test_a_picture_without_a_hand_has_no_pose_and_no_codes(model, picture, monkeypatch):
    monkeypatch.setattr(model, "_detector", lambda pixels: [])
    assert model.predict(picture) == []
    with pytest.raises(UserError, match="no hand is detected"):
        model.encode(picture)
