"""Rules of hands and cameras: what keeps them, what breaks them, and that all of it is said.

`test_checking` injects what data sets get wrong; here are the rules' edges, and any numbers.
"""

import hypothesis
import numpy as np
import pytest
import raw_trees
import real
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dcmls_tf import hand
from dcmls_tf.data import plausibility, preparation
from dcmls_tf.data.plausibility import Hands

K = raw_trees.RHD_K


def good(count: int = 3, scale: float = 1.0) -> Hands:
    """Hands in pictures of 320×320 px, `scale` times as large."""
    rng = np.random.default_rng(0)
    xyz = [raw_trees.placed_hand(rng, K, (320, 320), (350, 600)) for _ in range(count)]
    xyz = np.array([joints.mean(0) + scale * (joints - joints.mean(0)) for joints in xyz])
    palm = xyz[:, list(hand.PALM_JOINTS["rhd"])].mean(1)
    return Hands(
        uv=np.array([raw_trees.project(joints, K) for joints in xyz], np.float32),
        xyz_mm=xyz.astype(np.float32),
        palm_uv=raw_trees.project(palm, K).astype(np.float32),
        palm_mm=palm.astype(np.float32),
        K=np.tile(K, (count, 1, 1)),
        side=np.ones(count, int),
        size=np.full((count, 2), 320),
        whole=True,
    )


@pytest.mark.parametrize("scale", [0.5, 0.7, 1, 1.3, 1.5])
def test_hands_from_small_to_large_are_hands(scale):
    assert plausibility.problems(good(20, scale)) == [""] * 20


@pytest.mark.parametrize("scale", [0.1, 0.2, 2.5, 3])
def test_what_has_another_size_is_none(scale):
    assert all("mm long" in said for said in plausibility.problems(good(20, scale)))


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (0.001, "metres")])
def test_another_unit_is_guessed(factor, unit):
    hands = good(1)
    scaled = hands._replace(xyz_mm=hands.xyz_mm * factor, palm_mm=hands.palm_mm * factor)
    (said,) = plausibility.problems(scaled)
    assert f"are these {unit} where" in said


def test_the_bad_one_among_good_ones_is_told():
    hands = good(5)
    hands.xyz_mm[3, hand.INDEX["middle_pip"]] = hands.xyz_mm[3, hand.MIDDLE_MCP]
    said = plausibility.problems(hands)
    assert [bool(words) for words in said] == [False, False, False, True, False]
    assert said[3] == (
        "the bone from middle_mcp to middle_pip (the scale bone) is 0 mm long, not 10 to 80"
    )


def test_a_part_of_a_picture_has_its_cameras_centre_anywhere():
    hands = good(1)
    moved = hands.K + np.array([[0, 0, -100], [0, 0, 0], [0, 0, 0]])
    shifted = hands._replace(K=moved, uv=hands.uv - [100, 0], palm_uv=hands.palm_uv - [100, 0])
    assert "not near the middle" in plausibility.problems(shifted)[0]
    assert plausibility.problems(shifted._replace(whole=False)) == [""]


def test_a_detectors_keypoints_need_only_be_about_the_hand():
    hands = good(1)
    off = hands.uv + np.array([0.6, 0]) * np.ptp(hands.uv[0], axis=0).max()
    detected = hands._replace(uv=off, whole=False)
    assert "from where K puts its xyz" in plausibility.problems(detected)[0]
    assert plausibility.problems(detected._replace(labelled=False)) == [""]
    elsewhere = detected._replace(uv=off + 1e4, labelled=False)
    assert "from where K puts its xyz" in plausibility.problems(elsewhere)[0]


def test_without_a_picture_its_rules_are_silent():
    hands = good(1)
    assert plausibility.problems(hands._replace(size=np.zeros((1, 2), int))) == [""]


NUMBERS = st.floats(width=32) | st.sampled_from([0.0, np.nan, np.inf, -np.inf, 2.0**120, -1.0])


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
def test_whatever_keeps_the_rules_is_finite_and_of_a_hands_size(data):
    """Some fields of good samples are replaced by any numbers: no warning, no other error."""
    hands = good(2)
    for name in data.draw(st.sets(st.sampled_from(plausibility.NUMBERS))):
        shape = getattr(hands, name).shape
        hands = hands._replace(
            **{name: data.draw(arrays.arrays(np.float32, shape, elements=NUMBERS))}
        )
    place = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 2))
    hands.xyz_mm[0][place] = data.draw(NUMBERS)
    hands = hands._replace(side=np.array(data.draw(st.tuples(st.integers(-1, 2), st.just(1)))))
    for number, said in enumerate(plausibility.problems(hands)):
        if not said:
            near, far = hands.xyz_mm[number, list(hand.SCALE_BONE)]
            assert 10 <= np.linalg.norm(near - far) <= 80
            assert (hands.xyz_mm[number, :, 2] > 0).all()
            assert all(np.isfinite(getattr(hands, n)[number]).all() for n in plausibility.NUMBERS)
        assert len(said) < 200
        assert "\n" not in said


@real.needs("rhd")
def test_real_frames_keep_all_rules():
    assert not preparation.check("rhd", str(real.REAL / "rhd"), images=True).bad


@real.needs("stb")
@pytest.mark.parametrize("views", ["both", "color"])
def test_real_labels_keep_all_rules(views):
    found = preparation.check("stb", str(real.REAL / "stb"), images=False, stb_views=views)
    assert sum(map(len, found.good.values())) == {"both": 36_000, "color": 3_000}[views]
    assert not found.bad
