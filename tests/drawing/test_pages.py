"""Skeletons to turn around: where joints are, what the page holds, and the page in a browser."""

import base64
import io
import json
import re

import hand_files
import numpy as np
import pytest
import raw_trees
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.drawing import pages

pytest.importorskip("plotly")
rng = np.random.default_rng(0)
JOINTS_MM = raw_trees.random_hand(rng)


BOX = np.array([30, 20, 60, 50], np.float32)


def picture(red=0):
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[20:50, 30:60] = red, 0, 200
    return pixels


def data_of(page):
    pattern = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
    (text,) = pattern.findall(page)
    return json.loads(text)


def test_a_skeleton_stands_upright_and_is_not_mirrored():
    """x right, y down, z forward becomes right, away, up: a rotation."""
    *bones, joints = pages.skeleton(JOINTS_MM).data
    points = np.stack([joints.x, joints.y, joints.z], -1)
    turn = np.linalg.lstsq(JOINTS_MM, points, rcond=None)[0].T
    np.testing.assert_allclose(turn, [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert len(bones) == len(hand.BONES)
    for bone, (parent, child) in zip(bones, hand.BONES, strict=True):
        ends = np.stack([bone.x, bone.y, bone.z], -1)
        np.testing.assert_allclose(ends, points[[parent, child]])
        assert bone.line.color == f"rgb{hand.joint_colour(child)}"


def test_axes_are_of_one_length_and_hold_the_hand():
    figure = pages.skeleton(JOINTS_MM + [100, 0, 0])
    scene, joints = figure.layout.scene, figure.data[-1]
    assert scene.aspectmode == "cube"
    ranges = np.array([scene.xaxis.range, scene.yaxis.range, scene.zaxis.range])
    np.testing.assert_allclose(np.ptp(ranges, axis=1), np.ptp(ranges[0]))
    points = np.stack([joints.x, joints.y, joints.z])
    assert (ranges[:, 0] < points.min(1)).all()
    assert (points.max(1) < ranges[:, 1]).all()


def test_uncertain_joints_are_larger_and_told():
    std_mm = np.linspace(1, 10, hand.NUM_JOINTS)
    joints = pages.skeleton(JOINTS_MM, std_mm).data[-1]
    assert (np.diff(joints.marker.size) > 0).all()
    x, y, z = JOINTS_MM[8]
    told = f"index_tip<br>x {x:.0f}, y {y:.0f}, z {z:.0f} mm<br>± {std_mm[8]:.1f} mm"
    assert joints.text[8] == told
    assert "±" not in "".join(pages.skeleton(JOINTS_MM).data[-1].text)


def test_the_page_holds_every_hand_and_nothing_from_elsewhere():
    gallery = pages.Gallery(("palm", *hand.JOINTS[1:]))
    gallery.add("a.png, hand 1", picture(), BOX, hand.RIGHT, JOINTS_MM)
    std_mm = np.full(hand.NUM_JOINTS, 3.0)
    gallery.add("b.png, hand 1", picture(), BOX, hand.LEFT, JOINTS_MM, std_mm)
    page = gallery.page()
    first, second = data_of(page)
    assert (first["title"], second["title"]) == ("a.png, hand 1", "b.png, hand 1")
    assert first["text"] == "a.png, hand 1, right"
    assert second["text"] == "b.png, hand 1, left, ± 3.0 mm"
    assert first["figure"]["data"][-1]["text"][0].startswith("palm<br>")
    own = page[: page.index("<script>")] + page[page.index("</head>") :]
    assert not re.findall(r"https?://|\bsrc=|\bhref=", own.replace(json.dumps([first, second]), ""))


def test_a_files_name_cannot_write_into_the_page():
    gallery = pages.Gallery(hand.JOINTS)
    name = "</script><script>alert(1)</script><b>.png"
    gallery.add(name, picture(), BOX, hand.RIGHT, JOINTS_MM)
    (fields,) = data_of(gallery.page())
    assert fields["title"] == name
    assert "<" not in fields["text"]


def test_thumbnails_show_the_hand():
    gallery = pages.Gallery(hand.JOINTS)
    gallery.add("a", picture(), BOX, hand.RIGHT, JOINTS_MM)
    out_of_sight = np.array([-500, -500, -400, -450], np.float32)
    gallery.add("b", picture(), out_of_sight, hand.RIGHT, JOINTS_MM)
    seen, _ = (fields["thumbnail"] for fields in data_of(gallery.page()))
    content = base64.b64decode(seen.removeprefix("data:image/jpeg;base64,"))
    pixels = np.array(Image.open(io.BytesIO(content)))
    # The hand's square of 30 px is the middle two thirds of 45 px.
    assert pixels.shape == (45, 45, 3)
    assert pixels[22, 22, 2] > 150
    assert pixels[2, 2, 2] < 50


def test_of_very_many_hands_evenly_spaced_ones_are_kept(monkeypatch):
    monkeypatch.setattr(pages, "MOST_HANDS", 10)
    gallery = pages.Gallery(hand.JOINTS)
    for n in range(137):
        gallery.add(str(n), picture(), BOX, hand.RIGHT, JOINTS_MM)
    shown = [int(fields["title"]) for fields in data_of(gallery.page())]
    assert 5 <= len(shown) <= 10
    assert shown[0] == 0
    assert shown[-1] >= 137 - 2 * 137 // len(shown)
    assert len(set(np.diff(shown))) == 1


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path):
    import browser

    gallery = pages.Gallery(hand.JOINTS)
    pixels, uv, side = hand_files.rendered_frame()
    box = np.concatenate([uv.min(0), uv.max(0)])
    for name in ("a<b>.png", "b.png"):
        gallery.add(name, pixels, box, side, JOINTS_MM, np.full(hand.NUM_JOINTS, 2.0))
    (tmp_path / "index.html").write_text(gallery.page(), encoding="utf-8")
    (tmp_path / "empty.html").write_text(pages.Gallery(hand.JOINTS).page(), encoding="utf-8")
    with browser.chromium(tmp_path / "profile") as driver:
        driver.get((tmp_path / "index.html").as_uri())
        buttons = driver.find_elements("css selector", "#hands button")
        assert [button.text for button in buttons] == ["a<b>.png", "b.png"]
        title = "return document.querySelector('#scene .gtitle').textContent"
        assert driver.execute_script(title).startswith("a<b>.png, ")
        first = driver.find_element("id", "scene").screenshot_as_png
        colours = np.array(Image.open(io.BytesIO(first)).convert("RGB")).reshape(-1, 3).astype(int)
        for finger in hand.FINGERS:  # Each is drawn in its own colour.
            hue = np.array(hand.FINGER_COLOURS[finger])
            assert (np.abs(colours - hue).max(-1) < 40).sum() > 30, finger
        buttons[1].click()
        assert driver.execute_script(title).startswith("b.png, ")
        driver.save_screenshot(str(tmp_path / "page.png"))
        fetched = "return performance.getEntriesByType('resource').map(e => e.name)"
        assert [u for u in driver.execute_script(fetched) if not u.startswith("data:")] == []
        assert browser.complaints(driver) == []
        driver.get((tmp_path / "empty.html").as_uri())
        assert driver.find_element("id", "hands").text == "No hand was found."
