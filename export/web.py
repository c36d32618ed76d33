"""A page that finds hands and their poses in the browser, for any static host; needs npm.

    python export/web.py --out_dir=site
    python -m http.server --directory=site

The folder holds the page (`export/page/`), LiteRT.js as WebAssembly, MediaPipe's two networks and
the model in the box, or another 2D one: `--model=models/hands/lite/1/dynamic.tflite`. Nothing runs
on the server, and no picture leaves the visitor's machine.
"""

import os
import shutil
import subprocess
import tempfile

from absl import flags

from dcmls_tf import app
from dcmls_tf.errors import UserError
from dcmls_tf.serving import shipped

FLAGS = flags.FLAGS
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "export", "page")
NPM_FILES = ("package.json", "package-lock.json")
# Threads need headers that not every host sends, and JSPI a browser that has it.
RUNTIME = [
    f"@litertjs/core/wasm/litert_wasm_{kind}internal.{ending}"
    for kind in ("", "compat_")
    for ending in ("js", "wasm")
]
# Place in the page's folder → where it comes from.
COPIED = {
    "runtime/core.js": "@litertjs/core/dist/index.js",
    "runtime/wasm-utils.js": "@litertjs/wasm-utils/dist/bundle.js",
    **{f"runtime/wasm/{os.path.basename(path)}": path for path in RUNTIME},
}


def define_flags() -> None:
    """The options of the page."""
    flags.DEFINE_string("out_dir", None, "Folder to write to.", required=True)
    flags.DEFINE_string("model", shipped.file_of(shipped.KEYPOINTS), "A 2D .tflite file.")


def main(_: list[str]) -> None:
    """Flags → a folder for a static host."""
    if not shutil.which("npm"):
        raise UserError("npm is missing: install Node.js, which brings it")
    from dcmls_tf.photos import web

    with tempfile.TemporaryDirectory() as folder:
        _install(folder)
        os.makedirs(os.path.join(FLAGS.out_dir, "runtime", "wasm"), exist_ok=True)
        web.write(FLAGS.model, FLAGS.out_dir)
        _copy_page(FLAGS.out_dir)
        for place, path in COPIED.items():
            shutil.copyfile(
                os.path.join(folder, "node_modules", path), os.path.join(FLAGS.out_dir, place)
            )
    print(f"written: {FLAGS.out_dir}")


def _copy_page(folder: str) -> None:
    for name in os.listdir(PAGE):
        if name not in NPM_FILES:
            shutil.copyfile(os.path.join(PAGE, name), os.path.join(folder, name))
    shutil.copyfile(os.path.join(ROOT, "docs", "hand.jpg"), os.path.join(folder, "example.jpg"))
    shutil.copyfile(os.path.join(ROOT, "LICENSE"), os.path.join(folder, "LICENSE.txt"))


def _install(folder: str) -> None:
    """The locked packages of npm, into `folder/node_modules`; none of their programs is run."""
    for name in NPM_FILES:
        shutil.copy(os.path.join(PAGE, name), folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UserError(f"npm cannot install LiteRT.js ({reason}); see export/page/package.json")


def cli() -> None:
    """The command, for what installs it."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
