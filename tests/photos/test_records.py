"""Predictions as data. `test_output` covers what a picture's record and rows hold."""

import csv
import dataclasses
import io
import json

import numpy as np
from fake_predictors import FixedPredictor
from hand_files import noise, photo_of

from dcmls_tf import hand
from dcmls_tf.photos import records
from dcmls_tf.photos.hands import HandRegion


def test_the_table_of_nothing_is_its_heading():
    text = records.as_csv([{"file": "a.png", "error": "a.png: is empty"}], hand.JOINTS)
    assert list(csv.reader(io.StringIO(text))) == [list(records.COLUMNS)]


def test_json_says_what_its_numbers_mean():
    photo = photo_of(noise(), name="a.png")
    region = HandRegion(np.array([20, 10, 100, 70], np.float32), hand.LEFT, "detected", score=0.5)
    region = dataclasses.replace(region, filled=("index_tip",))
    poses = FixedPredictor()(photo, [region])
    content = json.loads(records.as_json([records.record(photo, poses)], hand.JOINTS))
    assert content["joint_names"] == list(hand.JOINTS)
    (picture,) = content["pictures"]
    assert (picture["file"], picture["frame"], picture["focal_from"]) == ("a.png", None, "assumed")
    (written,) = picture["hands"]
    assert (written["side"], written["side_from"], written["score"]) == ("left", "detected", 0.5)
    assert written["std_mm"] is None
    assert written["filled"] == ["index_tip"]
    assert content["units"].keys() < written.keys() | picture.keys()
