"""One command for each format, of pictures and of a video in which a hand comes and goes."""

import csv
import os
import pathlib
import runpy
import subprocess
import sys

import answer_files
import bvhio
import numpy as np
import pytest
import trimesh

from dcmls_tf import hand
from dcmls_tf.errors import UserError
from dcmls_tf.formats import conversion

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def of_video(tmp_path):
    """A video of 8 frames: a right hand in all of them, a left one in frames 2, 3 and 6."""
    right, left = (answer_files.motion(8, side, seed=side) for side in (hand.RIGHT, hand.LEFT))
    frames = [
        ("", [(right[n], hand.RIGHT, 0), *([(left[n], hand.LEFT, 4)] if n in (2, 3, 6) else [])])
        for n in range(8)
    ]
    return answer_files.write(tmp_path / "predictions.json", frames, video="clips/wave.mp4")


@pytest.mark.parametrize("to", conversion.FORMATS)
def test_the_command_writes_what_it_says(of_video, to):
    command = [sys.executable, ROOT / "scripts" / "convert.py", f"--predictions={of_video}"]
    done = subprocess.run([*command, f"--format={to}"], capture_output=True, text=True, check=True)
    paths = [line.removeprefix("written: ") for line in done.stdout.splitlines()]
    names = {
        "coco": ["coco.json"],
        "freihand": ["pred.json"],
        "gltf": ["wave.glb"],
        "bvh": ["wave.right_hand_0.bvh", "wave.left_hand_4.bvh"],
        "angles": ["angles.csv"],
    }[to]
    assert [os.path.basename(path) for path in paths] == names
    assert all(os.path.dirname(path) == os.path.dirname(of_video) for path in paths)
    assert all(os.path.getsize(path) for path in paths)


def test_the_command_offers_what_there_is():
    assert runpy.run_path(str(ROOT / "scripts" / "convert.py"))["FORMATS"] == conversion.FORMATS


def test_a_hand_that_goes_is_held_until_it_comes_back(of_video, tmp_path):
    conversion.convert(of_video, "bvh", str(tmp_path / "out"))
    read = bvhio.readAsBvh(str(tmp_path / "out" / "wave.left_hand_4.bvh"))
    places = [np.array(pose.Position) for pose in read.Root.Keyframes]
    assert len(places) == 5  # frames 2 to 6
    np.testing.assert_array_equal(places[1], places[2])
    np.testing.assert_array_equal(places[1], places[3])
    assert not np.array_equal(places[3], places[4])
    assert read.FrameTime == pytest.approx(1 / 25)


def test_times_of_a_changing_frame_rate_are_met_by_the_pose_shown_then():
    np.testing.assert_array_equal(conversion.held(np.array([0, 1, 2, 5.0]), 1), [0, 1, 2, 2, 2, 3])
    np.testing.assert_array_equal(conversion.held(np.array([3.0]), 1), [0])


def test_every_picture_has_a_file_of_its_own(tmp_path):
    xyz = answer_files.motion(1, hand.RIGHT)[0]
    content = [(name, [(xyz, hand.RIGHT, None)]) for name in ("x/a.jpg", "y/a.jpg")]
    path = answer_files.write(tmp_path / "p.json", [*content, ("none.jpg", [])])
    written = conversion.convert(path, "gltf", str(tmp_path / "out"))
    assert [os.path.basename(name) for name in written] == ["a.glb", "a.2.glb"]
    assert "right_hand_0" in trimesh.load_scene(written[1]).graph.nodes


def test_angles_are_a_row_a_joint(of_video, tmp_path):
    (path,) = conversion.convert(of_video, "angles", str(tmp_path))
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (8 + 3) * 20
    assert {row["joint"] for row in rows} == {
        *(f"{finger}_base" for finger in hand.FINGERS),
        *(joint for n, joint in enumerate(hand.JOINTS) if n not in (0, *hand.TIPS)),
    }
    assert {row["frame"] for row in rows if row["hand"] == "4"} == {"2", "3", "6"}


def test_nothing_to_write_is_said(tmp_path):
    path = answer_files.write(tmp_path / "p.json", [("a.jpg", [])])
    with pytest.raises(UserError, match="holds no hand"):
        conversion.convert(path, "coco", str(tmp_path))
    xyz = answer_files.motion(1, hand.RIGHT)[0]
    path = answer_files.write(tmp_path / "p.json", [("a.jpg", [(xyz, hand.RIGHT, None)])])
    with pytest.raises(UserError, match="--out_dir="):
        conversion.convert(path, "coco", path)
