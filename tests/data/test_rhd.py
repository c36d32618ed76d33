"""RHD's reader, on a small tree and, where there are any, on real frames."""

import os
import pickle
import shutil

import numpy as np
import pytest
import raw_trees
import real
import tensorflow as tf

from dcmls_tf import hand
from dcmls_tf.data import pipeline, preparation, rhd
from dcmls_tf.errors import UserError


def _examples(raw_dir, data_dir, split, images=True):
    builder = preparation.prepare("rhd", str(raw_dir), str(data_dir), images)
    return list(pipeline.canonical_examples(builder, split).as_numpy_iterator())


def _annotations(tree, split):
    with open(tree / split / f"anno_{split}.pickle", "rb") as file:
        return pickle.load(file)


def _change(tree, split, change):
    frames = _annotations(tree, split)
    change(frames)
    with open(tree / split / f"anno_{split}.pickle", "wb") as file:
        pickle.dump(frames, file)


@pytest.fixture
def own_tree(rhd_tree, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(rhd_tree, tmp_path / "raw")


@pytest.mark.parametrize("split", ["training", "evaluation"])
def test_examples_are_the_annotated_larger_hand(rhd_tree, data_dir, split):
    frames = _annotations(rhd_tree, split)
    examples = _examples(rhd_tree, data_dir, split)
    assert len(examples) == len(frames)
    for i, example in enumerate(examples):
        side = i % 2  # as the tree is written
        rows = slice(21 * side, 21 * side + 21)
        native_mm = 1000 * frames[i]["xyz"][rows]
        native_uv = frames[i]["uv_vis"][rows]
        assert example["side"] == side
        assert example["id"] == f"rhd/{split}/{i:05d}".encode()
        # RHD counts each finger from its tip: thumb 1–4, index 5–8, ...
        by_name = {"wrist": 0, "thumb_tip": 1, "thumb_cmc": 4, "index_mcp": 8, "middle_tip": 9,
                   "middle_pip": 11, "middle_mcp": 12, "little_mcp": 20}  # fmt: skip
        for name, row in by_name.items():
            np.testing.assert_allclose(
                example["xyz_mm"][hand.INDEX[name]], native_mm[row], rtol=1e-5
            )
            np.testing.assert_array_equal(example["uv"][hand.INDEX[name]], native_uv[row, :2])
        np.testing.assert_allclose(
            example["palm_mm"], (native_mm[0] + native_mm[12]) / 2, rtol=1e-5
        )
        uv = raw_trees.project(example["palm_mm"][None], example["K"])[0]
        np.testing.assert_allclose(example["palm_uv"], uv, rtol=1e-4)
        np.testing.assert_array_equal(example["K"], frames[i]["K"])
        path = rhd_tree / split / "color" / f"{i:05d}.png"
        assert example["image"] == path.read_bytes()


def test_palm_is_visible_when_either_neighbour_is(own_tree, tmp_path):
    def hide(frames):
        for frame, rows in ((0, [0]), (2, [12]), (4, [0, 12])):
            frames[frame]["uv_vis"][rows, 2] = 0

    _change(own_tree, "training", hide)
    examples = _examples(own_tree, tmp_path / "data", "training", images=False)
    assert [e["palm_visible"] for e in examples[:5:2]] == [True, True, False]
    assert [e["visible"][0] for e in examples[:5:2]] == [False, True, False]


def test_without_images_visibility_decides(own_tree, tmp_path):
    for kind in ("color", "mask"):
        shutil.rmtree(own_tree / "training" / kind)

    def swap(frames):
        frames[0]["uv_vis"][:, 2] = np.r_[np.zeros(21), np.ones(21)]
        frames[1]["uv_vis"][:, 2] = np.r_[np.ones(3), np.zeros(18), np.ones(2), np.zeros(19)]
        frames[2]["uv_vis"][:, 2] = 1

    _change(own_tree, "training", swap)
    examples = _examples(own_tree, tmp_path / "data", "training", images=False)
    assert [e["side"] for e in examples[:3]] == [hand.RIGHT, hand.LEFT, hand.RIGHT]
    assert "image" not in examples[0]


def test_a_folder_with_one_split_serves_for_it(own_tree, tmp_path):
    shutil.rmtree(own_tree / "training")
    assert len(_examples(own_tree, tmp_path / "data", "evaluation")) == 6
    with pytest.raises(UserError, match=r"--raw_dir=.*no training examples.*only evaluation"):
        _examples(own_tree, tmp_path / "data", "training")


def test_a_split_without_its_annotations_is_named(own_tree, caplog):
    path = own_tree / "training" / "anno_training.pickle"
    path.unlink()
    folder = rhd.RhdFolder(str(own_tree), images=False)
    assert folder.splits == ("evaluation",)
    assert f"{path} is missing or cannot be read, so training has no annotations" in caplog.text
    assert [bad.where for bad in folder.absent] == [str(path)]


def test_annotated_frames_without_image_are_left_out(own_tree, tmp_path, caplog):
    for number in (0, 5):
        os.remove(own_tree / "training" / "color" / f"{number:05d}.png")
    examples = _examples(own_tree, tmp_path / "data", "training")
    assert [e["id"][-2:] for e in examples] == [b"%02d" % i for i in range(12) if i not in (0, 5)]
    assert "2 of 12" in caplog.text
    assert "color/00000.png" in caplog.text
    assert "color/00005.png" in caplog.text


def test_a_split_without_its_folder_of_images_is_named(own_tree, tmp_path, caplog):
    shutil.rmtree(own_tree / "training" / "color")
    assert len(_examples(own_tree, tmp_path / "data", "evaluation")) == 6
    assert "training/color is not there, so training has annotations without images" in caplog.text


def test_annotations_of_a_subset_serve_for_it(own_tree, tmp_path):
    _change(own_tree, "training", lambda frames: [frames.pop(i) for i in (0, 1, 7)])
    assert len(_examples(own_tree, tmp_path / "data", "training")) == 9


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("training/mask/00003.png", r"mask/00003\.png: is missing; masks say"),
        ("training/color", r"none of the 12 annotated images is there, such as .*color/00011\.png"),
    ],
)
def test_missing_files_are_named(own_tree, tmp_path, file, message):
    path = own_tree / file
    path.unlink() if path.is_file() else [p.unlink() for p in path.iterdir()]
    with pytest.raises(UserError, match=message):
        _examples(own_tree, tmp_path / "data", "training")


@pytest.mark.parametrize("kind", ["color", "mask"])
def test_damaged_images_are_named(own_tree, tmp_path, kind):
    path = own_tree / "evaluation" / kind / "00004.png"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=rf"{kind}/00004\.png: is damaged"):
        _examples(own_tree, tmp_path / "data", "evaluation")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frames: frames[3].pop("K"),
        lambda frames: frames[3].update(xyz=frames[3]["xyz"][:21]),
        lambda frames: frames[3]["uv_vis"].fill(np.nan),
        lambda frames: frames.update({3: None}),
    ],
)
def test_odd_annotations_are_named(own_tree, tmp_path, spoil):
    _change(own_tree, "training", spoil)
    with pytest.raises(UserError, match=r"anno_training\.pickle, frame 3: .*--check.*--skip_bad"):
        _examples(own_tree, tmp_path / "data", "training", images=False)


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(UserError, match=r"--raw_dir=.*render\.py.*lmb\.informatik"):
        rhd.RhdFolder(str(tmp_path), images=False)


def test_annotations_without_any_image_folder_ask_for_images(own_tree):
    for split in ("training", "evaluation"):
        shutil.rmtree(own_tree / split / "color")
    with pytest.raises(UserError, match="--modality=2d"):
        rhd.RhdFolder(str(own_tree), images=True)


@real.needs("rhd")
def test_real_frames_project_onto_their_annotation(data_dir):
    examples = _examples(real.REAL / "rhd", data_dir, "evaluation")
    assert len(examples) == 60
    for example in examples:
        uv = raw_trees.project(example["xyz_mm"], example["K"])
        assert np.abs(uv - example["uv"]).max() < 0.5
        bone = np.linalg.norm(np.subtract(*example["xyz_mm"][list(hand.SCALE_BONE)]))
        assert 20 < bone < 55


@real.needs("rhd")
def test_real_joints_lie_on_the_mask_of_their_side(data_dir):
    hits = []
    for example in _examples(real.REAL / "rhd", data_dir, "evaluation"):
        path = real.REAL / "rhd" / "evaluation" / "mask" / f"{example['id'][-5:].decode()}.png"
        mask = tf.io.decode_png(path.read_bytes()).numpy()[..., 0]
        u, v = example["uv"][example["visible"]].astype(int).T
        classes = mask[v.clip(0, 319), u.clip(0, 319)]
        hits.append(hand.is_of_side(classes, example["side"]))
    assert np.concatenate(hits).mean() > 0.85  # the rest is at the outline
