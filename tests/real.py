"""Where real frames are, if anywhere: beside the repository, never part of it."""

from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


def needs(name):
    """Marks a test that is skipped unless real data `name` (rhd, stb) is there."""
    folder = REAL / name
    return pytest.mark.skipif(not folder.is_dir(), reason=f"no real data in {folder}")
