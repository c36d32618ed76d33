"""The tour is run as it stands, and shows what it showed when it was stored."""

import pathlib
import re

import numpy as np
import pytest

TOUR = pathlib.Path(__file__).resolve().parents[1] / "docs" / "tour.ipynb"
MOST_BYTES = 1 << 20
NEAR_MM = 5


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(cell):
    return sum("image/jpeg" in output.get("data", {}) for output in cell.outputs)


def printed(cell):
    streams = [o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout"]
    return "".join(streams)


def numbers(text):
    return np.array(re.findall(r"-?\d+\.\d", text), float)


@pytest.mark.slow
# Of the kernel's own start and end.
@pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning")
@pytest.mark.filterwarnings("default::RuntimeWarning", "default::UserWarning")
def test_the_tour_runs_and_shows_what_it_showed(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("embreex")
    stored = nbformat.read(TOUR, as_version=4)
    now = nbformat.read(TOUR, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(now, timeout=300, resources=resources).execute()
    for before, after in zip(code_cells(stored), code_cells(now), strict=True):
        assert pictures(before) == pictures(after)
        assert bool(printed(before)) == bool(printed(after))
    tips = [printed(code_cells(notebook)[-1]) for notebook in (stored, now)]
    np.testing.assert_allclose(numbers(tips[1]), numbers(tips[0]), atol=NEAR_MM)
    assert len(numbers(tips[0])) == 15


def test_the_stored_tour_is_small_and_whole():
    nbformat = pytest.importorskip("nbformat")
    assert TOUR.stat().st_size < MOST_BYTES
    stored = nbformat.read(TOUR, as_version=4)
    nbformat.validate(stored)
    assert [cell.execution_count for cell in code_cells(stored)] == [*range(1, 9)]
    assert sum(map(pictures, code_cells(stored))) == 3
