"""Debian's Chromium without a screen, for the tests of pages."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # 3D without a graphics card.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1300",
    # Nothing but this machine is there.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextlib.contextmanager
def chromium(profile_dir: Path, *more_flags: str) -> Iterator[Any]:
    """A `selenium.webdriver.Chrome` with a profile of its own; pages have no internet."""
    from selenium import webdriver

    paths = {name: shutil.which(name) or "" for name in ("chromium", "chromedriver")}
    missing = [name for name, path in paths.items() if not path]
    assert not missing, f"{missing} missing: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = paths["chromium"]
    for flag in (*FLAGS, *more_flags, f"--user-data-dir={profile_dir}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(paths["chromedriver"])
    driver = webdriver.Chrome(options, service)
    try:
        yield driver
    finally:
        driver.quit()


def camera_of(frames: Path) -> tuple[str, ...]:
    """Flags for a camera that shows a file of JPEGs, one behind the other, and nobody is asked."""
    return (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={frames}",
    )


def complaints(driver: Any) -> list[Any]:
    """What the page wrote to the console as errors."""
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
