"""COCO's JSON, read and scored by pycocotools."""

import contextlib
import io
from typing import Any

import answer_files
import numpy as np
import pytest
import raw_trees
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dcmls_tf import files, hand
from dcmls_tf.formats import answers, coco, coco_writer


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    hands = [raw_trees.random_hand(rng, side) + [60 * side, 0, 500] for side in (0, 1, 1)]
    content = [("a.jpg", [(hands[0], 0, None), (hands[1], 1, None)]), ("b.jpg", [(hands[2], 1, 7)])]
    return answers.read(answer_files.write(tmp_path / "p.json", content))


def test_pycocotools_reads_and_scores_it(pictures, tmp_path):
    files.write_json(tmp_path / "coco.json", coco_writer.document(pictures))
    with contextlib.redirect_stdout(io.StringIO()):
        truth: Any = COCO(str(tmp_path / "coco.json"))
        (right,) = truth.getCatIds(catNms=["right_hand"])
        annotations = truth.loadAnns(truth.getAnnIds(catIds=[right]))
        results = truth.loadRes(truth.loadAnns(truth.getAnnIds()))
        scored = COCOeval(truth, results, "keypoints")
        scored.params.kpt_oks_sigmas = np.full(21, 0.05)
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert scored.stats[0] == pytest.approx(1)
    assert len(annotations) == 2
    category = truth.cats[right]
    assert category["keypoints"] == list(hand.JOINTS)
    named = [[category["keypoints"][n - 1] for n in bone] for bone in category["skeleton"]]
    assert ["wrist", "thumb_cmc"] in named
    assert ["little_dip", "little_tip"] in named


def test_it_is_read_back_as_keypoints(pictures):
    found = coco.of_annotations(coco_writer.document(pictures))
    for picture in pictures:
        for one, read in zip(picture.hands, found[picture.file], strict=True):
            assert read.side == one.side
            np.testing.assert_allclose(read.uv, one.uv, atol=1e-2)


def test_boxes_and_poses(pictures):
    annotation = coco_writer.document(pictures)["annotations"][2]
    left, top, width, height = annotation["bbox"]
    keypoints = np.reshape(annotation["keypoints"], (21, 3))
    assert (keypoints[1:, :2].min(0) >= [left - 0.01, top - 0.01]).all()
    assert (keypoints[1:, :2].max(0) <= [left + width + 0.01, top + height + 0.01]).all()
    assert annotation["area"] == pytest.approx(width * height)
    assert (annotation["track_id"], annotation["image_id"]) == (7, 2)
    np.testing.assert_allclose(annotation["xyz_mm"], pictures[1].hands[0].xyz_mm, atol=1e-3)
