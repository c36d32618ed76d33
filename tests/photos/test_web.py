"""The page that finds hands in the browser: its files, and its answers beside `predict.py`'s."""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

import numpy as np
import pytest

from dcmls_tf import hand, litert
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.photos import detection, detector_files, web
from dcmls_tf.photos.depths import DepthCorrection
from dcmls_tf.serving import lite_file, shipped
from dcmls_tf.serving.tflite import TFLiteModel

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "export" / "page"
PHOTO = ROOT / "docs" / "hand.jpg"
# OpenCV takes a pixel's place to a 32nd of a px, the page as it is; the networks enlarge that.
NEAR_PX, NEAR_MM = 3, 3


def test_the_facts_are_those_of_the_package():
    config = Config(modality="2d", root="palm", crop_margin=1.5)
    facts = json.loads(json.dumps(web.facts(config, 36.5)))
    told = facts["hand"]
    assert [len(told[name]) for name in ("joint_names", "parents", "colours")] == [21] * 3
    assert told["joint_names"][0] == "palm"
    assert told["palm_joints"] == [hand.WRIST, hand.MIDDLE_MCP]
    assert [hand.JOINTS[j] for j in facts["detector"]["knuckles"]] == [
        "index_mcp", "middle_mcp", "ring_mcp",
    ]  # fmt: skip
    assert facts["model"]["mean_scale_mm"] == 36.5
    assert facts["model"]["crop_margin"] == 1.5
    # Every fact is one that the page reads, and the page reads no other.
    scripts = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    for part in ("hand", "detector", "tracker", "model"):
        assert [name for name in facts[part] if name not in scripts] == []


def test_what_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(detector_files, "networks", lambda: {detector_files.PALM: b"palm"})
    model = shipped.path(shipped.KEYPOINTS)
    web.write(model, str(tmp_path))
    facts = json.loads((tmp_path / "facts.json").read_text())
    pose = tmp_path / facts["networks"]["pose"]["file"]
    given, written = TFLiteModel(model), TFLiteModel(str(pose))
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 21, 2)).astype(np.float32)
    np.testing.assert_array_equal(written(x=x), given(x=x))
    # The browser's runtime refuses sizes that are not known.
    interpreter = litert.interpreter(pose.read_bytes(), 1)
    for tensor in interpreter.get_tensor_details():
        assert (tensor["shape_signature"] >= 0).all()
    assert (tmp_path / facts["networks"]["palm"]["file"]).read_bytes() == b"palm"
    # The correction is of the model in the box, to four digits.
    layers = json.loads((tmp_path / facts["depths"]["file"]).read_text())["layers"]
    for layer, (kernel, bias) in zip(layers, DepthCorrection.load().layers, strict=True):
        np.testing.assert_allclose(layer["kernel"], kernel, rtol=1e-3)
        np.testing.assert_allclose(layer["bias"], bias, rtol=1e-3)


def test_the_depths_correct_no_other_model(tmp_path, monkeypatch):
    monkeypatch.setattr(detector_files, "networks", dict)
    other = tmp_path / "other.tflite"
    other.write_bytes(pathlib.Path(shipped.path(shipped.KEYPOINTS)).read_bytes())
    web.write(str(other), str(tmp_path))
    assert "depths" not in json.loads((tmp_path / "facts.json").read_text())


@pytest.mark.parametrize("changed", [{"modality": "rgb"}, {"precision": "int8"}])
def test_a_model_that_the_page_cannot_run_is_refused(tmp_path, changed):
    content, described = lite_file.read(shipped.path(shipped.KEYPOINTS))
    only_2d = dict.fromkeys(("augment_view", "rays"), 0.0)
    described["config"] |= {"modality": changed.get("modality", "2d"), **only_2d}
    network = content[: described.pop("network_bytes")]
    path = tmp_path / "a.tflite"
    path.write_bytes(lite_file.with_metadata(network, {**described, **changed}))
    with pytest.raises(UserError, match=r"--model=.*: give the \.tflite file of a 2D model"):
        web.write(str(path), str(tmp_path))


def test_the_page_asks_for_its_own_files_alone():
    for path in PAGE.iterdir():
        if path.name != "package-lock.json":
            assert "://" not in path.read_text(encoding="utf-8").replace("https:// or", "")
    lock = json.loads((PAGE / "package-lock.json").read_text())
    wanted = json.loads((PAGE / "package.json").read_text())["dependencies"]
    assert lock["packages"]["node_modules/@litertjs/core"]["version"] == wanted["@litertjs/core"]
    assert all("integrity" in p for name, p in lock["packages"].items() if name)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the page as `export/web.py` writes it, on a plain file server."""
    missing = [name for name in ("npm", "chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{missing} missing")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "export" / "web.py"), f"--out_dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    with serving(folder) as url:
        yield url


@contextlib.contextmanager
def serving(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def predicted(exact):
    """The pose of the photo's hand by the package."""
    from dcmls_tf import api
    from dcmls_tf.photos import hands, photo

    predictor = api.load(None).predictor
    picture = photo.read(str(PHOTO))
    with pytest.MonkeyPatch.context() as patch:
        if exact:
            patch.setattr(detection, "cut_square", bilinear)
        find = hands.finder(detector=detection.Detector())
        (pose,) = predictor(picture, find(picture))
    return pose


def bilinear(pixels, to_photo, size, outside):
    """`detection.cut_square` without OpenCV's rounding of places."""
    at = (np.arange(size) + 0.5) / size
    grid = np.stack([*np.meshgrid(at, at), np.ones((size, size))], -1)
    places = (grid @ to_photo.T)[..., :2] - 0.5
    first = np.floor(places).astype(int)
    last, cut = np.array(pixels.shape[1::-1]) - 1, np.zeros((size, size, 3))
    for corner in np.ndindex(2, 2):
        weight = np.abs(1 - np.array(corner) - (places - first)).prod(-1, keepdims=True)
        x, y = np.moveaxis(np.clip(first + corner, 0, last), -1, 0)
        inside = (first + corner == np.stack([x, y], -1)).all(-1, keepdims=True)
        cut += weight * pixels[y, x] * (inside if outside == "black" else 1)
    return (cut / 255).astype(np.float32)


def told(driver):
    return driver.find_element("id", "told").text


def answer(driver):
    """What the page gives to save."""
    link = driver.find_element("id", "save").get_attribute("href")
    return json.loads(urllib.parse.unquote(link.split(",", 1)[1]))


def opened(driver, url):
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(url)
    wait = WebDriverWait(driver, 60)
    wait.until(lambda d: told(d).startswith("Give a photo"))
    return wait


@pytest.mark.slow
def test_a_photo_in_the_browser_gives_what_predict_gives(site, tmp_path):
    import browser

    with browser.chromium(tmp_path / "profile") as driver:
        wait = opened(driver, site)
        assert "MB (runtime" in driver.find_element("id", "size").text
        driver.find_element("id", "file").send_keys(str(PHOTO))
        wait.until(lambda d: "frames a second" in d.find_element("id", "speed").text)
        assert told(driver).startswith("1 hand: right 0.9")
        found = answer(driver)
        pixels = driver.execute_script(
            "const c = document.getElementById('pose');"
            "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data);"
        )
        driver.find_element("id", "file").send_keys(str(ROOT / "README.md"))
        wait.until(lambda d: told(d).startswith("Error: README.md is no picture"))
        assert browser.complaints(driver) == []
    assert found["file"] == "hand.jpg"
    (seen,) = found["hands"]
    for pose, px, mm in ((predicted(exact=True), 0.02, 0.02), (predicted(False), NEAR_PX, NEAR_MM)):
        assert seen["side"] == hand.SIDES[pose.region.side]
        assert seen["score"] == pytest.approx(pose.region.score, abs=0.01)
        np.testing.assert_allclose(seen["uv"], pose.uv, atol=px)
        np.testing.assert_allclose(seen["joints_mm"], pose.joints_mm, atol=mm)
        np.testing.assert_allclose(seen["root_mm"], pose.root_mm, atol=20 * mm)
    colours = np.reshape(pixels, (-1, 4))[:, :3]
    for finger in hand.FINGERS:
        assert (np.abs(colours - hand.FINGER_COLOURS[finger]).max(-1) < 20).sum() > 50, finger


@pytest.mark.slow
def test_a_camera_in_the_browser(site, tmp_path):
    import browser

    frames = tmp_path / "camera.mjpeg"
    frames.write_bytes(PHOTO.read_bytes() * 5)
    with browser.chromium(tmp_path / "profile", *browser.camera_of(frames)) as driver:
        wait = opened(driver, site)
        driver.find_element("id", "camera").click()
        wait.until(lambda d: d.find_element("id", "speed").text.startswith("Camera: "))
        wait.until(lambda d: told(d).startswith("1 hand: right"))
        time.sleep(1)
        assert told(driver).startswith("1 hand: right")
        assert answer(driver)["hands"][0]["side"] == "right"
        # A photo ends it.
        driver.find_element("id", "file").send_keys(str(PHOTO))
        wait.until(lambda d: "Found in" in told(d) and answer(d)["file"] == "hand.jpg")
        assert driver.execute_script("return document.getElementById('video').srcObject") is None
        assert browser.complaints(driver) == []


@pytest.mark.slow
def test_without_npm_the_page_says_so(tmp_path):
    command = [sys.executable, str(ROOT / "export" / "web.py"), f"--out_dir={tmp_path}/site"]
    env = {**os.environ, "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: npm is missing: install Node.js")
    assert not (tmp_path / "site").exists()
