"""Which hand of a frame is its sample: the same from images and from 2D keypoints."""

import pickle
import shutil

import numpy as np
import pytest
import real

from dcmls_tf import hand
from dcmls_tf.data import larger_hand, preparation, raw, rhd
from dcmls_tf.data.raw_files import BadSample


def sides(tree, images):
    split = rhd.RhdFolder(str(tree), images).open("evaluation")
    return [example["side"] for example in raw.examples(split)]


@pytest.fixture
def contrary(rhd_tree, tmp_path):
    """A tree whose flags say the other hand in each of its evaluation frames than its masks."""
    tree = shutil.copytree(rhd_tree, tmp_path / "raw")
    path = tree / "evaluation" / "anno_evaluation.pickle"
    frames = pickle.loads(path.read_bytes())
    for number, frame in frames.items():
        by_hand = np.zeros((2, 21))
        by_hand[1 - number % 2] = 1
        frame["uv_vis"][:, 2] = by_hand.ravel()
    path.write_bytes(pickle.dumps(frames))
    return tree


def test_side_by_mask_counts_hand_classes_only():
    mask = np.ones((10, 10), np.uint8)  # a person
    mask[0, :3], mask[1, :2] = 17, 18
    assert larger_hand.side_of_mask(mask) == hand.LEFT
    mask[1, :4] = 33
    assert larger_hand.side_of_mask(mask) == hand.RIGHT
    mask[2, 0], mask[3, 0] = 2, 34  # now 4 against 4: right when equal
    assert larger_hand.side_of_mask(mask) == hand.RIGHT


def test_masks_decide_for_both_modalities(contrary):
    of_masks = [0, 1, 0, 1, 0, 1]  # as the tree is written
    assert sides(contrary, images=True) == sides(contrary, images=False) == of_masks
    assert rhd.RhdFolder(str(contrary), False).chosen_by("evaluation") == "masks"


def test_without_masks_visibility_decides_which_is_said(contrary, caplog):
    shutil.rmtree(contrary / "evaluation" / "mask")
    assert sides(contrary, images=False) == [1, 0, 1, 0, 1, 0]
    assert "evaluation/mask: 6 of 6 frames have no mask" in caplog.text
    assert rhd.RhdFolder(str(contrary), False).chosen_by("evaluation") == "visible joints"


def test_a_frame_without_its_mask_is_counted(contrary, caplog):
    (contrary / "evaluation" / "mask" / "00002.png").unlink()
    assert sides(contrary, images=False) == [0, 1, 1, 1, 0, 1]
    assert "1 of 6 frames have no mask" in caplog.text
    said = rhd.RhdFolder(str(contrary), False).chosen_by("evaluation")
    assert said == "masks, 1 of 6 by visible joints"
    with pytest.raises(BadSample, match=r"mask/00002\.png: is missing; masks say"):
        sides(contrary, images=True)


def test_other_masks_are_other_data(contrary, tmp_path):
    def prepared():
        builder = preparation.prepare("rhd", str(contrary), str(tmp_path / "data"), False)
        return str(builder.data_path)

    with_masks = prepared()
    shutil.rmtree(contrary / "evaluation" / "mask")
    assert prepared() != with_masks


@real.needs("rhd")
def test_real_frames_have_the_same_hand_from_both_modalities():
    tree = real.REAL / "rhd"
    of_images = sides(tree, images=True)
    assert sides(tree, images=False) == of_images
    with open(tree / "evaluation" / "anno_evaluation.pickle", "rb") as file:
        frames = pickle.load(file)
    by_flags = [larger_hand.side_of_visibility(frames[n]["uv_vis"][:, 2]) for n in sorted(frames)]
    assert np.count_nonzero(np.not_equal(by_flags, of_images)) == 11
