"""`scripts/predict.py` as a user runs it: real processes, every kind of model and of file.

The expected answer of a picture that shows the same in another form is the plain picture's.
"""

import csv
import json
import os
import subprocess
import sys

import hand_files
import numpy as np
import pytest
from PIL import ExifTags, Image

from dcmls_tf import hand
from dcmls_tf.photos import detection, detector_files

cv2 = pytest.importorskip("cv2")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KINDS = ("run", "saved_model", "lite")
# Of 64 px crops through an untrained network, in mm, where pixels differ a little.
CLOSE_MM = 3.0


def predict(*flags, status=0, **options):
    command = [sys.executable, os.path.join(ROOT, "scripts", "predict.py"), *map(str, flags)]
    env = {**os.environ, "PYTHONPATH": ROOT, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, **options)
    assert done.returncode == status, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done


def records(out_dir):
    with open(os.path.join(out_dir, "predictions.json")) as file:
        return {os.path.basename(r["file"]): r for r in json.load(file)["pictures"]}


def joints_mm(record):
    (pose,) = record["hands"]
    return np.array(pose["joints_mm"])


def test_an_input_that_is_not_there_is_named(tmp_path):
    done = predict(f"--model={tmp_path}", f"--input={tmp_path}/a.png", status=1)
    assert done.stderr.splitlines()[-1].startswith(
        f"error: --input={tmp_path}/a.png: does not exist"
    )


@pytest.fixture(scope="module")
def frame():
    pytest.importorskip("embreex")
    return hand_files.rendered_frame()


def models(folder, **options):
    run_dir = hand_files.write_run(folder / "run", **options)
    return dict(zip(KINDS, (run_dir, *hand_files.write_exports(run_dir, folder)), strict=True))


@pytest.fixture(scope="module")
def of_photos(tmp_path_factory):
    return models(tmp_path_factory.mktemp("rgb"))


@pytest.fixture(scope="module")
def of_keypoints(tmp_path_factory):
    return models(tmp_path_factory.mktemp("2d"), modality="2d")


def box_of(uv):
    return ",".join(f"{v:.1f}" for v in (*uv.min(0), *uv.max(0)))


@pytest.mark.slow
def test_three_kinds_of_models_agree(frame, of_photos, tmp_path):
    pixels, uv, side = frame
    Image.fromarray(pixels).save(tmp_path / "a.png")
    given = f"--box={box_of(uv)}", f"--side={hand.SIDES[side]}", f"--input={tmp_path}/a.png"
    by_kind = {}
    for kind, path in of_photos.items():
        done = predict(f"--model={path}", *given, f"--out_dir={tmp_path / kind}")
        assert "1 hands in 1 pictures" in done.stdout
        by_kind[kind] = records(tmp_path / kind)["a.png"]["hands"][0]
        page = (tmp_path / kind / "index.html").read_text(encoding="utf-8")
        assert "a.png, hand 1" in page
    for pose in by_kind.values():
        assert (pose["side"], pose["side_from"]) == (hand.SIDES[side], "given")
        np.testing.assert_allclose(pose["joints_mm"], by_kind["run"]["joints_mm"], atol=0.01)
        np.testing.assert_allclose(pose["uv"], by_kind["run"]["uv"], atol=0.1)
    assert len(by_kind["lite"]["std_mm"]) == hand.NUM_JOINTS
    of_run, of_saved_model = by_kind["run"], by_kind["saved_model"]
    np.testing.assert_allclose(of_run["std_mm"], of_saved_model["std_mm"], atol=0.01)
    drawn = [np.array(Image.open(tmp_path / kind / "a.hands.png")).astype(int) for kind in KINDS]
    for picture in drawn[1:]:
        assert (np.abs(picture - drawn[0]).max(-1) > 40).mean() < 1e-3


def save_forms(folder, pixels, uv):
    """A photo in every form a file may have it in; name → its keypoints px."""
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # Stored lying on its left side.
    image.save(folder / "plain.png")
    cv2.imwrite(str(folder / "16bit.png"), pixels[..., ::-1] * np.uint16(257))
    image.convert("RGBA").save(folder / "rgba.png")
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    image.convert("L").save(folder / "grey.png")
    image.convert("L").convert("RGB").save(folder / "grey_as_rgb.png")
    for name, height in (("large.png", 1500), ("huge.jpg", 9000)):
        larger = Image.new("RGB", (height * 4 // 3, height))
        larger.paste(image.resize((height, height), Image.Resampling.BICUBIC), (height // 6, 0))
        larger.save(folder / name)
    same = ("plain.png", "16bit.png", "rgba.png", "cmyk.jpg", "turned.png", "grey.png")
    damaged = ("one.png", "cut.jpg", "empty.png")
    known: dict[str, np.ndarray] = dict.fromkeys((*same, *damaged, "grey_as_rgb.png"), uv)
    large = 1500 / pixels.shape[0] * uv + [250, 0]
    return known | {"large.png": large, "huge.jpg": 6 * large, "v.avi": uv, "text.png": uv}


def save_bad(folder, pixels):
    """Files that are no good; name → what is said of them."""
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    Image.fromarray(pixels).save(folder / "cut.jpg")
    content = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("Dear Sir or Madam")
    return {
        "one.png": "lies outside of the 1×1 picture",
        "cut.jpg": "is damaged or cannot be read",
        "empty.png": "is empty",
        "text.png": "is no picture",
        "v.avi": "1 of 5 frames do not decode and are left out",
    }


def save_video(path, pixels):
    """Five frames of a photo, the fourth of them broken."""
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, pixels.shape[1::-1])
    for _ in range(5):
        out.write(np.ascontiguousarray(pixels[..., ::-1]))
    out.release()
    content = bytearray(path.read_bytes())
    starts = [i for i in range(len(content)) if content.startswith(b"00dc", i)]
    content[starts[3] + 8 : starts[3] + 3000] = bytes(2992)
    path.write_bytes(content)


@pytest.mark.slow
def test_a_folder_of_everything(frame, of_photos, tmp_path):
    """Good files give the plain photo's pose, bad ones a sentence each, and the status says so."""
    pixels, uv, side = frame
    folder, out_dir = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    known, bad = save_forms(folder, pixels, uv), save_bad(folder, pixels)
    save_video(folder / "v.avi", pixels)
    keypoints = {name: np.round(points, 2).tolist() for name, points in known.items()}
    (tmp_path / "hands.json").write_text(json.dumps(keypoints))
    given = f"--keypoints={tmp_path}/hands.json", f"--side={hand.SIDES[side]}"
    where = f"--input={folder}", f"--out_dir={out_dir}"
    done = predict(f"--model={of_photos['run']}", *given, *where, status=1)

    sentences = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(sentences) == len(bad) + 1
    assert "5 problems with the input" in sentences[-1]
    by_name = records(out_dir)
    for name, said in bad.items():
        assert said in by_name[name]["error"]
        assert str(folder / name) in by_name[name]["error"]
        assert any(by_name[name]["error"] in line for line in sentences)

    plain = joints_mm(by_name["plain.png"])
    grey = joints_mm(by_name["grey_as_rgb.png"])
    assert np.abs(plain - grey).max() > 0.05  # The model does look at the picture.
    for name in ("16bit.png", "rgba.png", "turned.png"):
        np.testing.assert_allclose(joints_mm(by_name[name]), plain, atol=0.01, err_msg=name)
        np.testing.assert_allclose(
            by_name[name]["hands"][0]["uv"], by_name["plain.png"]["hands"][0]["uv"]
        )
    np.testing.assert_allclose(joints_mm(by_name["grey.png"]), grey, atol=0.01)
    np.testing.assert_allclose(joints_mm(by_name["cmyk.jpg"]), plain, atol=CLOSE_MM)
    huge, large = by_name["huge.jpg"], by_name["large.png"]
    assert (huge["width"], huge["height"]) == (12000, 9000)
    with Image.open(out_dir / "huge.hands.png") as drawn:
        assert max(drawn.size) <= 1600
    np.testing.assert_allclose(joints_mm(huge), joints_mm(large), atol=CLOSE_MM)
    gap = np.subtract(huge["hands"][0]["uv"], np.multiply(6, large["hands"][0]["uv"]))
    assert np.linalg.norm(gap, axis=-1).mean() < 0.02 * np.ptp(known["huge.jpg"], axis=0).max()

    with open(out_dir / "predictions.csv", newline="") as file:
        of_video = [row for row in csv.DictReader(file) if row["file"].endswith("v.avi")]
    frames = {row["frame"] for row in of_video}
    assert len(frames) == 4
    assert {"0", "4"} < frames < set("01234")
    assert cv2.VideoCapture(str(out_dir / "v.hands.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert not [name for name in os.listdir(out_dir) if "partial" in name]


@pytest.mark.slow
def test_keypoints_from_csv_through_three_kinds(frame, of_keypoints, tmp_path):
    pixels, uv, side = frame
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.savetxt(tmp_path / "k.csv", uv, delimiter=",", header="u,v", comments="")
    given = f"--keypoints={tmp_path}/k.csv", f"--side={hand.SIDES[side]}"
    by_kind = {}
    for kind, path in of_keypoints.items():
        where = f"--input={tmp_path}/*.png", f"--out_dir={tmp_path / kind}"
        predict(f"--model={path}", *given, *where)
        by_kind[kind] = records(tmp_path / kind)["a.png"]["hands"][0]
    for pose in by_kind.values():
        np.testing.assert_allclose(pose["joints_mm"], by_kind["run"]["joints_mm"], atol=0.01)
        np.testing.assert_allclose(pose["uv"], by_kind["run"]["uv"], atol=0.1)
        np.testing.assert_allclose(np.mean(pose["uv"][1:], 0), uv[1:].mean(0), atol=5)


@pytest.mark.slow
def test_hands_are_found_automatically(frame, of_photos, tmp_path):
    try:
        detector_files.networks()
    except Exception as error:  # Without a network the detector cannot be had.
        pytest.skip(f"no hand detector: {error}")
    pixels, uv, side = frame
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "nobody.png")
    where = f"--input={tmp_path}", f"--out_dir={tmp_path / 'out'}"
    done = predict(f"--model={of_photos['lite']}", *where)
    assert "3 pictures, 2 of them without a hand" in done.stdout
    by_name = records(tmp_path / "out")
    best = max(by_name["a.png"]["hands"], key=lambda pose: pose["score"])
    assert (best["side"], best["side_from"]) == (hand.SIDES[side], "detected")
    assert detection.iou(np.array(best["box"]), np.array([*uv.min(0), *uv.max(0)])) > 0.6
    assert by_name["one.png"]["hands"] == by_name["nobody.png"]["hands"] == []


@pytest.mark.slow
def test_the_readmes_first_photo_and_a_video_of_it_by_the_model_in_the_box(tmp_path):
    try:
        detector_files.networks()
    except Exception as error:  # Without a network the detector cannot be had.
        pytest.skip(f"no hand detector: {error}")
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        assert "scripts/predict.py --input=docs/hand.jpg " in file.read()
    photo = os.path.join(ROOT, "docs", "hand.jpg")
    pixels = np.array(Image.open(photo))
    out = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, pixels.shape[1::-1]
    )
    for shift in range(6):
        out.write(np.ascontiguousarray(np.roll(pixels, 4 * shift, axis=1)[..., ::-1]))
    out.release()
    predict(f"--input={photo}", f"--input={tmp_path}/v.avi", f"--out_dir={tmp_path / 'out'}")
    with open(tmp_path / "out" / "predictions.json") as file:
        still, *frames = json.load(file)["pictures"]
    (pose,) = still["hands"]
    assert pose["track"] is None
    assert len(pose["std_mm"]) == hand.NUM_JOINTS
    assert len(frames) == 6
    tracks = {followed["track"] for frame in frames for followed in frame["hands"]}
    assert tracks == {0}
    first, last = (np.mean(frame["hands"][0]["uv"], axis=0) for frame in (frames[0], frames[-1]))
    np.testing.assert_allclose(last - first, [20, 0], atol=12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "flags", "said"),
    [
        ("rgb", ["--box=10,20,30"], "box 10,20,30: give left,top,right,bottom"),
        ("rgb", ["--box=1,2,3,4", "--keypoints=k.json"], "--box and --keypoints"),
        ("rgb", ["--keypoints=nowhere.json"], "--keypoints=nowhere.json"),
        ("rgb", ["--box=1,2,30,40", "--side=both"], "--side"),
        ("2d", ["--box=1,2,30,40"], "--box: "),
        ("rgb", ["--box=400,2,430,40"], "outside of the 320×320 picture"),
        ("rgb", ["--box=1,2,30,40", "--out_dir=a.png"], "--out_dir=a.png"),
        ("rgb", ["--box=1,2,30,40", "--model=nowhere"], "--model=nowhere"),
        ("rgb", ["--box=1,2,30,40", "--model=a.png"], "--model=a.png"),
    ],
)
def test_a_mistake_is_one_sentence(kind, flags, said, frame, of_photos, of_keypoints, tmp_path):
    Image.fromarray(frame[0]).save(tmp_path / "a.png")
    model = {"rgb": of_photos, "2d": of_keypoints}[kind]["lite"]
    done = predict(f"--model={model}", "--input=a.png", *flags, status=1, cwd=tmp_path)
    assert any(line.startswith("error: ") and said in line for line in done.stderr.splitlines())
