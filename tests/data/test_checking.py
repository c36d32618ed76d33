"""Bad samples of sixty kinds, each in a small data set: all are named, none is prepared."""

import os
import pickle
import shutil
from collections.abc import Callable
from typing import Any

import bombs
import numpy as np
import pytest
import raw_trees
import scipy.io
import tensorflow as tf

from dcmls_tf import config
from dcmls_tf.data import checking, pipeline, preparation, raw, rhd, shards
from dcmls_tf.errors import UserError

BAD = 1  # the frame that is spoilt
ROWS = slice(21, 42)  # its larger hand is the right one
MIDDLE_MCP, MIDDLE_PIP, WRIST = 21 + 12, 21 + 11, 21  # in RHD's order


def _entry(field: str, place: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(frame):
        frame[field] = frame[field].copy()
        frame[field][place] = value

    return spoil


def _scaled(factor: float) -> Callable[[dict[str, Any]], None]:
    return lambda frame: frame.update(xyz=frame["xyz"] * np.float32(factor))


def _moved(by: tuple[float, float, float]) -> Callable[[dict[str, Any]], None]:
    return lambda frame: frame.update(xyz=frame["xyz"] + np.array(by, np.float32))


def _whole(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda frame: frame.update({field: value})


def _pixels(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def spoil(frame):
        uv, visible = frame["uv_vis"][:, :2], frame["uv_vis"][:, 2:]
        frame["uv_vis"] = np.float32(np.hstack([change(uv), visible]))

    return spoil


def _bone_of_zero(frame: dict[str, Any]) -> None:
    frame["xyz"] = frame["xyz"].copy()
    frame["xyz"][MIDDLE_PIP] = frame["xyz"][MIDDLE_MCP]
    frame["uv_vis"] = frame["uv_vis"].copy()
    frame["uv_vis"][MIDDLE_PIP] = frame["uv_vis"][MIDDLE_MCP]


def _long_finger(frame: dict[str, Any]) -> None:
    frame["xyz"] = frame["xyz"].copy()
    frame["xyz"][21 + 5] += [0, 0, 0.15]


def _one_point(frame: dict[str, Any]) -> None:
    frame["xyz"] = np.tile(frame["xyz"][WRIST], (42, 1))


def _depth_of_zero(frame: dict[str, Any]) -> None:
    frame["xyz"] = frame["xyz"] * np.array([1, 1, 0], np.float32)


NAN, INF = np.nan, np.inf
K = raw_trees.RHD_K
OTHER_FOCAL = np.array([[3, 1, 1], [1, 3, 1], [1, 1, 1]], np.float32)
# Kind → what is done to a frame's annotation in RHD's layout.
ANNOTATIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "scale bone of zero": _bone_of_zero,
    "all joints in one point": _one_point,
    "a finger of two lengths": _long_finger,
    "joints at z = 0": _depth_of_zero,
    "a joint at z = 0": _entry("xyz", (WRIST, 2), 0),
    "a hand behind the camera": _scaled(-1),
    "a hand at a millimetre": _moved((0, 0, -0.5)),
    "a hand 100 m away": _moved((0, 0, 100)),
    "a hand beside the camera": _moved((20, 0, 0)),
    "coordinates of 1e36": _entry("xyz", (ROWS,), 1e36),
    "a coordinate of 1e36": _entry("xyz", (WRIST, 0), 1e36),
    "a coordinate of 1e38": _entry("xyz", (WRIST, 0), 1e38),
    "a coordinate that is NaN": _entry("xyz", (MIDDLE_PIP, 1), NAN),
    "an infinite coordinate": _entry("xyz", (MIDDLE_PIP, 1), INF),
    "millimetres": _scaled(1000),
    "centimetres": _scaled(100),
    "thousandths": _scaled(0.001),
    "inches": _scaled(39.4),
    "an infant's hand of a doll": _scaled(0.1),
    "a pixel that is NaN": _entry("uv_vis", (WRIST, 0), NAN),
    "an infinite pixel": _entry("uv_vis", (WRIST, 1), -INF),
    "a pixel of 1e36": _entry("uv_vis", (WRIST, 0), 1e36),
    "u and v swapped": _pixels(lambda uv: uv[:, ::-1] + [60, 0]),
    "pixels as parts of the image": _pixels(lambda uv: uv / 320),
    "pixels of a larger image": _pixels(lambda uv: uv * 2),
    "a visibility of two": _entry("uv_vis", (WRIST, 2), 2),
    "a visibility of a half": _entry("uv_vis", (WRIST, 2), 0.5),
    "K of zeros": _whole("K", np.zeros((3, 3), np.float32)),
    "K of ones": _whole("K", np.ones((3, 3), np.float32)),
    "K of NaN": _entry("K", (0, 0), NAN),
    "an infinite K": _entry("K", (0, 2), INF),
    "a negative focal length": _entry("K", (0, 0), -280),
    "both focal lengths negative": _whole("K", K * np.array([[-1], [-1], [1]], np.float32)),
    "a focal length of zero": _entry("K", (1, 1), 0),
    "a focal length of one": _whole("K", np.diag([1, 1, 1]).astype(np.float32)),
    "focal lengths of 1 to 10": _entry("K", (1, 1), 2800),
    "K transposed": _whole("K", K.T),
    "K twice": _whole("K", 2 * K),
    "K of a larger image": _whole("K", K * np.array([[2], [2], [1]], np.float32)),
    "K without its centre": _whole("K", np.diag([280, 280, 1]).astype(np.float32)),
    "a skewed K": _entry("K", (0, 1), 100),
    "K of another focal length": _whole("K", K * OTHER_FOCAL),
    "K of integers that is none": _whole("K", np.arange(9).reshape(3, 3)),
    "joints of one hand": lambda frame: frame.update(xyz=frame["xyz"][:21]),
    "joints that are a list": lambda frame: frame.update(xyz=frame["xyz"].tolist()),
    "joints that are text": _whole("xyz", "many"),
    "joints that are booleans": lambda frame: frame.update(xyz=frame["xyz"] > 0),
    "no K": lambda frame: frame.pop("K"),
    "no xyz": lambda frame: frame.pop("xyz"),
}  # fmt: skip
FRAMES: dict[str, Callable[[dict[Any, Any]], Any]] = {
    "a frame that is nothing": lambda frames: frames.update({BAD: None}),
    "a frame that is a list": lambda frames: frames.update({BAD: [1, 2]}),
    "a frame named by text": lambda frames: frames.update({"../../00001": frames.pop(BAD)}),
    "a frame named by a float": lambda frames: frames.update({1.5: frames.pop(BAD)}),
    "a frame named by a tuple": lambda frames: frames.update({(1, "a"): frames.pop(BAD)}),
    "a frame named by nothing": lambda frames: frames.update({None: frames.pop(BAD)}),
    "a negative number": lambda frames: frames.update({-1: frames.pop(BAD)}),
    "a number of a thousand digits": lambda frames: frames.update({10**5000: frames.pop(BAD)}),
}


def _cut(path):
    path.write_bytes(path.read_bytes()[:300])


def _loop(path):
    path.unlink()
    path.symlink_to(path)


def _out(path):
    elsewhere = path.parents[3] / "private.png"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def _folder(path):
    path.unlink()
    path.mkdir()


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


def _resized(*shape):
    return lambda path: raw_trees.write_png(path, np.ones(shape, np.uint8))


IMAGES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a picture that is missing": ("color", lambda path: path.unlink()),
    "a picture that is cut": ("color", _cut),
    "a picture that is empty": ("color", lambda path: path.write_bytes(b"")),
    "a picture that is text": ("color", lambda path: path.write_text("no picture")),
    "a picture with a flipped bit": ("color", _flipped),
    "a picture that is a loop of links": ("color", _loop),
    "a picture that is a folder": ("color", _folder),
    "a picture that is a pipe": ("color", lambda path: (path.unlink(), os.mkfifo(path))),
    "a picture from elsewhere": ("color", _out),
    "a bomb of pixels": ("color", lambda path: path.write_bytes(bombs.blank_png(20_000, 20_000))),
    "a picture of another size": ("color", _resized(640, 640, 3)),
    "a picture of a pixel": ("color", _resized(1, 1, 3)),
    "a picture that lies down": ("color", _resized(320, 480, 3)),
    "a mask that is missing": ("mask", lambda path: path.unlink()),
    "a mask that is cut": ("mask", _cut),
    "a mask without a hand": ("mask", _resized(320, 320, 1)),
    "a mask of another size": ("mask", _resized(160, 160, 1)),
    "a mask from elsewhere": ("mask", _out),
}  # fmt: skip


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Three frames in RHD's layout."""
    return raw_trees.write_rhd(tmp_path_factory.mktemp("frames"), training=3, evaluation=0)


def spoilt(kind: str, frames: Any, folder: Any) -> Any:
    """A copy of `frames` with one bad sample."""
    tree = shutil.copytree(frames, folder / "raw")
    if kind in IMAGES:
        where, spoil = IMAGES[kind]
        spoil(tree / "training" / where / f"{BAD:05d}.png")
        return tree
    path = tree / "training" / "anno_training.pickle"
    with open(path, "rb") as file:
        annotations = pickle.load(file)
    if kind in ANNOTATIONS:
        ANNOTATIONS[kind](annotations[BAD])
    else:
        FRAMES[kind](annotations)
    with open(path, "wb") as file:
        pickle.dump(annotations, file, protocol=2)
    return tree


KINDS = [*ANNOTATIONS, *FRAMES, *IMAGES]


def test_there_are_sixty_kinds_and_more():
    assert len(KINDS) == len(set(KINDS)) >= 60


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_reported_with_its_file_and_reason(frames, tmp_path, kind):
    tree = spoilt(kind, frames, tmp_path)
    found = preparation.check("rhd", str(tree), images=True)
    assert found.good == {"training": [0, 2]}
    (line,) = found.lines()
    assert line.startswith(str(tree / "training"))
    expected = "/00001.png: " if kind in IMAGES else "anno_training.pickle"
    assert expected in line
    assert "\n" not in line
    assert len(line) < 500


def test_without_pictures_annotations_are_judged_too(frames, tmp_path):
    for number, kind in enumerate(ANNOTATIONS):
        tree = spoilt(kind, frames, tmp_path / str(number))
        found = preparation.check("rhd", str(tree), images=False)
        assert found.good == {"training": [0, 2]}, kind
        assert len(found.bad) == 1


def test_a_good_set_has_no_problem(frames, stb_tree):
    assert not preparation.check("rhd", str(frames), images=True).bad
    for views in ("left", "both"):
        assert not preparation.check("stb", str(stb_tree), images=True, stb_views=views).bad


@pytest.mark.parametrize(
    "kind", ["scale bone of zero", "a frame named by text", "a mask that is cut"]
)
def test_a_bad_sample_stops_preparation_or_is_left_out_and_listed(frames, tmp_path, kind, caplog):
    tree, data_dir = spoilt(kind, frames, tmp_path), str(tmp_path / "data")
    with pytest.raises(UserError, match=r"--raw_dir: .*00001|--raw_dir: .*frame"):
        preparation.prepare("rhd", str(tree), data_dir, True)
    assert not list((tmp_path / "data").rglob("*.tfrecord*"))
    builder = preparation.prepare("rhd", str(tree), data_dir, True, skip_bad=True)
    ids = [e["id"] for e in pipeline.canonical_examples(builder, "training").as_numpy_iterator()]
    assert ids == [b"rhd/training/00000", b"rhd/training/00002"]
    (listed,) = (tmp_path / "data").rglob(preparation.LEFT_OUT)
    assert listed.parent == tmp_path / "data" / "rhd" / listed.parent.name
    assert listed.read_text().count("\n") == 1
    assert str(tree) in listed.read_text()
    caplog.clear()
    again = preparation.prepare("rhd", str(tree), data_dir, True)
    assert again.data_path == builder.data_path
    assert f"samples were left out of {builder.data_path}: see {listed}" in caplog.text


def test_a_set_without_any_good_sample_is_refused(frames, tmp_path):
    tree = shutil.copytree(frames, tmp_path / "raw")
    for path in (tree / "training" / "color").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no sample is good: .*00000\.png: is damaged"):
        preparation.prepare("rhd", str(tree), str(tmp_path / "data"), True, skip_bad=True)


def test_a_file_of_annotations_that_cannot_be_read_is_reported_and_not_skipped(frames, tmp_path):
    tree = shutil.copytree(frames, tmp_path / "raw")
    raw_trees.write_rhd(tree, training=0, evaluation=2)
    (tree / "training" / "anno_training.pickle").write_bytes(b"no pickle")
    found = preparation.check("rhd", str(tree), images=True)
    assert found.good == {"evaluation": [0, 1]}
    assert "anno_training.pickle is not a readable annotation pickle" in found.lines()[0]
    with pytest.raises(UserError, match=r"anno_training\.pickle is not a readable"):
        preparation.prepare("rhd", str(tree), str(tmp_path / "data"), True, skip_bad=True)


def _labels(path, change, name="handPara"):
    labels = scipy.io.loadmat(path)["handPara"]
    scipy.io.savemat(path, {name: change(labels)})


def _frame(place, value):
    def change(labels):
        labels[place] = value
        return labels

    return change


# Of STB: one frame's labels, which --skip_bad leaves out; a whole sequence's; pictures.
STB_FRAMES = {
    "zeros": _frame((..., 2), 0),
    "joints at z = 0": _frame((2, slice(None), 2), 0),
    "a coordinate of 1e36": _frame((0, 3, 2), 1e36),
    "NaN": _frame((1, 3, 2), NAN),
    "infinite": _frame((1, 3, 2), INF),
    "metres": lambda labels: np.where(np.arange(8) == 2, labels / 1000, labels),
    "one point": lambda labels: np.where(np.arange(8) == 2, labels[:, :1], labels),
}
STB_FILES = {
    "metres": lambda labels: labels / 1000,
    "text": lambda labels: "some text",
    "complex": lambda labels: labels + 1j,
    "a cell array": lambda labels: np.array([labels, 1], object),
    "a struct": lambda labels: {"a": labels},
    "no frames": lambda labels: labels[..., :0],
    "one frame alone": lambda labels: labels[..., 0],
    "twenty joints": lambda labels: labels[:, :20],
    "transposed": lambda labels: labels.transpose(2, 1, 0),
}


@pytest.mark.parametrize("kind", STB_FRAMES)
def test_a_bad_label_of_stb_is_reported(stb_tree, tmp_path, kind):
    tree = shutil.copytree(stb_tree, tmp_path / "raw")
    path = tree / "labels" / "B2Counting_BB.mat"
    _labels(path, STB_FRAMES[kind])
    found = preparation.check("stb", str(tree), images=True)
    assert [line.split(": ")[0] for line in found.lines()] == [f"{path}, frame 2, view left"]
    assert sum(map(len, found.good.values())) == 23


@pytest.mark.parametrize("kind", STB_FILES)
def test_a_bad_file_of_stb_is_reported(stb_tree, tmp_path, kind):
    tree = shutil.copytree(stb_tree, tmp_path / "raw")
    path = tree / "labels" / "B2Counting_BB.mat"
    _labels(path, STB_FILES[kind])
    found = preparation.check("stb", str(tree), images=False)
    assert len(found.bad) == (8 if kind == "metres" else 1)
    assert all(line.startswith(str(path)) for line in found.lines())
    assert sum(map(len, found.good.values())) == 16
    builder = preparation.prepare("stb", str(tree), str(tmp_path / "data"), False, skip_bad=True)
    assert builder.info.splits["training"].num_examples == 8


def test_bad_pictures_and_folders_of_stb_are_reported(stb_tree, tmp_path):
    tree = shutil.copytree(stb_tree, tmp_path / "raw")
    raw_trees.write_png(tree / "B1Random" / "BB_left_1.png", np.zeros((240, 320, 3), np.uint8))
    (tree / "B1Random" / "BB_left_2.png").unlink()
    shutil.rmtree(tree / "B3Random")
    lines = preparation.check("stb", str(tree), images=True).lines()
    for line, name, said in zip(
        sorted(lines),
        ("B1Random/BB_left_1.png", "B1Random/BB_left_2.png", "B3Random"),
        ("is not of 640×480 px", "is missing", "is not there, though it has labels"),
        strict=True,
    ):
        assert name in line
        assert said in line


def write_shards(folder: Any, count: int = 6, images: bool = True, spoil: Any = None) -> str:
    """Hands of a raw tree as shards; `spoil` changes an example or its record."""
    tree = raw_trees.write_rhd(folder / "raw", training=count, evaluation=0)
    split = rhd.RhdFolder(str(tree), images).open("training")
    out = folder / "hands"
    out.mkdir()
    with tf.io.TFRecordWriter(shards.shard_path(str(out), "training", 0)) as writer:
        for number, sample in enumerate(raw.examples(split)):
            if spoil and number == BAD:
                sample = spoil(sample) or sample
            record = sample if isinstance(sample, bytes) else shards.serialized(sample, images)
            writer.write(record)
    shards.write_info(str(out), images)
    return str(out)


def _field(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda sample: sample.update({name: change(sample[name])})


SHARDS: dict[str, Callable[[Any], Any]] = {
    "joints at z = 0": _field("xyz_mm", lambda xyz: xyz * np.array([1, 1, 0], np.float32)),
    "metres": _field("xyz_mm", lambda xyz: xyz / np.float32(1000)),
    "NaN": _field("xyz_mm", lambda xyz: xyz * np.float32(NAN)),
    "K of zeros": _field("K", np.zeros_like),
    "another focal length": _field("K", lambda K: K * OTHER_FOCAL),
    "the palm elsewhere": _field("palm_mm", lambda palm: palm + np.float32(300)),
    "the palm's pixel elsewhere": _field("palm_uv", lambda palm: palm * np.float32(NAN)),
    "a hand outside of its picture": lambda s: s.update(
        uv=s["uv"] + 400, palm_uv=s["palm_uv"] + 400,
        K=s["K"] + np.array([[0, 0, 400], [0, 0, 400], [0, 0, 0]], np.float32),
    ),
    "an id that is another's": _field("id", lambda _: "rhd/training/00000"),
    "a picture that is none": _field("image", lambda image: b"no picture" * 99),
    "a picture that is cut": _field("image", lambda image: image[: len(image) // 2]),
    "a bomb of pixels": _field("image", lambda image: bombs.blank_png(20_000, 20_000)),
    "no fields": lambda _: tf.io.serialize_tensor(tf.constant(["id"])).numpy(),
    "no record of fields": lambda _: b"\xff" * 50,
}  # fmt: skip


@pytest.mark.parametrize("kind", SHARDS)
def test_a_bad_sample_of_shards_is_reported_and_left_out(tmp_path, kind):
    folder = write_shards(tmp_path, spoil=SHARDS[kind])
    found = preparation.check("rhd", folder, images=True)
    (line,) = found.lines()
    assert line.startswith(f"{shards.shard_path(folder, 'training', 0)}, record 1: ")
    data_dir = str(tmp_path / "data")
    if "cut" not in kind:  # which decoding alone shows
        with pytest.raises(UserError, match=r"record 1: .*--skip_bad"):
            preparation.prepare("rhd", folder, data_dir, True)
    builder = preparation.prepare("rhd", folder, data_dir, True, skip_bad=True)
    assert builder.info.splits["training"].num_examples == 5
    (first, *_) = pipeline.canonical_examples(builder, "training").as_numpy_iterator()
    image, _ = next(shards.read(shards.shard_path(folder, "training", 0)))
    assert first["image"] == image
    assert preparation.prepare("rhd", folder, data_dir, True).data_path == builder.data_path


def test_good_shards_are_checked_once(tmp_path, monkeypatch):
    folder = write_shards(tmp_path, images=False)
    data_dir = str(tmp_path / "data")
    assert not preparation.check("rhd", folder, images=False).bad
    assert str(preparation.prepare("rhd", folder, data_dir, False).data_path) == folder
    monkeypatch.setattr(checking, "check", None)
    assert str(preparation.prepare("rhd", folder, data_dir, False).data_path) == folder


@pytest.mark.parametrize("spoil", [_cut, _flipped], ids=["cut", "flipped"])
def test_a_damaged_shard_is_reported(tmp_path, spoil):
    folder = write_shards(tmp_path, images=False)
    path = tmp_path / "hands" / os.path.basename(shards.shard_path(folder, "training", 0))
    spoil(path)
    found = preparation.check("rhd", folder, images=False)
    assert found.bad
    assert all(line.startswith(str(path)) for line in found.lines())
    with pytest.raises(UserError, match=path.name):
        preparation.prepare("rhd", folder, str(tmp_path / "data"), False)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b"[" * 100_000, b'{"splits": 3}'])
def test_damaged_metadata_of_shards_are_named(tmp_path, name, content):
    folder = write_shards(tmp_path, count=2, images=False)
    (tmp_path / "hands" / name).write_bytes(content)
    with pytest.raises(UserError, match=r"--raw_dir=.*hands"):
        preparation.prepare("rhd", folder, str(tmp_path / "data"), False)


def test_nothing_that_is_not_finite_reaches_a_step(frames, tmp_path):
    """Whatever was injected: batches of what is left are finite, augmented as they may be."""
    tree = spoilt("scale bone of zero", frames, tmp_path)
    path = tree / "training" / "anno_training.pickle"
    annotations = pickle.loads(path.read_bytes())
    ANNOTATIONS["coordinates of 1e36"](annotations[2])
    annotations[0]["uv_vis"][:21, 2] = 0  # of the left hand, which is not spoilt
    path.write_bytes(pickle.dumps(annotations, 2))
    builder = preparation.prepare("rhd", str(tree), str(tmp_path / "d"), False, skip_bad=True)
    options: dict[str, Any] = {"modality": "2d", "batch_size": 1, "validation_percent": 0}
    asked = config.Config(**options, augment_view=30, augment_bones=0.2)
    for batch in pipeline.training_batches(builder, asked).take(9).as_numpy_iterator():
        for name in ("x", "y", "H", "A", "scale_mm", "root_mm", "uv", "xyz_mm"):
            assert np.isfinite(batch[name]).all(), name
