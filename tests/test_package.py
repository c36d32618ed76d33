"""What is installed: a light import, commands, locked requirements, and a wheel that works alone.

Covers `py.typed`, the flagfiles and what documents say of the code.
"""

import ast
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import venv

import hand_files
import pytest
import yaml
from PIL import Image

import dcmls_tf

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dcmls_tf"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
}
PARTS = ("run", "experiments", "dev", "docs")
ADDONS, BEAM = "requirements-addons.txt", "requirements/beam.txt"
LOCKED = [
    "requirements.txt",
    ADDONS,
    BEAM,
    "requirements/onnx.txt",
    *(f"requirements/{part}.txt" for part in PARTS),
]
IMPORT_SECONDS = 0.2
PACKED = ("dcmls_tf", "scripts", "export", "configs")
PACKED_FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")


def test_the_import_is_light():
    timed = (
        "import sys, time; start = time.perf_counter(); import dcmls_tf;"
        "print(time.perf_counter() - start, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    assert not {"tensorflow", "keras", "numpy", "absl"} & set(modules)
    assert float(seconds) < IMPORT_SECONDS


def test_no_import_makes_a_tensor():
    """Collectives of several hosts have to be set up before the first one."""
    asked = (
        "import dcmls_tf.api, dcmls_tf.experiments.jobs, dcmls_tf.photos.demo;"
        "from tensorflow.python.eager import context; print(context.context()._initialized)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_the_packages_names_come_when_they_are_used():
    assert set(dcmls_tf.__all__) <= set(dir(dcmls_tf))
    for name in dcmls_tf.__all__:
        assert getattr(dcmls_tf, name)
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        _ = dcmls_tf.predict


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == dcmls_tf.__version__
    assert citation["references"][0]["authors"][0]["family-names"] == "Gu"


def pins(path):
    """The names and versions of a locked file; checks that each has its hashes."""
    lines = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    rows = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert all("--hash=sha256:" in row for row in rows)
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", "\n".join(rows), re.MULTILINE))


@pytest.mark.parametrize("path", LOCKED)
def test_requirements_are_locked_and_name_no_place(path):
    assert not re.search(r"://|file:|-index|find-links", (ROOT / path).read_text(encoding="utf-8"))
    locked, tested = pins(path), pins("requirements.txt")
    assert "torch" not in locked
    others = {n for n, v in locked.items() if tested.get(n, v) != v}
    own = {ADDONS: "tensorflow", BEAM: "protobuf"}
    assert (own[path] in others) if path in own else not others


def test_each_command_is_a_script():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^NAMES = (\[.*?\])$", setup, re.MULTILINE | re.DOTALL)
    scripts = {path.stem: path for path in (ROOT / "scripts").glob("*.py")}
    names = ast.literal_eval(listed)
    assert set(names) == scripts.keys() - {"__init__", "bake_body"}
    for path in [*(scripts[name] for name in names), ROOT / "export" / "export.py"]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        assert {"main", "cli"} <= functions


def test_every_module_has_its_place_in_the_reference():
    pages = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs" / "api").glob("*.md"))
    assert sorted(re.findall(r"^::: (.+)$", pages, re.MULTILINE)) == sorted(MODULES)


def test_every_module_has_tests_of_its_name_or_is_named_by_those_that_cover_it():
    tests = {path.relative_to(ROOT / "tests"): path for path in ROOT.glob("tests/**/test_*.py")}
    parsed = [ast.parse(path.read_text(encoding="utf-8")) for path in tests.values()]
    told = " ".join(ast.get_docstring(module) or "" for module in parsed)
    for module in MODULES:
        *folder, name = module.split(".")[1:]
        mirrored = pathlib.Path(*folder, f"test_{name}.py") in tests
        assert mirrored or re.search(rf"`([\w./]+[./])?{name}`", told), f"{module} has no tests"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The `bin` of an environment with the built wheel, and this one's other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in PACKED:
        shutil.copytree(ROOT / name, folder / "source" / name)
    for name in PACKED_FILES:
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", "."]
    subprocess.run([*pip, *build], check=True, cwd=folder / "source")
    shutil.rmtree(folder / "source")
    venv.create(folder / "env", symlinks=True)
    (wheel,) = folder.glob("*.whl")
    python = folder / "env" / "bin" / "python"
    into = [f"--python={python}", "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *into], check=True)
    (site,) = (folder / "env").glob("lib/python3.*/site-packages")
    # A line of a .pth file is searched, but the .pth files in it are not read: no editable install.
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "env" / "bin"


def run(command, folder):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_wheel_predicts_a_pose_outside_of_the_repository(installed, tmp_path):
    hand_files.write_run(tmp_path / "run")
    pixels, uv, _ = hand_files.rendered_frame()
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    box = ",".join(f"{value:.0f}" for value in (*uv.min(0), *uv.max(0)))
    flags = "--model=run", "--input=photo.png", f"--box={box}"
    out = run([installed / "dcmls-predict", *flags], tmp_path)
    assert "1 hands in 1 pictures" in out
    assert (tmp_path / "predictions" / "photo.hands.png").exists()


@pytest.mark.slow
def test_a_wheel_brings_its_assets_flagfiles_and_types(installed, tmp_path):
    flags = "--out_dir=r", "--training=2", "--evaluation=1", "--annotations_only"
    run([installed / "dcmls-render", *flags], tmp_path)
    assert (tmp_path / "r" / "training" / "anno_training.pickle").exists()
    listed = (
        "import importlib.resources as r, dcmls_tf; from dcmls_tf.experiments import jobs;"
        "print(dcmls_tf.__file__, *(f.name for p in ('dcmls_tf', 'dcmls_tf.configs')"
        " for f in r.files(p).iterdir()));"
        "open(jobs.Setting('stb', '2d', 'full').flagfile)"
    )
    where, *names = run([installed / "python", "-c", listed], tmp_path).split()
    assert pathlib.Path(where).is_relative_to(installed.parent)
    assert {path.name for path in (ROOT / "configs").glob("*.cfg")} | {"py.typed"} <= set(names)


@pytest.mark.parametrize("folder", ["benchmarks", "export", "scripts", "tests"])
def test_no_file_beside_a_command_hides_a_module_of_python(folder):
    """A script's folder comes first on its path: `profile.py` there breaks `import cProfile`."""
    names = {path.stem for path in (ROOT / folder).glob("*.py")}
    assert not names & sys.stdlib_module_names
