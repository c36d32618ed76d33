"""Figures and sheets: their curves, pictures and sizes."""

import io

import numpy as np
import pytest
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.drawing import figures, skeletons

BLANK = np.full((128, 128, 3), 128, np.uint8)


@pytest.fixture
def pose():
    return np.random.default_rng(0).normal(0, 30, (hand.NUM_JOINTS, 3))


def test_contact_sheet_places_images_row_by_row():
    images = [np.full((4, 6, 3), 10 * i, np.uint8) for i in range(5)]
    sheet = figures.contact_sheet(images, columns=3, padding=1)
    assert sheet.shape == (2 * 5 + 1, 3 * 7 + 1, 3)
    assert [sheet[1, 1, 0], sheet[1, 8, 0], sheet[1, 15, 0], sheet[6, 1, 0]] == [0, 10, 20, 30]
    assert sheet[6, 15, 0] == 255


def test_sheets_of_nothing_and_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="empty"):
        figures.contact_sheet([], 3)
    with pytest.raises(ValueError, match="differ in size"):
        figures.contact_sheet([BLANK, BLANK[:5]], 3)


@pytest.mark.parametrize("shapes", [((32, 32, 3), (16, 16, 3)), ((21, 2), (21, 2))])
def test_reconstruction_page(shapes, pose):
    rng = np.random.default_rng(0)
    x, x_rec = (rng.uniform(-0.5, 0.5, (3, *shape)) for shape in shapes)
    y = np.stack([pose] * 3)
    page = figures.reconstruction_page(x, x_rec, y, y + 1, size=40, columns=2)
    assert page.dtype == np.uint8
    # Two strips a row, each of four pictures with 4 px between and around; 2 px around strips.
    assert page.shape == (2 * (48 + 2) + 2, 2 * (4 * 44 + 4 + 2) + 2, 3)
    assert page[:, :180].std() > 10


def test_a_page_without_reconstructions_leaves_them_out(pose):
    x, y = np.zeros((2, 32, 32, 3)), np.stack([pose] * 2)
    page = figures.reconstruction_page(x, None, y, y, size=40, columns=2)
    assert page.shape == (48 + 4, 2 * (3 * 44 + 4 + 2) + 2, 3)


def test_a_source_is_drawn_as_the_model_sees_it():
    rgb = np.full((8, 8, 3), -0.5)
    rgb[:, 4:] = 0.5
    drawn = figures.source_picture(rgb, 32)
    assert drawn.shape == (32, 32, 3)
    assert (drawn[:, :12] == 0).all()
    assert (drawn[:, 20:] == 255).all()
    joints = np.zeros((hand.NUM_JOINTS, 2))
    joints[hand.INDEX["ring_tip"]] = [0.5, -0.5]  # The crop's corner at the upper right.
    flat = np.pad(joints, [(0, 0), (0, 1)])
    expected = skeletons.draw_pose_3d(flat, extent=0.6, size=64)
    np.testing.assert_array_equal(figures.source_picture(joints, 64), expected)


def test_pck_curves_are_those_given():
    t = np.linspace(0, 50, 11)
    curves = {"model": (t, t / 50), "baseline": (t, t / 100)}
    figure = figures.pck_figure(curves, "caption", {"published": (t[2:], t[2:] / 60)})
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["model", "baseline", "published"]
    np.testing.assert_array_equal(lines["model"].get_xydata(), np.stack([t, t / 50], -1))
    np.testing.assert_array_equal(lines["published"].get_ydata(), t[2:] / 60)
    assert lines["published"].get_linewidth() < lines["model"].get_linewidth()
    assert axes.get_title(loc="left") == "caption"


def test_a_page_holds_its_pictures_and_titles():
    rows = [[BLANK, BLANK + 1], [BLANK + 2, BLANK + 3]]
    figure = figures.picture_page(rows, ["a", "b"], ["first", "second"], "title", "footer")
    shown = [ax.get_images()[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(shown, [picture for row in rows for picture in row])
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["first", "", "second", ""]
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("title", "footer")


def test_figures_become_pixels():
    figure = figures.picture_page([[np.zeros_like(BLANK)]], ["a"], ["row"])
    pixels = figures.to_array(figure)
    assert pixels.dtype == np.uint8
    height, width, channels = pixels.shape
    assert (width, height, channels) == (*figure.get_size_inches() * figure.dpi // 1, 3)
    assert 0.1 < (pixels == 0).mean() < 0.9


def test_an_animation_holds_its_pictures_in_order():
    pages = [np.full((8, 12, 3), level, np.uint8) for level in (0, 120, 255)]
    with Image.open(io.BytesIO(figures.animation(pages, 50))) as gif:
        assert (gif.size, gif.info["duration"]) == ((12, 8), 50)
        for number, page in enumerate(pages):
            gif.seek(number)
            np.testing.assert_allclose(np.asarray(gif.convert("RGB")), page, atol=2)
        with pytest.raises(EOFError):
            gif.seek(len(pages))
