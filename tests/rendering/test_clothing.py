"""Clothes cover what their ends say, and nothing else is pushed out."""

import numpy as np
import pytest

from dcmls_tf.rendering import clothing, noise
from dcmls_tf.rendering.body import default_body
from dcmls_tf.rendering.clothing import Cover
from dcmls_tf.rendering.regions import PARTS

OUTFIT = clothing.Outfit(
    sleeve_end=1.5,
    collar_end=0.2,
    leg_end=1.8,
    hem=0.4,
    top_thickness=0.008,
    flare=0.0,
    trouser_thickness=0.005,
    hair=0.01,
)


@pytest.fixture(scope="module")
def body():
    return default_body()


def cover(sleeve=0.0, collar=-1.0, leg=0.0, height=1.0):
    limbs = np.array([[sleeve, collar, leg]])
    return OUTFIT.cover(limbs, np.array([height])).item()


def test_a_garment_ends_where_its_outfit_says():
    assert [cover(sleeve=s) for s in (1.49, 1.51)] == [Cover.TOP, Cover.SKIN]
    assert [cover(collar=c, height=2.0) for c in (0.19, 0.21)] == [Cover.TOP, Cover.SKIN]
    assert [cover(height=h) for h in (0.41, 0.39)] == [Cover.TOP, Cover.TROUSERS]
    legs = [cover(leg=leg, height=0.0) for leg in (1.79, 1.81, 1.98)]
    assert legs == [Cover.TROUSERS, Cover.SKIN, Cover.SHOES]


def test_limb_coordinates_grow_towards_the_hands(body):
    sleeve = clothing.limb_coordinates(body)[:, clothing.SLEEVE]
    for first, part in ((0, "upper_arm"), (1, "forearm"), (2, "hand")):
        mine = sleeve[body.part == PARTS.index(f"{part}_left")]
        assert first <= mine.min()
        assert mine.max() <= first + 1
    assert (sleeve[body.part == PARTS.index("torso")] == 0).all()


def test_clothes_and_hair_have_thickness_and_hands_have_none(body):
    rest = body.person(0).rest_vertices
    limbs, height = clothing.limb_coordinates(body), clothing.relative_height(rest)
    thickness = OUTFIT.thickness(limbs, height, rest, body.scalp)
    hands = np.isin(body.part, [PARTS.index("hand_left"), PARTS.index("hand_right")])
    assert (thickness[hands] == 0).all()
    assert thickness[body.scalp].min() >= 0.2 * OUTFIT.hair
    trousers = OUTFIT.cover(limbs, height) == Cover.TROUSERS
    folds = 1 + 0.5 * noise.lookup(rest[trousers], 0.12)[:, 0]
    np.testing.assert_allclose(thickness[trousers], 0.005 * folds, rtol=1e-5)
