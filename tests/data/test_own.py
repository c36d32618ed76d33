"""One's own hands, in both forms of their file; also `json_files`."""

import json
import shutil

import numpy as np
import pytest
import raw_trees
from PIL import Image

from dcmls_tf import config, hand
from dcmls_tf.data import checking, own, pipeline, preparation, raw
from dcmls_tf.errors import UserError


@pytest.fixture(scope="module", params=["plain", "coco"])
def tree(request, tmp_path_factory):
    return raw_trees.write_own(tmp_path_factory.mktemp("own"), form=request.param)


@pytest.fixture
def plain(tmp_path):
    """A tree to spoil."""
    return raw_trees.write_own(tmp_path / "raw", training=2, evaluation=0)


def change(tree, change_it):
    path = tree / "training.json"
    content = json.loads(path.read_text())
    change_it(content)
    path.write_text(json.dumps(content))


def first(content):
    return content["photos/training_0.png"]["hands"][0]


def examples(tree, images=True):
    return list(raw.examples(own.OwnFolder(str(tree), images).open("training")))


def test_every_posed_hand_is_a_sample(tree):
    rng = np.random.default_rng(0)
    size = raw_trees.OWN_SIZE
    found = examples(tree)
    assert len(found) == 8
    for number, one in enumerate(found):
        side = number % 2
        xyz = raw_trees.placed_hand(rng, raw_trees.OWN_K, size, (400, 600), side)
        np.testing.assert_allclose(one["xyz_mm"], xyz, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(
            one["uv"], raw_trees.project(xyz, raw_trees.OWN_K), rtol=1e-4, atol=1e-2
        )
        assert one["side"] == side
        picture = f"photos/training_{number // 2}.png"
        assert one["id"] == f"own/training/{picture}/{side}"
        assert one.get("image") == (tree / picture).read_bytes()


@pytest.mark.parametrize("modality", ["rgb", "2d"])
def test_batches_of_it_are_a_models(tree, tmp_path, modality):
    options = config.Config(
        dataset="own", raw_dir=str(tree), data_dir=str(tmp_path), modality=modality, batch_size=2,
        input_size=32, reconstruction_size=16,
    )  # fmt: skip
    builder = preparation.from_config(options)
    (batch,) = pipeline.evaluation_batches(builder, options, "evaluation", 8)
    assert np.asarray(batch["y"]).shape == (4, 21, 3)
    assert np.isfinite(np.asarray(batch["x"])).all()


def test_2d_may_be_left_out_and_hidden_joints_lie_where_3d_has_them(plain):
    def spoil(content):
        one = first(content)
        one["uv"] = [[*uv, 1] for uv in one["uv"]]
        one["uv"][8] = [0, 0, 0]
        del content["photos/training_1.png"]["hands"][0]["uv"]
        content["photos/training_1.png"]["hands"][1]["visible"] = [1] * 20 + [0]

    complete = examples(plain)
    change(plain, spoil)
    for number, (one, other) in enumerate(zip(examples(plain), complete, strict=True)):
        np.testing.assert_allclose(one["uv"], other["uv"], atol=2e-2)
        hidden = {0: [8], 3: [20]}.get(number, [])
        np.testing.assert_array_equal(np.flatnonzero(~one["visible"]), hidden)


def test_without_a_camera_a_usual_one_is_taken(plain):
    change(plain, lambda content: [one.pop("K") for one in content.values()])
    split = own.OwnFolder(str(plain), True).open("training")
    np.testing.assert_array_equal(split.example(0)["K"], [[320, 0, 160], [0, 320, 120], [0, 0, 1]])
    (problem, *_) = checking.check(own.OwnFolder(str(plain), False)).lines()
    assert "photos/training_0.png, hand 0: has no K" in problem


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: first(c).pop("side"), "has no side, left or right"),
        (lambda c: first(c)["xyz_mm"].__setitem__(3, [0, 0, 0]), "mm before the camera"),
        (lambda c: first(c)["uv"].__setitem__(3, [900, 900]), "from where K puts its xyz"),
        (lambda c: c.update({"../b.png": c.pop("photos/training_0.png")}), "is missing|outside"),
    ],
)
def test_a_bad_hand_is_listed(plain, spoil, said):
    change(plain, spoil)
    found = checking.check(own.OwnFolder(str(plain), True))
    assert found.bad
    assert "hand 0" in found.lines()[0] or "b.png" in found.lines()[0]
    assert any(part in found.lines()[0] for part in said.split("|"))


def test_a_picture_outside_of_the_folder_is_refused(plain):
    shutil.move(plain / "photos" / "training_0.png", plain.parent / "b.png")
    change(plain, lambda c: c.update({"../b.png": c.pop("photos/training_0.png")}))
    assert "its picture is outside of" in checking.check(own.OwnFolder(str(plain), True)).lines()[0]


def test_a_picture_that_exif_turns_is_refused(plain):
    path = plain / "photos" / "training_0.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)
    lines = checking.check(own.OwnFolder(str(plain), True)).lines()
    assert len(lines) == 2
    assert "is turned by EXIF; store it upright" in lines[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "is neither COCO's annotations nor a table of pictures"),
        ("{", "is no JSON"),
        ('{"a.png": 3}', "a.png has no list of hands"),
        ('{"a.png": {"hands": [{"side": "left"}]}}', "hand 0 of a.png has neither uv nor xyz_mm"),
        ('{"a.png": {"hands": [{"uv": [[1, 2]]}]}}', "uv of hand 0 of a.png has 1 joints"),
        ('{"a.png": {"hands": [{"xyz_mm": [[1, 2, 3]]}]}}', "xyz_mm of hand 0 of a.png is not"),
        ('{"a.png": {"K": 5, "hands": []}}', "K of a.png is not of shape"),
        ('{"images": [], "annotations": [{"image_id": 3}]}', "3"),
    ],
)
def test_a_file_that_is_none_is_named(plain, content, said):
    (plain / "training.json").write_text(content)
    with pytest.raises(UserError, match=r"--raw_dir: .*training\.json") as raised:
        own.OwnFolder(str(plain), False).open("training")
    assert said in str(raised.value)


def test_hands_without_pose_say_what_to_do(tmp_path):
    tree = raw_trees.write_own(tmp_path / "raw", training=1, evaluation=0, posed=False)
    with pytest.raises(UserError, match=r"has no xyz_mm.*--crops_dir=FOLDER"):
        preparation.prepare("own", str(tree), str(tmp_path / "data"), True)
    with pytest.raises(UserError, match=r"no .*training\.json and no .*evaluation\.json"):
        own.OwnFolder(str(tmp_path), True)
    assert hand.PALM_JOINTS["own"] == (0, 9)
