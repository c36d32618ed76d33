"""The networks of MediaPipe's hand detector: taken once from its wheel, kept in the user's cache.

MediaPipe's package needs NumPy 1 and cannot stand beside TensorFlow 2.21, but its networks can.
They are under Apache-2.0.
"""

import hashlib
import importlib.machinery
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

from dcmls_tf import files
from dcmls_tf.errors import UserError

WHEEL = "mediapipe==0.10.14"
# Any of the release's wheels has the networks; this one is there for every user.
WHEEL_TAGS = ("--platform=manylinux_2_17_x86_64", "--python-version=3.11", "--implementation=cp")
PALM, LANDMARKS = "palm_detection_full.tflite", "hand_landmark_full.tflite"
NETWORKS = {  # name → place in the wheel, SHA-256
    PALM: (
        "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    LANDMARKS: (
        "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
}


def cache_folder() -> str:
    """Where the networks are kept: below `$XDG_CACHE_HOME`, or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "dcmls_tf", WHEEL.replace("==", "-"))


def networks() -> dict[str, bytes]:
    """The two networks' bytes by name, from the cache or, once, from the wheel.

    Where they cannot be kept that is said, and they are in memory alone. Raises `UserError` when
    they cannot be downloaded, or are not the ones expected.
    """
    cached = {name: _cached(name) for name in NETWORKS}
    contents = {name: content for name, content in cached.items() if content is not None}
    if len(contents) == len(NETWORKS):
        return contents
    contents = _downloaded()
    try:
        os.makedirs(cache_folder(), exist_ok=True)
        for name, content in contents.items():
            files.write(os.path.join(cache_folder(), name), content)
    except OSError as error:
        print(
            f"{cache_folder()}: the hand detector cannot be kept there ({error.strerror}), and is "
            "downloaded each time; set XDG_CACHE_HOME to a folder that can be written",
            file=sys.stderr,
        )
    return contents


def _cached(name: str) -> bytes | None:
    try:
        with open(os.path.join(cache_folder(), name), "rb") as file:
            content = file.read()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == NETWORKS[name][1] else None


def _pip() -> list[str]:
    """The command pip: this environment's, or uv's, whose environments have none."""
    # `importlib.util` would also ask setuptools, which then warns of distutils.
    if importlib.machinery.PathFinder.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "--quiet", "--no-cache", "tool", "run", "pip"]
    raise UserError(
        f"the hand detector cannot be downloaded, since this environment has no pip: install it "
        f"by `{sys.executable} -m ensurepip` or `uv pip install pip`, give --box or --keypoints, "
        f"or put {' and '.join(NETWORKS)} into {cache_folder()}"
    )


def _downloaded() -> dict[str, bytes]:
    pip = _pip()
    print(f"downloading MediaPipe's hand detector once ({WHEEL}, 36 MB)", file=sys.stderr)
    command = [*pip, "download", "--quiet", "--no-deps"]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--only-binary=:all:", *WHEEL_TAGS, "--dest", folder, WHEEL]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise UserError(
                f"the hand detector cannot be downloaded (pip: {reason}); give --box or "
                f"--keypoints, or put {' and '.join(NETWORKS)} into {cache_folder()}"
            )
        (wheel,) = os.listdir(folder)
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            contents = {name: archive.read(place) for name, (place, _) in NETWORKS.items()}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != NETWORKS[name][1]:
            raise UserError(f"{WHEEL}: its {name} is not the one expected; download it elsewhere")
    return contents
