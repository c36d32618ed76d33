"""Many pictures, good and bad, through a predictor of known answers: what gets written."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
import videos
from fake_predictors import FixedPredictor
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import hands, output, sources
from dcmls_tf.photos.asked import HandsAsked
from dcmls_tf.photos.output import PredictionWriter
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import Video

cv2 = pytest.importorskip("cv2")
pytest.importorskip("plotly")
BOX = [20, 10, 100, 70]
SIZE = 160, 120


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
    """Runs over inputs; the `PredictionWriter`, and what `predictions.json` says."""
    find_hands = hands.finder([list(box) for box in boxes], side=hand.RIGHT)
    out_dir = str(tmp_path / "out")
    writer = PredictionWriter(predictor or FixedPredictor(), find_hands, out_dir, **options)
    try:
        writer.run(sources.find(inputs))
    finally:
        written = json.loads((tmp_path / "out" / "predictions.json").read_text())
    return writer, written["pictures"]


def names(tmp_path):
    return sorted(os.listdir(tmp_path / "out"))


def test_a_picture_gives_a_drawing_json_csv_and_a_page(tmp_path):
    path = write_picture(tmp_path / "a.png")
    writer, (record,) = run(tmp_path, [path], boxes=[BOX, [110, 20, 150, 60]])
    assert names(tmp_path) == ["a.hands.png", "index.html", "predictions.csv", "predictions.json"]
    assert writer.failures == 0
    assert writer.summary() == "2 hands in 1 pictures, 0 of them without a hand"
    assert (record["file"], record["width"], record["height"]) == (path, *SIZE)
    assert (record["focal_px"], record["focal_from"], record["drawn"]) == (
        160,
        "assumed",
        "a.hands.png",
    )
    first = record["hands"][0]
    assert (first["side"], first["side_from"], first["box"]) == ("right", "given", BOX)
    uv = np.array(BOX[:2]) + FixedPredictor.uv * [80, 60]
    np.testing.assert_allclose(first["uv"], uv, atol=1e-3)
    np.testing.assert_allclose(first["joints_mm"], FixedPredictor.joints_mm, atol=1e-3)
    drawn = np.array(Image.open(tmp_path / "out" / "a.hands.png")).astype(int)
    for joint in hand.TIPS:
        u, v = (4 * uv[joint]).astype(int)  # A small picture is drawn magnified.
        near = drawn[v - 2 : v + 3, u - 2 : u + 3]
        assert (np.abs(near - hand.joint_colour(joint)).max(-1) < 60).any(), hand.JOINTS[joint]


def test_the_limit_of_hands_is_said(tmp_path):
    asked = HandsAsked(max_hands=2, min_score=0.4, tiles=3)
    writer, _ = run(tmp_path, [write_picture(tmp_path / "a.png")], boxes=[BOX] * 2, asked=asked)
    assert writer.summary().endswith("1 with as many as --max_hands=2 allows")
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert content["asked"] == {"max_hands": 2, "min_score": 0.4, "tiles": 3, "mirror": False}
    writer, _ = run(tmp_path, [str(tmp_path / "a.png")], asked=asked)
    assert "--max_hands" not in writer.summary()


def test_the_csv_has_a_row_a_joint(tmp_path):
    _, (record,) = run(tmp_path, [write_picture(tmp_path / "a.png")], boxes=[BOX, BOX])
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * hand.NUM_JOINTS
    row = rows[hand.NUM_JOINTS + 8]
    assert (row["hand"], row["side"], row["joint"], row["name"]) == ("1", "right", "8", "index_tip")
    assert rows[0]["name"] == "palm"
    assert row["frame"] == ""
    told = [float(row[c]) for c in ("u_px", "v_px", "x_mm", "y_mm", "z_mm", "std_mm")]
    pose = record["hands"][1]
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
    writer, records = run(tmp_path, [str(tmp_path)])
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
    assert writer.failures == len(said)
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
    return list(Video(Source("video", str(path))))


def test_a_video_with_a_broken_frame(tmp_path):
    path = write_video(tmp_path / "v.avi", broken=3)
    writer, records = run(tmp_path, [path])
    assert writer.failures == 1
    assert records[-1]["error"] == f"{path}: 1 of 6 frames do not decode and are left out"
    assert len(records) == 1 + 5
    assert {r["drawn"] for r in records[:-1]} == {"v.hands.mp4"}
    np.testing.assert_allclose([r["time_s"] for r in records[:2]], [0, 0.1], atol=1e-6)
    drawn = frames_of(tmp_path / "out" / "v.hands.mp4")
    assert len(drawn) == 5
    assert drawn[0].size == (640, 480)


def test_of_a_video_as_many_frames_as_wanted(tmp_path):
    writer, records = run(tmp_path, [write_video(tmp_path / "v.avi")], max_frames=2)
    assert writer.failures == 0
    assert [r["frame"] for r in records] == [0, 1]
    assert len(frames_of(tmp_path / "out" / "v.hands.mp4")) == 2


def test_a_video_that_fails_on_the_way_is_not_left_half_written(tmp_path):
    video = write_video(tmp_path / "v.avi")
    picture = write_picture(tmp_path / "w.png")
    failing = FixedPredictor(3, UserError("the model's pose is not finite"))
    writer, records = run(tmp_path, [video, picture], failing)
    assert writer.failures == 1
    assert records[-2]["error"] == f"{video}: the model's pose is not finite"
    assert [n for n in names(tmp_path) if ".hands." in n or "partial" in n] == ["w.hands.png"]


def test_an_interrupt_leaves_what_was_done(tmp_path):
    paths = [write_picture(tmp_path / f"{name}.png") for name in "abc"]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, paths, FixedPredictor(3, KeyboardInterrupt()))
    written = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [r["file"] for r in written["pictures"]] == paths[:2]
    assert (tmp_path / "out" / "index.html").exists()


def test_an_interrupt_ends_a_cameras_recording(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi")
    recording = Video(Source("video", path))
    monkeypatch.setitem(output.FRAMES, "camera", lambda source, focal: recording)
    writer, records = run(tmp_path, ["0"], FixedPredictor(4, KeyboardInterrupt()))
    assert writer.failures == 0
    assert len(records) == 3
    monkeypatch.undo()
    assert len(frames_of(tmp_path / "out" / "camera0.hands.mp4")) == 3


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"--out_dir=.*file: cannot be made"):
        PredictionWriter(FixedPredictor(), lambda photo: [], str(tmp_path / "file"))
    (tmp_path / "out" / "index.html").mkdir(parents=True)
    with pytest.raises(UserError, match=r"--out_dir: .*index\.html cannot be written"):
        run(tmp_path, [write_picture(tmp_path / "a.png")])


def bars(frames):
    return [videos.bar(frame.pixels) for frame in frames]


def test_a_drawn_video_keeps_the_times_of_its_frames(tmp_path):
    path = videos.write(tmp_path / "v.webm", "libvpx-vp9")
    _, records = run(tmp_path, [path])
    np.testing.assert_allclose([r["time_s"] for r in records], videos.UNEVEN, atol=2e-3)
    drawn = frames_of(tmp_path / "out" / "v.hands.mp4")
    np.testing.assert_allclose(videos.times(drawn), videos.UNEVEN, atol=2e-3)
    assert bars(drawn) == list(range(len(videos.UNEVEN)))


def test_a_video_that_is_cut_off_is_told_of(tmp_path, capsys):
    path = tmp_path / "v.mkv"
    videos.write(path, bf="0")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    writer, records = run(tmp_path, [str(path)])
    assert writer.failures == 1
    count = len(records) - 1
    assert f"ends after {count} frames; the rest of it is missing" in capsys.readouterr().err
    assert len(frames_of(tmp_path / "out" / "v.hands.mp4")) == count


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_an_animation_is_a_video(tmp_path, name):
    frames = [Image.fromarray(videos.picture(number)) for number in range(4)]
    durations = [100, 500, 40, 300]
    frames[0].save(
        tmp_path / name, save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    writer, records = run(tmp_path, [str(tmp_path / name)])
    assert writer.failures == 0
    assert [r["frame"] for r in records] == list(range(4))
    np.testing.assert_allclose([r["time_s"] for r in records], [0, 0.1, 0.6, 0.64], atol=0.01)
    assert bars(frames_of(tmp_path / "out" / "a.hands.mp4")) == list(range(4))


def test_pages_are_pictures_each(tmp_path):
    pages = [Image.fromarray(videos.picture(number)) for number in range(2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    _, records = run(tmp_path, [str(tmp_path / "a.tif")])
    assert [(r["frame"], r["time_s"]) for r in records] == [(0, None), (1, None)]
    assert [r["drawn"] for r in records] == ["a.hands.png", "a.hands.2.png"]
    shown = [np.array(Image.open(tmp_path / "out" / r["drawn"])) for r in records]
    assert [videos.bar(picture) for picture in shown] == [0, 1]


def test_mirrored_pictures_are_turned_back_and_it_is_said(tmp_path):
    pixels = videos.picture(0)  # Its bar is on the left.
    Image.fromarray(pixels).save(tmp_path / "a.png")
    _, (record,) = run(tmp_path, [str(tmp_path / "a.png")], asked=HandsAsked(mirror=True))
    assert record["mirrored"]
    assert record["hands"][0]["side"] == "right"
    assert record["hands"][0]["box"] == BOX  # Of the picture that is turned back.
    assert videos.bar(np.array(Image.open(tmp_path / "out" / "a.hands.png"))) == 15
    _, (record,) = run(tmp_path, [str(tmp_path / "a.png")])
    assert not record["mirrored"]


ODD_NAMES = (
    b"not\xff\xfeutf.png",
    b"\xed\xa0\x80.png",
    b"line\nbreak.png",
    b'tab\t, comma, "quotes".png',
    b"<img src=x onerror=alert(1)>.png",
    b"&lt;script&gt;.png",
    b"$data ${plotly} %s {0}.png",
    "手.png".encode(),
    b"-box=1.png",
    b"..png.png",
)


def test_files_of_any_name_are_answered_and_none_costs_the_others(tmp_path, capsys):
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    good = write_picture(tmp_path / "good.png")
    for name in ODD_NAMES:
        shutil.copy(os.fsencode(good), os.path.join(folder, name))
    with open(os.path.join(folder, b"bad\xff.png"), "wb") as file:
        file.write(b"no picture")
    os.symlink("loop.png", os.path.join(folder, b"loop.png"))
    (tmp_path / "in" / "no.mp4").write_bytes(b"no video")
    with open(os.path.join(folder, b"bad\xff.mp4"), "wb") as file:
        file.write(b"no video")
    writer, records = run(tmp_path, [str(tmp_path / "in")])
    assert writer.failures == 4
    answered = {os.path.basename(r["file"]) for r in records if "error" not in r}
    assert answered == {name.decode(errors="backslashreplace") for name in ODD_NAMES}
    said = [r["error"] for r in records if "error" in r]
    assert any("bad\\xff.png: is no picture" in sentence for sentence in said)
    assert "bad\\xff.mp4" in capsys.readouterr().err
    with open(tmp_path / "out" / "predictions.csv", newline="", encoding="utf-8") as file:
        assert {os.path.basename(row["file"]) for row in csv.DictReader(file)} == answered
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    drawn = {r["drawn"] for r in records if "error" not in r}
    assert len(drawn) == len(ODD_NAMES)
    assert drawn <= set(names(tmp_path))
    assert all("/" not in name for name in drawn)


def test_what_fails_in_another_way_costs_that_picture_alone(tmp_path):
    paths = [write_picture(tmp_path / f"{name}.png") for name in "ab"]
    writer, records = run(tmp_path, paths, FixedPredictor(1, OSError(5, "Input/output error")))
    assert writer.failures == 1
    assert "Input/output error" in records[0]["error"]
    assert records[1]["file"] == paths[1]
