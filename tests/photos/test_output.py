"""Many pictures, good and bad, through a model whose answer is known: what gets written."""

import csv
import io
import json
import os

import numpy as np
import pytest
import raw_trees
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import detection
from dcmls_tf.photos import output as predictions
from dcmls_tf.photos import photo as photos
from dcmls_tf.photos import predictor as inference

cv2 = pytest.importorskip("cv2")
pytest.importorskip("plotly")
BOX = [20, 10, 100, 70]
SIZE = 160, 120
JOINTS_MM = raw_trees.random_hand(np.random.default_rng(0))


class Fixed:
    """A predictor whose joints are where `uv` says, in parts of the box; may fail at a call."""

    joint_names = ("palm", *hand.JOINTS[1:])
    needs_keypoints = False
    uv = np.random.default_rng(1).uniform(0, 1, (hand.NUM_JOINTS, 2))

    def __init__(self, failing_call=None, error=None):
        self.calls, self._failing_call, self._error = 0, failing_call, error

    def __call__(self, photo, hands):
        self.calls += 1
        if self.calls == self._failing_call:
            raise self._error
        for one in hands:
            inference.cut_window(photo, one.box, 1.5)
        return [self._pose(one) for one in hands]

    def _pose(self, one):
        uv = one.box[:2] + self.uv * (one.box[2:] - one.box[:2])
        std_mm = np.arange(21.0) if one.side == hand.RIGHT else None
        return inference.Pose(one, uv, JOINTS_MM, np.array([0, 0, 500.0]), std_mm)


def write_picture(path, size=SIZE, colour=(0, 0, 60)):
    Image.new("RGB", size, colour).save(path)
    return str(path)


def write_video(path, frames=6, broken=None):
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE)
    for n in range(frames):
        out.write(np.random.default_rng(n).integers(0, 99, (*SIZE[::-1], 3), np.uint8))
    out.release()
    if broken is not None:
        content = bytearray(path.read_bytes())
        starts = [i for i in range(len(content)) if content.startswith(b"00dc", i)]
        content[starts[broken] + 8 : starts[broken] + 1500] = bytes(1492)
        path.write_bytes(content)
    return str(path)


def run(tmp_path, inputs, predictor=None, boxes=(BOX,), **options):
    """Runs over inputs; the `Predictions`, and what `predictions.json` says."""
    find_hands = predictions.finder([list(box) for box in boxes], side=hand.RIGHT)
    out_dir = str(tmp_path / "out")
    found = predictions.Predictions(predictor or Fixed(), find_hands, out_dir, **options)
    try:
        found.run(photos.find(inputs))
    finally:
        written = json.loads((tmp_path / "out" / "predictions.json").read_text())
    return found, written["pictures"]


def names(tmp_path):
    return sorted(os.listdir(tmp_path / "out"))


def test_a_box_is_four_numbers_in_order():
    assert predictions.parse_box(" 1, 2.5,30,4e1") == [1, 2.5, 30, 40]
    for text in ("1,2,3", "1,2,3,x", "", "3,2,1,4", "1,4,3,4", "nan,1,2,3"):
        with pytest.raises(UserError, match="box"):
            predictions.parse_box(text)


def test_hands_are_given_or_found(tmp_path):
    photo = photos.Photo("a.png", np.zeros((8, 8, 3), np.uint8), (16, 16), np.eye(3), "assumed")
    boxed = predictions.finder([BOX, BOX], side=hand.LEFT)(photo)
    assert [(one.side, one.side_from) for one in boxed] == [(hand.LEFT, "given")] * 2
    assert predictions.finder([BOX])(photo)[0].side_from == "assumed"
    uv = np.random.default_rng(0).uniform(0, 16, (hand.NUM_JOINTS, 2))
    (tmp_path / "k.json").write_text(json.dumps({"a.png": uv.tolist()}))
    (one,) = predictions.finder(keypoints_path=str(tmp_path / "k.json"))(photo)
    np.testing.assert_allclose(one.keypoints, uv, 1e-6)
    seen = detection.Detection(np.array([0, 0, 4, 4.0]), uv / 2, hand.LEFT, 0.9, 0.8)
    (one,) = predictions.finder(detector=lambda pixels: [seen])(photo)
    np.testing.assert_allclose(one.keypoints, uv, 1e-6)  # The picture was reduced to half.
    assert (one.side, one.side_from, one.score) == (hand.LEFT, "detected", 0.8)


def test_a_picture_gives_a_drawing_json_csv_and_a_page(tmp_path):
    path = write_picture(tmp_path / "a.png")
    found, (one,) = run(tmp_path, [path], boxes=[BOX, [110, 20, 150, 60]])
    assert names(tmp_path) == ["a.hands.png", "index.html", "predictions.csv", "predictions.json"]
    assert found.failures == 0
    assert found.summary() == "2 hands in 1 pictures, 0 of them without a hand"
    assert (one["file"], one["width"], one["height"]) == (path, *SIZE)
    assert (one["focal_px"], one["focal_from"], one["drawn"]) == (160, "assumed", "a.hands.png")
    first = one["hands"][0]
    assert (first["side"], first["side_from"], first["box"]) == ("right", "given", BOX)
    uv = np.array(BOX[:2]) + Fixed.uv * [80, 60]
    np.testing.assert_allclose(first["uv"], uv, atol=1e-3)
    np.testing.assert_allclose(first["joints_mm"], JOINTS_MM, atol=1e-3)
    drawn = np.array(Image.open(tmp_path / "out" / "a.hands.png")).astype(int)
    for joint in hand.TIPS:
        u, v = (4 * uv[joint]).astype(int)  # A small picture is drawn magnified.
        near = drawn[v - 2 : v + 3, u - 2 : u + 3]
        assert (np.abs(near - hand.joint_colour(joint)).max(-1) < 60).any(), hand.JOINTS[joint]


def test_the_csv_has_a_row_a_joint(tmp_path):
    _, (one,) = run(tmp_path, [write_picture(tmp_path / "a.png")], boxes=[BOX, BOX])
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * hand.NUM_JOINTS
    row = rows[hand.NUM_JOINTS + 8]
    assert (row["hand"], row["side"], row["joint"], row["name"]) == ("1", "right", "8", "index_tip")
    assert rows[0]["name"] == "palm"
    assert row["frame"] == ""
    told = [float(row[c]) for c in ("u_px", "v_px", "x_mm", "y_mm", "z_mm", "std_mm")]
    pose = one["hands"][1]
    assert told == [*pose["uv"][8], *pose["joints_mm"][8], 8.0]


def test_bad_pictures_are_told_of_and_the_rest_goes_on(tmp_path, capsys):
    good = [write_picture(tmp_path / name) for name in ("a.png", "z.jpg")]
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    write_picture(tmp_path / "small.png", (15, 9))  # The box is outside of it.
    Image.fromarray(np.ones((9, 9), np.float32)).save(tmp_path / "float.tiff")
    found, records = run(tmp_path, [str(tmp_path)])
    assert [r["file"] for r in records if "error" not in r] == good
    errors = {os.path.basename(r["file"]): r["error"] for r in records if "error" in r}
    said = {
        "cut.jpg": "truncated",
        "empty.png": "is empty",
        "text.png": "no picture",
        "small.png": "outside of the 15×9 picture",
        "float.tiff": "floating-point",
    }
    assert errors.keys() == said.keys()
    assert found.failures == len(said)
    told = capsys.readouterr().err
    for name, part in said.items():
        assert part in errors[name]
        assert errors[name].startswith(str(tmp_path / name))
        assert f"error: {errors[name]}\n" in told
    assert {"a.hands.png", "z.hands.png"} == {n for n in names(tmp_path) if ".hands." in n}


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    paths = []
    for folder, name in (("one", "a.png"), ("two", "a.png"), ("two", "a.jpg")):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths.append(write_picture(tmp_path / folder / name))
    _, records = run(tmp_path, paths)
    assert [r["drawn"] for r in records] == ["a.hands.png", "a.hands.2.png", "a.hands.3.png"]
    assert {r["drawn"] for r in records} <= set(names(tmp_path))


def frames_of(path):
    return list(photos.Video(photos.Source("video", str(path))))


def test_a_video_with_a_broken_frame(tmp_path):
    path = write_video(tmp_path / "v.avi", broken=3)
    found, records = run(tmp_path, [path])
    assert found.failures == 1
    assert records[-1]["error"] == f"{path}: 1 of 6 frames do not decode and are left out"
    assert len(records) == 1 + 5
    assert {r["drawn"] for r in records[:-1]} == {"v.hands.mp4"}
    np.testing.assert_allclose([r["time_s"] for r in records[:2]], [0, 0.1], atol=1e-6)
    drawn = frames_of(tmp_path / "out" / "v.hands.mp4")
    assert len(drawn) == 5
    assert drawn[0].size == (640, 480)


def test_of_a_video_as_many_frames_as_wanted(tmp_path):
    found, records = run(tmp_path, [write_video(tmp_path / "v.avi")], max_frames=2)
    assert found.failures == 0
    assert [r["frame"] for r in records] == [0, 1]
    assert len(frames_of(tmp_path / "out" / "v.hands.mp4")) == 2


def test_a_video_that_fails_on_the_way_is_not_left_half_written(tmp_path):
    video = write_video(tmp_path / "v.avi")
    picture = write_picture(tmp_path / "w.png")
    failing = Fixed(3, UserError("the model's pose is not finite"))
    found, records = run(tmp_path, [video, picture], failing)
    assert found.failures == 1
    assert records[-2]["error"] == f"{video}: the model's pose is not finite"
    assert [n for n in names(tmp_path) if ".hands." in n or "partial" in n] == ["w.hands.png"]


def test_an_interrupt_leaves_what_was_done(tmp_path):
    paths = [write_picture(tmp_path / f"{name}.png") for name in "abc"]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, paths, Fixed(3, KeyboardInterrupt()))
    written = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [r["file"] for r in written["pictures"]] == paths[:2]
    assert (tmp_path / "out" / "index.html").exists()


def test_an_interrupt_ends_a_cameras_recording(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi")
    recording = photos.Video(photos.Source("video", path))
    monkeypatch.setattr(photos, "Video", lambda source, focal: recording)
    found, records = run(tmp_path, ["0"], Fixed(4, KeyboardInterrupt()))
    assert found.failures == 0
    assert len(records) == 3
    monkeypatch.undo()
    assert len(frames_of(tmp_path / "out" / "camera0.hands.mp4")) == 3


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"--out_dir=.*file: cannot be made"):
        predictions.Predictions(Fixed(), None, str(tmp_path / "file"))
    (tmp_path / "out" / "index.html").mkdir(parents=True)
    with pytest.raises(UserError, match=r"--out_dir: .*index\.html cannot be written"):
        run(tmp_path, [write_picture(tmp_path / "a.png")])


def test_large_pictures_are_drawn_smaller(monkeypatch):
    monkeypatch.setattr(predictions, "DRAWN_SIDE", 80)
    pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
    # The file's picture is twice what was read of it.
    photo = photos.Photo("a.png", pixels, (2 * SIZE[0], 2 * SIZE[1]), np.eye(3), "assumed")
    box = 2 * np.float32(BOX)
    drawn, scale = predictions.draw(photo, Fixed()(photo, [inference.Hand(box)]))
    assert drawn.shape == (60, 80, 3)
    assert scale == 1 / 4
    marked = np.argwhere(drawn.any(-1))[:, ::-1]
    assert marked.min() >= 0
    assert marked[:, 1].max() <= BOX[3] / 2 + 4


def test_a_label_is_whole_at_the_edge_of_a_picture():
    photo = photos.Photo("a.png", np.zeros((480, 640, 3), np.uint8), (640, 480), np.eye(3), "given")

    def text_of(box):
        (pose,) = Fixed()(photo, [inference.Hand(np.float32(box))])
        drawn = predictions.draw(photo, [pose])[0].astype(int)
        white = (drawn > 240).all(-1)
        return white[: int(box[1])].sum()

    inside, at_the_right = text_of([300, 100, 320, 160]), text_of([610, 100, 638, 160])
    assert inside == at_the_right > 100


def test_a_hand_is_labelled_with_how_its_side_is_known():
    one = inference.Hand(np.float32(BOX), hand.LEFT, "detected", score=0.987)
    assert predictions.label(one) == "left (detected) 0.99"
    assert predictions.label(inference.Hand(np.float32(BOX))) == "right (assumed)"


def test_the_table_of_nothing_is_its_heading():
    text = predictions.table([{"file": "a.png", "error": "a.png: is empty"}], hand.JOINTS)
    assert list(csv.reader(io.StringIO(text))) == [list(predictions.COLUMNS)]
