"""The page to try a model: what it answers, and a visit to it in a browser without internet."""

import io
import json
import pickle
import subprocess
import time
import urllib.request

import hand_files
import numpy as np
import page_server
import pytest
from fake_predictors import LinearPredictor
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import demo
from dcmls_tf.photos.detection import Detection
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.sliders import SLIDERS

pytest.importorskip("plotly")
pytest.importorskip("cv2")
BOX = "20,10,100,70"
rng = np.random.default_rng(0)


@pytest.fixture
def photo_path(tmp_path):
    Image.new("RGB", (160, 120), (0, 0, 60)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_a_hand_in_a_box(photo_path):
    page = demo.Demo(LinearPredictor())
    answer = page.find(photo_path, "left", BOX)
    (pose,) = answer.poses
    assert (pose.region.side, pose.region.side_from) == (hand.LEFT, "given")
    np.testing.assert_allclose(pose.region.box, [20, 10, 100, 70])
    assert answer.summary().startswith("1 hand: left (given). Finding ")
    assert isinstance(answer.photo, Photo)
    assert (answer.picture[..., 0] > 100).any()
    found = page.hands(answer)
    figure, latent = page.show(found, 0)
    np.testing.assert_allclose(figure.data[-1].x, LinearPredictor.pose_mm[:, 0])
    assert latent is not None
    moved, _ = page.slide(latent, [1.0] + [0.0] * (2 * SLIDERS - 1))
    still, _ = page.slide(latent, [0.0] * (2 * SLIDERS))
    assert np.abs(np.subtract(moved.data[-1].x, still.data[-1].x)).max() > 1
    assert page.show(found, 1) == page.show(found, -1) == page.show([], 0) == (None, None)


def test_a_mirrored_photo_is_turned_back(tmp_path):
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :40] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    answer = demo.Demo(LinearPredictor()).find(str(tmp_path / "a.png"), "left", BOX, True)
    np.testing.assert_array_equal(answer.photo.pixels, pixels[:, ::-1])
    assert "turned back" in answer.summary()
    plain = demo.Demo(LinearPredictor()).find(str(tmp_path / "a.png"), "left", BOX)
    np.testing.assert_array_equal(plain.photo.pixels, pixels)
    assert "turned back" not in plain.summary()


def test_a_visitor_takes_no_more_memory_than_some_numbers(tmp_path):
    """The photo has 3 MB of pixels; what is kept of it fits in some kilobytes."""
    Image.new("RGB", (1000, 1000), (0, 0, 60)).save(tmp_path / "a.png")
    page = demo.Demo(LinearPredictor())
    found = page.hands(page.find(str(tmp_path / "a.png"), "left", BOX))
    assert len(pickle.dumps(found)) < 50_000


def test_hands_that_are_found(photo_path, monkeypatch):
    page = demo.Demo(LinearPredictor())
    uv = rng.uniform(10, 90, (hand.NUM_JOINTS, 2))
    box = np.concatenate([uv.min(0), uv.max(0)])
    seen = [Detection(box, uv, side, 0.9, 0.9) for side in (hand.LEFT, hand.RIGHT)]
    monkeypatch.setattr(page, "_detector", lambda pixels: seen)
    answer = page.find(photo_path, demo.AUTOMATIC, "")
    assert answer.summary().startswith("2 hands: left (detected) 0.90, right (detected) 0.90.")
    seen.clear()
    assert page.find(photo_path, demo.AUTOMATIC, " ").summary().startswith("0 hands: none found.")


def test_what_the_page_refuses(photo_path, tmp_path):
    page = demo.Demo(LinearPredictor())
    with pytest.raises(UserError, match="left,top,right,bottom"):
        page.find(photo_path, "left", "1,2")
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(UserError, match="no picture"):
        page.find(str(tmp_path / "b.png"), "left", BOX)
    page.predictor.needs_keypoints = True
    with pytest.raises(UserError, match="leave the box empty"):
        page.find(photo_path, "left", BOX)


def test_a_model_without_codes_has_no_walk(photo_path):
    page = demo.Demo(LinearPredictor())
    page.predictor.has_codes = False
    figure, latent = page.show(page.hands(page.find(photo_path, "right", BOX)), 0)
    assert figure is not None
    assert latent is None


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Where `scripts/demo.py` serves a run of random weights, and that run."""
    pytest.importorskip("gradio")
    run_dir = hand_files.write_run(tmp_path_factory.mktemp("run"))
    with page_server.serving(run_dir, tmp_path_factory.mktemp("log")) as url:
        yield url, run_dir


def shown_picture(driver, name):
    """The picture in a part of the page, `[H, W, 3]`."""
    return np.array(Image.open(io.BytesIO(driver.find_element("id", name).screenshot_as_png)))


def drawn_joints(driver, name):
    """x of the joints that a 3D figure of the page holds."""
    return driver.execute_script(
        "const plot = document.querySelector('#' + arguments[0] + ' .js-plotly-plot');"
        "return plot && plot.data ? Array.from(plot.data[plot.data.length - 1].x) : null;",
        name,
    )


@pytest.mark.slow
def test_a_visit(served, tmp_path):
    pytest.importorskip("embreex")
    import browser
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    pixels, uv, side = hand_files.rendered_frame()
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    with browser.chromium(tmp_path / "profile") as driver:
        wait = WebDriverWait(driver, 90)
        driver.get(served[0])
        upload = wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "input[type=file]"))
        assert driver.title == "Hands in 3D"
        upload.send_keys(str(tmp_path / "photo.png"))
        wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "#photo img"))
        for label in driver.find_elements(By.CSS_SELECTOR, "#side label"):
            if label.text == hand.SIDES[side]:
                label.click()
        box = driver.find_element(By.CSS_SELECTOR, "#box textarea, #box input")
        box.send_keys(",".join(f"{v:.0f}" for v in (*uv.min(0), *uv.max(0))))
        driver.find_element(By.ID, "find").click()
        wait.until(lambda d: "1 hand: " in d.find_element(By.ID, "told").text)
        assert f"1 hand: {hand.SIDES[side]} (given)" in driver.find_element(By.ID, "told").text
        wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "#joints img"))
        wait.until(lambda d: drawn_joints(d, "pose") and drawn_joints(d, "decoded_pose"))
        assert len(drawn_joints(driver, "pose")) == hand.NUM_JOINTS
        time.sleep(1)
        colours = shown_picture(driver, "joints")[..., :3].reshape(-1, 3).astype(int)
        for finger in hand.FINGERS:
            near = np.abs(colours - hand.FINGER_COLOURS[finger]).max(-1) < 45
            assert near.sum() > 5, finger

        before = drawn_joints(driver, "decoded_pose")
        slider = driver.find_element(By.CSS_SELECTOR, "#z_h_1 input[type=range]")
        slider.send_keys(*[Keys.ARROW_RIGHT] * 20)
        wait.until(lambda d: not np.allclose(drawn_joints(d, "decoded_pose"), before, atol=3))
        time.sleep(1)
        height = driver.execute_script("return document.body.scrollHeight")
        driver.set_window_size(1400, height + 150)
        time.sleep(1)
        driver.save_screenshot(str(tmp_path / "demo.png"))
        assert browser.complaints(driver) == []


@pytest.mark.slow
def test_a_cameras_picture_is_taken_as_it_is(served):
    with urllib.request.urlopen(f"{served[0]}config") as answer:
        components = json.load(answer)["components"]
    (photo_input,) = (c["props"] for c in components if c["props"].get("elem_id") == "photo")
    assert photo_input["sources"] == ["upload", "webcam"]
    assert photo_input["webcam_options"]["mirror"] is False


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(served):
    url, run_dir = served
    port = url.rsplit(":", 1)[1].strip("/")
    process = page_server.start(run_dir, port, subprocess.PIPE)
    told, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith(f"error: --port={port}: ")
