"""STB's reader, on a small tree and, where there are any, on real labels."""

import shutil

import numpy as np
import pytest
import raw_trees
import real
import scipy.io
import tensorflow as tf

from dcmls_tf import hand
from dcmls_tf.data import pipeline, preparation, stb
from dcmls_tf.errors import UserError


def _examples(raw_dir, data_dir, split, images=True, views="left"):
    builder = preparation.prepare("stb", str(raw_dir), str(data_dir), images, views)
    return list(pipeline.canonical_examples(builder, split).as_numpy_iterator())


def _labels(tree, sequence, suffix="BB"):
    return scipy.io.loadmat(tree / "labels" / f"{sequence}_{suffix}.mat")["handPara"]


@pytest.fixture
def own_tree(stb_tree, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(stb_tree, tmp_path / "raw")


def test_examples_follow_the_labels(stb_tree, data_dir):
    examples = _examples(stb_tree, data_dir, "evaluation")
    ids = [f"stb/{s}/left/{i}".encode() for s in ("B1Counting", "B1Random") for i in range(4)]
    assert [e["id"] for e in examples] == ids
    for i, example in enumerate(examples[:4]):
        native = _labels(stb_tree, "B1Counting")[..., i].T
        # STB's own order: palm 0, then little 1–4 ... thumb 17–20, base to tip.
        by_name = {"little_mcp": 1, "little_tip": 4, "ring_mcp": 5, "middle_mcp": 9,
                   "middle_pip": 10, "index_mcp": 13, "thumb_cmc": 17, "thumb_tip": 20}  # fmt: skip
        for name, row in by_name.items():
            np.testing.assert_allclose(example["xyz_mm"][hand.INDEX[name]], native[row], rtol=1e-5)
        np.testing.assert_allclose(example["palm_mm"], native[0], rtol=1e-5)
        wrist = native[5] + 2 * (native[0] - native[5])
        np.testing.assert_allclose(example["xyz_mm"][hand.WRIST], wrist, rtol=1e-4, atol=1e-3)
        uv = raw_trees.project(example["xyz_mm"], raw_trees.STB_K)
        np.testing.assert_allclose(example["uv"], uv, atol=2e-2)
        palm_uv = raw_trees.project(native[:1], raw_trees.STB_K)[0]
        np.testing.assert_allclose(example["palm_uv"], palm_uv, atol=2e-2)
        assert example["side"] == hand.LEFT
        assert example["visible"].all()
        path = stb_tree / "B1Counting" / f"BB_left_{i}.png"
        assert example["image"] == path.read_bytes()


def test_uv_is_where_the_image_shows_the_joint(stb_tree, data_dir):
    """Fingertips have their colours in both stereo views."""
    examples = _examples(stb_tree, data_dir, "training", views="both")
    assert len(examples) == 32
    hits = []
    for example in examples:
        image = tf.io.decode_png(example["image"]).numpy()
        for joint in hand.TIPS:
            u, v = example["uv"][joint].astype(int)
            hits.append(np.array_equal(image[v, u], hand.joint_colour(joint)))
    assert np.mean(hits) > 0.8  # the rest is behind other fingers


def test_the_right_view_is_one_baseline_away(stb_tree, data_dir):
    both = _examples(stb_tree, data_dir, "training", views="both")
    left, right = both[::2], both[1::2]
    assert [e["id"].split(b"/")[2] for e in both[:2]] == [b"left", b"right"]
    for a, b in zip(left, right, strict=True):
        moved = a["xyz_mm"] - np.array([120.054, 0, 0], np.float32)
        np.testing.assert_allclose(b["xyz_mm"], moved, atol=1e-3)
        np.testing.assert_allclose(b["uv"][:, 1], a["uv"][:, 1], atol=1e-2)
        disparity = 822.79041 * 120.054 / a["xyz_mm"][:, 2]
        np.testing.assert_allclose(a["uv"][:, 0] - b["uv"][:, 0], disparity, rtol=1e-3)


def test_colour_view_undoes_the_depth_camera(tmp_path):
    tree = raw_trees.write_stb(tmp_path / "raw", {"B2Random": 2}, images=False, suffix="SK")
    (first, _) = _examples(tree, tmp_path / "data", "training", images=False, views="color")
    native = _labels(tree, "B2Random", "SK")[..., 0].T
    # For so small an angle, R v = v + w × v up to 1e-4 of v's length.
    moved = native[9] - [-24.0381, -0.4563, -1.2326]
    expected = moved + np.cross([0.00531, -0.01196, 0.00301], moved)
    np.testing.assert_allclose(first["xyz_mm"][hand.INDEX["middle_mcp"]], expected, atol=0.1)
    assert first["K"][0, 0] == pytest.approx(607.92271)


def test_labels_alone_serve_for_2d(own_tree, tmp_path):
    for sequence in raw_trees.SEQUENCES:
        shutil.rmtree(own_tree / sequence)
    assert len(_examples(own_tree, tmp_path / "data", "training", images=False)) == 16
    with pytest.raises(UserError, match=r"--stb_views=left.*--modality=2d"):
        stb.StbFolder(str(own_tree), True, "left")


def test_images_may_be_under_images(own_tree, tmp_path):
    (own_tree / "images").mkdir()
    for sequence in raw_trees.SEQUENCES:
        shutil.move(own_tree / sequence, own_tree / "images" / sequence)
    assert len(_examples(own_tree, tmp_path / "data", "training")) == 16


def test_frames_without_image_are_left_out(own_tree, tmp_path, caplog):
    (own_tree / "B2Counting" / "BB_left_3.png").unlink()
    examples = _examples(own_tree, tmp_path / "data", "training")
    assert b"stb/B2Counting/left/3" not in [e["id"] for e in examples]
    assert len(examples) == 15
    assert "1 of 16" in caplog.text
    assert "BB_left_3.png" in caplog.text


def test_a_folder_with_one_split_serves_for_it(tmp_path):
    tree = raw_trees.write_stb(tmp_path / "raw", {"B1Random": 3}, images=False)
    assert len(_examples(tree, tmp_path / "data", "evaluation", images=False)) == 3
    with pytest.raises(UserError, match=r"--raw_dir=.*no training examples"):
        _examples(tree, tmp_path / "data", "training", images=False)


def test_missing_labels_say_what_to_get(stb_tree, tmp_path):
    with pytest.raises(UserError, match=r"labels/.*sites\.google\.com.*github\.com"):
        stb.StbFolder(str(tmp_path), False, "left")
    with pytest.raises(UserError, match=r"labels/\*_SK\.mat for --stb_views=color"):
        stb.StbFolder(str(stb_tree), False, "color")


@pytest.mark.parametrize("content", [b"", b"no MATLAB file", None, np.zeros((3, 20, 4))])
def test_odd_labels_are_named(own_tree, tmp_path, content):
    path = own_tree / "labels" / "B3Random_BB.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is None:
        scipy.io.savemat(path, {"handPara": np.full((3, 21, 2), np.nan)})
    else:
        scipy.io.savemat(path, {"handPara": content})
    with pytest.raises(UserError, match=r"B3Random_BB\.mat"):
        _examples(own_tree, tmp_path / "data", "training", images=False)


def test_a_damaged_image_is_named(own_tree, tmp_path):
    (own_tree / "B1Random" / "BB_left_2.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"BB_left_2\.png: is damaged"):
        _examples(own_tree, tmp_path / "data", "evaluation")


@real.needs("stb")
def test_real_labels(data_dir):
    folder = real.REAL / "stb"
    builder = preparation.prepare("stb", str(folder), data_dir, False)
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert counts == {"training": 15000, "evaluation": 3000}
    for example in pipeline.canonical_examples(builder, "evaluation").take(50).as_numpy_iterator():
        near, far = example["xyz_mm"][list(hand.SCALE_BONE)]
        assert np.linalg.norm(near - far) == pytest.approx(40, abs=0.05)


@real.needs("stb")
@pytest.mark.parametrize("views", ["both", "color"])
def test_real_joints_lie_on_skin(data_dir, views):
    """Frame 0: joints are on skin, which is redder than the flowery cloth behind it."""
    examples = _examples(real.REAL / "stb", data_dir, "evaluation", views=views)
    for example in examples:
        image = tf.io.decode_png(example["image"]).numpy().astype(float)
        inside = np.r_[2:5, 6:8, 10:12, 14:16, 18:20]
        u, v = example["uv"][inside].astype(int).T
        r, g, b = image[v, u].T
        assert np.mean((r > g) & (g > b - 5)) > 0.9
