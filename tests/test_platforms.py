"""What is locked installs on other machines: a dry run of the resolution for each of them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# As uv names them, each with one of the Pythons. macOS 14 is the oldest that PyAV has wheels for.
PLATFORMS = {
    "Linux on x86-64": ("x86_64-manylinux_2_28", "3.11"),
    "Linux on Arm": ("aarch64-manylinux_2_28", "3.13"),
    "macOS on Arm": ("aarch64-apple-darwin", "3.13"),
    "Windows": ("x86_64-pc-windows-msvc", "3.11"),
}
MACOS = "14.0"
# What its authors publish as source alone; it is pure Python.
FROM_SOURCE = {"promise"}


def resolved(requirements, platform, python, folder):
    """The pinned names that a machine would install of a locked file, from wheels alone."""
    uv = shutil.which("uv") or os.path.join(os.path.dirname(sys.executable), "uv")
    text = (ROOT / requirements).read_text(encoding="utf-8")
    names = set(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text, re.MULTILINE)) - FROM_SOURCE
    out = folder / "resolved.txt"
    command = [uv, "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"]
    command += [f"--python-platform={platform}", f"--python-version={python}"]
    command += [f"--only-binary={name}" for name in sorted(names)]
    done = subprocess.run(
        [*command, requirements, f"--output-file={out}"],
        cwd=ROOT,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^([\w.-]+)==", out.read_text(), re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize(("platform", "python"), PLATFORMS.values(), ids=PLATFORMS)
def test_the_locked_requirements_have_wheels(platform, python, tmp_path):
    names = resolved("requirements.txt", platform, python, tmp_path)
    assert {"tensorflow", "keras", "ai-edge-litert", "av"} <= names
    # All but rendering works on Linux on Arm.
    assert ("embreex" in names) == (not platform.startswith("aarch64-manylinux"))
