"""Published curves, integrated by our metric, give what their authors print."""

import pytest

from dcmls_tf.evaluation import published

CURVES = published.figures()["curves"]


@pytest.mark.parametrize(
    ("dataset", "name", "auc"),
    [
        ("rhd", "ULS (Spurr et al. 2018)", 0.849),
        ("rhd", "Yang et al. 2019 (aligned latent spaces; middle-MCP root)", 0.943),
        ("stb", "ULS (Spurr et al. 2018)", 0.983),
        ("stb", "CPose (Zimmermann & Brox 2017)", 0.948),
        ("stb", "Panteleris et al. 2018", 0.941),
    ],
)
def test_curves_integrate_to_what_is_printed(dataset, name, auc):
    assert CURVES[dataset][name]["auc"] == auc
    assert published.integrated_auc(dataset, name) == pytest.approx(auc, abs=6e-4)


@pytest.mark.parametrize("dataset", ["rhd", "stb"])
def test_curves_rise_and_say_that_they_are_published(dataset):
    curves = published.curves(dataset)
    assert len(curves) == len(CURVES[dataset]) > 2
    for label, (mm, pck) in curves.items():
        assert "published" in label
        assert dataset.upper() in label
        assert (mm[1:] > mm[:-1]).all()
        assert (pck[1:] >= pck[:-1]).all()
        assert 0 <= pck[0] <= pck[-1] <= 1


def test_nothing_is_published_on_rendered_data():
    assert published.curves("rendered") == {}
    assert published.rows("rendered", "rgb") == {}
    assert published.rows("rhd", "rgb")["DCMLS"] == (17.11, 0.887)
