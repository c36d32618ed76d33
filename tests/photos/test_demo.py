"""The page to try a model: what it answers, and a visit to it in a browser without internet."""

import io
import os
import socket
import subprocess
import sys
import time
import urllib.request

import hand_files
import numpy as np
import pytest
import raw_trees
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.photos import demo, detection
from dcmls_tf.photos import photo as photos
from dcmls_tf.photos import predictor as inference

pytest.importorskip("plotly")
pytest.importorskip("cv2")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BOX = "20,10,100,70"
Z_H, Z_C = 5, 3
rng = np.random.default_rng(0)


class Linear:
    """A predictor whose decoders are matrices: z_h → pose, z_c → keypoints."""

    joint_names, needs_keypoints, has_codes = hand.JOINTS, False, True
    z_h, z_c = rng.normal(size=(1, Z_H)), rng.normal(size=(1, Z_C))
    of_pose = 40 * rng.normal(size=(Z_H, 63)) * np.array([[1], [5], [2], [3], [0.001]])
    of_x = 0.3 * rng.normal(size=(Z_C, 42))
    pose_mm = raw_trees.random_hand(rng)

    def __call__(self, photo, hands):
        return [
            inference.Pose(one, one.box[:2] + rng.uniform(0, 50, (21, 2)), self.pose_mm, np.ones(3))
            for one in hands
        ]

    def mirrors(self, one):
        return one.side == hand.LEFT

    def encode(self, photo, one):
        return np.float32(self.z_h), np.float32(self.z_c)

    def decode(self, z_h, z_c):
        pose = self.pose_mm + np.float32(z_h @ self.of_pose).reshape(-1, 21, 3)
        return pose, np.float32(z_c @ self.of_x).reshape(-1, 21, 2)


class Unified(Linear):
    """The same without z_c."""

    def encode(self, photo, one):
        return np.float32(self.z_h), np.zeros([1, 0], np.float32)

    def decode(self, z_h, z_c):
        pose, _ = super().decode(z_h, np.zeros([len(z_h), Z_C]))
        return pose, pose[..., :2] / 200


def walk_of(predictor=None, side=hand.RIGHT):
    one = inference.Hand(np.float32([20, 10, 100, 70]), side)
    return demo.Walk(predictor or Linear(), None, one)


def positions(*first):
    return np.pad(np.float64(first), (0, demo.SLIDERS - len(first)))


def test_a_walk_begins_at_the_hands_own_codes():
    expected, _ = Linear().decode(Linear.z_h, Linear.z_c)
    joints_mm, picture = walk_of().at(positions(), positions())
    np.testing.assert_allclose(joints_mm, expected[0], rtol=1e-4)
    assert picture.shape == (demo.PICTURE_PX, demo.PICTURE_PX, 3)
    of_left, mirrored = walk_of(side=hand.LEFT).at(positions(), positions())
    np.testing.assert_allclose(of_left, joints_mm * [-1, 1, 1])
    apart = [np.abs(np.float64(m) - picture).mean() for m in (mirrored[:, ::-1], mirrored)]
    assert 10 * apart[0] < apart[1]


def test_sliders_move_the_pose_most_first_and_by_one_amount():
    walk = walk_of()
    start, picture = walk.at(positions(), positions())
    of_pose, of_x = walk.directions
    assert of_pose.shape == (demo.SLIDERS, Z_H)
    assert of_x.shape == (Z_C, Z_C)
    unit = of_pose / np.linalg.norm(of_pose, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, np.eye(demo.SLIDERS), atol=1e-5)
    strengths = np.linalg.norm(unit @ Linear.of_pose, axis=1)
    np.testing.assert_allclose(
        strengths, np.linalg.svd(Linear.of_pose)[1][: demo.SLIDERS], rtol=1e-3
    )
    for n in range(demo.SLIDERS):
        moved, same = walk.at(np.eye(demo.SLIDERS)[n], positions())
        rms = np.sqrt(np.square(moved - start).sum(-1).mean())
        assert rms == pytest.approx(demo.POSE_MM, rel=1e-3)
        np.testing.assert_array_equal(same, picture)  # z_h does not move x here.
    same, changed = walk.at(positions(), positions(1))
    np.testing.assert_array_equal(same, start)
    assert (changed != picture).any()


def test_no_slider_leaves_the_latent_space_for_what_hardly_matters():
    class Weak(Linear):
        of_pose = 1e-6 * Linear.of_pose

    np.testing.assert_allclose(
        np.linalg.norm(walk_of(Weak()).directions[0], axis=1), demo.LONGEST_STEP, rtol=1e-5
    )


def test_without_z_c_its_sliders_do_nothing():
    walk = walk_of(Unified())
    assert len(walk.directions[1]) == 0
    start, _ = walk.at(positions(), positions())
    same, _ = walk.at(positions(), positions(3, 2, 1))
    np.testing.assert_array_equal(same, start)
    moved, _ = walk.at(positions(1), positions())
    assert np.abs(moved - start).max() > 1


@pytest.fixture
def photo_path(tmp_path):
    Image.new("RGB", (160, 120), (0, 0, 60)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_a_hand_in_a_box(photo_path):
    page = demo.Demo(Linear())
    found = page.find(photo_path, "left", BOX)
    (pose,) = found.poses
    assert (pose.hand.side, pose.hand.side_from) == (hand.LEFT, "given")
    np.testing.assert_allclose(pose.hand.box, [20, 10, 100, 70])
    assert found.told().startswith("1 hand: left (given). Finding ")
    assert isinstance(found.photo, photos.Photo)
    assert (found.picture[..., 0] > 100).any()
    figure, walk = page.show(found, 0)
    np.testing.assert_allclose(figure.data[-1].x, Linear.pose_mm[:, 0])
    moved, _ = page.walked(walk, [1.0] + [0.0] * (2 * demo.SLIDERS - 1))
    still, _ = page.walked(walk, [0.0] * (2 * demo.SLIDERS))
    assert np.abs(np.subtract(moved.data[-1].x, still.data[-1].x)).max() > 1
    assert page.show(found, 1) == page.show(found, -1) == (None, None)


def test_hands_that_are_found(photo_path):
    page = demo.Demo(Linear())
    uv = rng.uniform(10, 90, (hand.NUM_JOINTS, 2))
    box = np.concatenate([uv.min(0), uv.max(0)])
    seen = [detection.Detection(box, uv, side, 0.9, 0.9) for side in (hand.LEFT, hand.RIGHT)]
    page._detector = lambda pixels: seen
    found = page.find(photo_path, demo.AUTOMATIC, "")
    assert found.told().startswith("2 hands: left (detected) 0.90, right (detected) 0.90.")
    seen.clear()
    assert page.find(photo_path, demo.AUTOMATIC, " ").told().startswith("0 hands: none found.")


def test_what_the_page_refuses(photo_path, tmp_path):
    page = demo.Demo(Linear())
    with pytest.raises(UserError, match="left,top,right,bottom"):
        page.find(photo_path, "left", "1,2")
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(UserError, match="no picture"):
        page.find(str(tmp_path / "b.png"), "left", BOX)
    page.predictor.needs_keypoints = True
    with pytest.raises(UserError, match="leave the box empty"):
        page.find(photo_path, "left", BOX)


def test_a_model_without_codes_has_no_walk(photo_path):
    page = demo.Demo(Linear())
    page.predictor.has_codes = False
    figure, walk = page.show(page.find(photo_path, "right", BOX), 0)
    assert figure is not None
    assert walk is None


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(run_dir, port, stdout):
    command = [sys.executable, os.path.join(ROOT, "scripts", "demo.py")]
    env = {**os.environ, "PYTHONPATH": ROOT, "TF_CPP_MIN_LOG_LEVEL": "3"}
    flags = [f"--model={run_dir}", f"--port={port}"]
    return subprocess.Popen(
        [*command, *flags], env=env, stdout=stdout, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Where `scripts/demo.py` serves a run of random weights, and that run."""
    pytest.importorskip("gradio")
    run_dir = hand_files.write_run(tmp_path_factory.mktemp("run"))
    log = tmp_path_factory.mktemp("log") / "demo.log"
    port = free_port()
    with open(log, "w") as file:
        process = start(run_dir, port, file)
    try:
        yield wait_for(f"http://127.0.0.1:{port}/", process, log), run_dir
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(url, process, log, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return url
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the page is not served: {log.read_text()[-3000:]}")


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
def test_a_port_that_is_taken_is_named(served):
    url, run_dir = served
    port = url.rsplit(":", 1)[1].strip("/")
    process = start(run_dir, port, subprocess.PIPE)
    told, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith(f"error: --port={port}: ")
