"""FreiHAND's reader, on a small tree in its layout."""

import json
import shutil

import numpy as np
import pytest
import raw_trees

from dcmls_tf import config, hand
from dcmls_tf.data import checking, freihand, pipeline, preparation, raw
from dcmls_tf.errors import UserError


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return raw_trees.write_freihand(tmp_path_factory.mktemp("freihand"))


@pytest.fixture
def own_tree(tree, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(tree, tmp_path / "raw")


def examples(tree, split, images=True):
    return list(raw.examples(freihand.FreihandFolder(str(tree), images).open(split)))


@pytest.mark.parametrize(("split", "versions"), [("training", 4), ("evaluation", 1)])
def test_samples_are_the_files_entries(tree, split, versions):
    xyz = np.array(json.loads((tree / f"{split}_xyz.json").read_text()))
    found = examples(tree, split)
    assert len(found) == versions * len(xyz)
    for number, one in enumerate(found):
        label = xyz[number % len(xyz)]
        np.testing.assert_allclose(one["xyz_mm"], 1000 * label, rtol=1e-5)
        np.testing.assert_allclose(
            one["uv"], raw_trees.project(label, raw_trees.FREIHAND_K), rtol=1e-4
        )
        np.testing.assert_allclose(one["palm_mm"], 500 * (label[0] + label[9]), rtol=1e-5)
        assert one["side"] == hand.RIGHT
        assert one["visible"].all()
        path = tree / split / "rgb" / f"{number:08d}.jpg"
        assert one.get("image") == path.read_bytes()
        assert one["id"] == f"freihand/{split}/{number:08d}"


def test_annotations_alone_are_one_version(tree):
    found = examples(tree, "training", images=False)
    assert len(found) == 4
    assert "image" not in found[0]


def test_versions_that_are_not_there_are_no_loss_but_the_first_is(own_tree):
    for number in (5, 9, 13):
        (own_tree / "training" / "rgb" / f"{number:08d}.jpg").unlink()
    folder = freihand.FreihandFolder(str(own_tree), True)
    assert len(examples(own_tree, "training")) == 13
    assert not folder.open("training").survey().missing
    (own_tree / "training" / "rgb" / "00000002.jpg").unlink()
    (missing,) = folder.open("training").survey().missing
    assert missing.where.endswith("00000002.jpg")


def test_batches_of_it_are_a_models(tree, tmp_path):
    """From the raw folder to a step's batch, where joints lie on the pixels in their colours."""
    options = config.Config(
        dataset="freihand", raw_dir=str(tree), data_dir=str(tmp_path), batch_size=2, input_size=128,
        reconstruction_size=16,
    )  # fmt: skip
    builder = preparation.from_config(options)
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {
        "training": 16, "evaluation": 3,
    }  # fmt: skip
    batch = next(iter(pipeline.evaluation_batches(builder, options, "evaluation", 3)))
    crops, H, uv = (np.asarray(batch[name]) for name in ("x", "H", "uv"))
    tip = hand.INDEX["index_tip"]
    hits = 0
    for crop, homography, joints in zip(crops, H, uv, strict=True):
        x, y, w = homography @ [*joints[tip], 1]
        colour = 255 * (crop[int(y / w), int(x / w)] + 0.5)
        hits += np.abs(colour - hand.joint_colour(tip)).max() < 60  # unless another joint is on it
    assert hits >= 2


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("training_xyz.json", "{}", "holds no list of labels"),
        ("training_K.json", "[[1]]", "has 4 entries"),
        ("training_K.json", "no json", "is no JSON"),
    ],
)
def test_files_that_are_none_are_named(own_tree, file, content, said):
    (own_tree / file).write_text(content)
    with pytest.raises(UserError, match=rf"--raw_dir: .*{file[:12]}.*{said}|{said}"):
        freihand.FreihandFolder(str(own_tree), False).open("training")


def test_bad_entries_are_listed(own_tree):
    path = own_tree / "training_xyz.json"
    labels = json.loads(path.read_text())
    labels[0] = labels[0][:20]
    labels[1] = (1000 * np.array(labels[1])).tolist()
    labels[3][5][1] = float("nan")
    path.write_text(json.dumps(labels))
    found = checking.check(freihand.FreihandFolder(str(own_tree), False))
    assert found.good == {"training": [2], "evaluation": [0, 1, 2]}
    said = "\n".join(found.lines())
    for entry, reason in ((0, "xyz is"), (1, "mm before the camera"), (3, "nan")):
        assert f"training_xyz.json, entry {entry}: " in said
        assert reason in said


def test_an_empty_folder_says_what_to_get(tmp_path, own_tree):
    with pytest.raises(UserError, match=r"download FreiHAND from https"):
        preparation.check("freihand", str(tmp_path / "none"), True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no .*training_xyz\.json"):
        freihand.FreihandFolder(str(tmp_path / "empty"), True)
    shutil.rmtree(own_tree / "training")
    shutil.rmtree(own_tree / "evaluation")
    with pytest.raises(UserError, match=r"no images in .*--modality=2d"):
        freihand.FreihandFolder(str(own_tree), True)
