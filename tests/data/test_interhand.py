"""InterHand2.6M's reader, on a small tree in its layout."""

import json
import shutil

import interhand_tree
import numpy as np
import pytest
import raw_trees

from dcmls_tf import config, hand
from dcmls_tf.data import checking, interhand, pipeline, preparation, raw
from dcmls_tf.errors import UserError


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return interhand_tree.write(tmp_path_factory.mktemp("interhand"))


@pytest.fixture
def own_tree(tree, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(tree, tmp_path / "raw")


def labels(tree, split, kind):
    path = tree / "annotations" / split / f"InterHand2.6M_{split}_{kind}.json"
    return path, json.loads(path.read_text())


def spoil(tree, kind, change):
    """Changes a file of the training split, in place."""
    path, content = labels(tree, "train", kind)
    change(content)
    path.write_text(json.dumps(content))


def opened(tree, split="training", images=True):
    return interhand.InterhandFolder(str(tree), images).open(split)


@pytest.mark.parametrize(("split", "folder"), [("training", "train"), ("evaluation", "test")])
def test_samples_are_both_hands_as_each_camera_sees_them(tree, split, folder):
    frames = labels(tree, folder, "joint_3d")[1]["7"]
    found = {one["id"]: one for one in raw.examples(opened(tree, split))}
    assert len(found) == len(frames) * 2 * 2
    for frame, label in frames.items():
        for camera in interhand_tree.TURNS:
            for side in (hand.LEFT, hand.RIGHT):
                name = f"Capture7/ROM01/cam{camera}/image{frame}.jpg"
                one = found[f"interhand/{split}/{name}/{hand.SIDES[side]}"]
                world = interhand_tree.canonical(label["world_coord"], side)
                xyz = interhand_tree.in_camera(world, camera)
                np.testing.assert_allclose(one["xyz_mm"], xyz, atol=1e-3)
                uv = raw_trees.project(xyz, interhand_tree.K)
                np.testing.assert_allclose(one["uv"], uv, atol=1e-2)
                np.testing.assert_allclose(one["palm_mm"], (xyz[0] + xyz[9]) / 2, atol=1e-3)
                assert one["side"] == side
                assert one["visible"].all()
                assert one.get("image") == (tree / "images" / folder / name).read_bytes()


def test_the_order_of_joints_is_that_of_their_names():
    from dcmls_tf.formats import joint_names

    fingers = ("thumb", "index", "middle", "ring", "pinky")
    names = [f"{f}{joint}" for f in fingers for joint in (4, 3, 2, 1)] + ["wrist"]
    skeleton = [f"{side}_{name}" for side in "rl" for name in names]
    orders = joint_names.orders(skeleton, 42)
    for side, first in interhand.FIRST.items():
        np.testing.assert_array_equal(orders[side], first + interhand.ORDER)


def test_a_hand_of_which_joints_are_not_annotated_is_no_sample(own_tree):
    def change(content):
        content["annotations"][0]["joint_valid"][3] = [0]

    spoil(own_tree, "data", change)
    found = [one["id"] for one in raw.examples(opened(own_tree))]
    assert len(found) == 11
    first = "interhand/training/Capture7/ROM01/cam400262/image0.jpg"
    assert f"{first}/left" in found
    assert f"{first}/right" not in found


def test_batches_of_it_are_a_models(tree, tmp_path):
    """From the raw folder to a step's batch, where joints lie on the pixels in their colours."""
    options = config.Config(
        dataset="interhand", raw_dir=str(tree), data_dir=str(tmp_path), batch_size=2,
        input_size=128, reconstruction_size=16,
    )  # fmt: skip
    builder = preparation.from_config(options)
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {
        "training": 12, "evaluation": 8,
    }  # fmt: skip
    batch = next(iter(pipeline.evaluation_batches(builder, options, "evaluation", 8)))
    crops, H, uv, mirrored = (np.asarray(batch[name]) for name in ("x", "H", "uv", "side"))
    tip, hits = hand.INDEX["index_tip"], 0
    for crop, homography, joints, side in zip(crops, H, uv, mirrored, strict=True):
        x, y, w = homography @ [*joints[tip], 1]
        if side == hand.RIGHT and abs(x / w - 64) < 64 and abs(y / w - 64) < 64:
            colour = 255 * (crop[int(y / w), int(x / w)] + 0.5)
            hits += np.abs(colour - hand.joint_colour(tip)).max() < 60  # unless another is on it
    assert hits >= 3


def test_pictures_that_are_not_there_are_left_out(own_tree, tmp_path):
    gone = own_tree / "images" / "train" / "Capture7" / "ROM01" / "cam400263" / "image1.jpg"
    gone.unlink()
    survey = opened(own_tree).survey()
    assert len(survey.keys) == 10
    assert [sample.where for sample in survey.missing] == [str(gone)]
    assert len(opened(own_tree, images=False).survey().keys) == 12
    shutil.rmtree(own_tree / "images" / "train")
    assert interhand.InterhandFolder(str(own_tree), True).splits == ("evaluation",)
    shutil.rmtree(own_tree / "images" / "test")
    with pytest.raises(UserError, match=r"no images in .*test.*--modality=2d"):
        interhand.InterhandFolder(str(own_tree), True)


def test_annotations_are_found_where_earlier_versions_have_them(own_tree):
    expected = opened(own_tree).hands
    shutil.move(own_tree / "annotations" / "train", own_tree / "annotations" / "all")
    folder = interhand.InterhandFolder(str(own_tree), True)
    assert folder.splits == ("training", "evaluation")
    assert folder.open("training").hands == expected


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("data", [], "is not InterHand2.6M's"),
        ("data", {"images": []}, r"is not InterHand2.6M's \(KeyError: 'annotations'"),
        ("data", {"images": [], "annotations": []}, "has no hand of which all joints"),
        ("data", {"images": [{}], "annotations": [{}]}, "is not InterHand2.6M's"),
        ("camera", 3, "is not InterHand2.6M's"),
    ],
)
def test_files_that_are_none_are_named(own_tree, kind, content, said):
    labels(own_tree, "train", kind)[0].write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"--raw_dir: .*train_{kind}\.json {said}"):
        opened(own_tree, images=False)


def test_bad_entries_are_listed(own_tree):
    def joints(content):
        content["7"]["0"]["world_coord"][5][1] = float("nan")
        del content["7"]["1"]

    def cameras(content):
        content["7"]["campos"]["400263"] = [1, 2]

    def pictures(content):
        content["images"][4]["file_name"] = "../test/Capture7/ROM01/cam400262/image0.jpg"

    for kind, change in (("joint_3d", joints), ("camera", cameras), ("data", pictures)):
        spoil(own_tree, kind, change)
    found = checking.check(interhand.InterhandFolder(str(own_tree), True))
    said = [line.split("_data.json, ")[-1] for line in found.lines()]
    assert found.good == {"training": [1], "evaluation": list(range(8))}
    for entry, reason in (
        ("cam400262/image0.jpg, right hand", "xyz_mm has nan"),
        ("cam400262/image1.jpg, left hand", "KeyError: '1'"),
        ("cam400263/image2.jpg, right hand", "lacks joints or a camera"),
        ("test/Capture7/ROM01/cam400262/image0.jpg, left hand", "its picture is outside of"),
    ):
        assert any(entry in line and reason in line for line in said), (entry, said)


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(UserError, match=r"download InterHand2.6M from https"):
        preparation.check("interhand", str(tmp_path / "none"), True)
    with pytest.raises(UserError, match=r"no .*train_data\.json"):
        interhand.InterhandFolder(str(tmp_path), True)
