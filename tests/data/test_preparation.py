"""Preparing, with `data.builder`: once, beside other preparations, never half."""

import concurrent.futures
import os
import pickle
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

import pytest
import raw_trees
from tensorflow_datasets.core import shuffle

from dcmls_tf import beam, config
from dcmls_tf.data import pipeline, preparation, rhd
from dcmls_tf.errors import UserError

SCRIPT = Path(__file__).parents[2] / "scripts" / "prepare.py"


@pytest.fixture
def tree(tmp_path):
    return raw_trees.write_rhd(tmp_path / "raw", training=3, evaluation=2)


def _prepare(tree, tmp_path, images=True):
    return preparation.prepare("rhd", str(tree), str(tmp_path / "data"), images)


def run_script(monkeypatch, **options):
    """Runs `scripts/prepare.py` with options of its own, in this process."""
    script = runpy.run_path(str(SCRIPT))
    asked = types.SimpleNamespace(
        **{"check": False, "skip_bad": False, "crops_dir": None, **options}
    )
    monkeypatch.setitem(script["main"].__globals__, "FLAGS", asked)
    script["main"](["prepare"])


def _files(folder):
    return {p: p.stat().st_mtime_ns for p in Path(folder).rglob("*") if p.is_file()}


def test_prepared_data_is_reused(tree, tmp_path):
    builder = _prepare(tree, tmp_path)
    before = _files(tmp_path / "data")
    assert _prepare(tree, tmp_path).data_path == builder.data_path
    assert _files(tmp_path / "data") == before


def test_what_does_not_fit_into_memory_is_sorted_in_pieces(tmp_path, monkeypatch):
    tree = raw_trees.write_rhd(tmp_path / "raw", training=8, evaluation=2)
    whole = _prepare(tree, tmp_path / "whole")
    pieces, read = [], shuffle._Bucket.read_values

    def counted(bucket):
        values = list(read(bucket))
        pieces.append(len(values))
        return values

    monkeypatch.setattr(preparation, "WRITER_BYTES", 0)
    monkeypatch.setattr(shuffle._Bucket, "read_values", counted)
    by_pieces = _prepare(tree, tmp_path / "pieces")
    assert sorted(pieces)[-10:] == [1] * 10
    for path in Path(whole.data_path).glob("*.tfrecord*"):
        assert (Path(by_pieces.data_path) / path.name).read_bytes() == path.read_bytes()


def test_nothing_is_left_in_the_folder_of_temporary_files(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    _prepare(tree, tmp_path)
    assert _files(tmp_path / "data")
    assert not list((tmp_path / "temporary").iterdir())


def test_of_two_that_want_the_same_at_once_one_makes_it(tree, tmp_path, monkeypatch):
    write, makers = preparation._write, []

    def slow(*arguments):
        makers.append(arguments)
        time.sleep(1)
        write(*arguments)

    monkeypatch.setattr(preparation, "_write", slow)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: _prepare(tree, tmp_path), range(2)))
    assert len(makers) == 1
    assert [builder.info.splits["training"].num_examples for builder in both] == [3, 3]


def test_a_data_dir_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / ".rhd-x.lock").mkdir()  # nobody can write here, not even root
    with pytest.raises(UserError, match=r"--data_dir=.*: cannot be written"):
        preparation._lock(str(tmp_path), "rhd-x")


def test_changed_raw_data_is_prepared_anew(tree, tmp_path):
    paths = {_prepare(tree, tmp_path).data_path, _prepare(tree, tmp_path, images=False).data_path}
    raw_trees.write_png(
        tree / "training" / "color" / "00001.png", raw_trees.drawn((320, 320), [], 1)
    )
    changed = _prepare(tree, tmp_path)
    paths.add(changed.data_path)
    (_, second, _) = pipeline.canonical_examples(changed, "training").as_numpy_iterator()
    assert second["image"] == (tree / "training" / "color" / "00001.png").read_bytes()
    raw_trees.write_rhd(tree, training=3, evaluation=2, seed=1)
    paths.add(_prepare(tree, tmp_path).data_path)
    shutil.rmtree(tree / "training")
    paths.add(_prepare(tree, tmp_path).data_path)
    assert len(paths) == 5


def test_views_are_prepared_beside_each_other(stb_tree, tmp_path):
    counts = {
        views: preparation.prepare("stb", str(stb_tree), str(tmp_path), False, views)
        .info.splits["training"]
        .num_examples
        for views in ("left", "both")
    }
    assert counts == {"left": 16, "both": 32}


def test_the_raw_folder_is_only_read(tree, tmp_path):
    before = _files(tree)
    _prepare(tree, tmp_path)
    assert _files(tree) == before


def test_an_interrupted_preparation_is_not_taken_for_a_whole_one(tree, tmp_path, monkeypatch):
    def interrupted(self, number):
        if number == 1:
            raise KeyboardInterrupt
        return original(self, number)

    original = rhd.RhdSplit.example
    monkeypatch.setattr(rhd.RhdSplit, "example", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _prepare(tree, tmp_path)
    monkeypatch.undo()
    builder = _prepare(tree, tmp_path)
    assert builder.info.splits["training"].num_examples == 3
    assert len(list(pipeline.canonical_examples(builder, "training"))) == 3


def test_the_script_cuts_out_hands_without_pose(tmp_path, monkeypatch, capsys):
    raw = raw_trees.write_own(tmp_path / "raw", training=1, evaluation=0, posed=False)
    asked = config.Config(dataset="own", raw_dir=str(raw))
    monkeypatch.setattr(config, "from_flags", lambda: asked)
    monkeypatch.setattr(beam, "from_flags", lambda argv: None)
    run_script(monkeypatch, crops_dir=str(tmp_path / "crops"))
    assert capsys.readouterr().out.startswith("2 hands without pose; train with --unpaired_dir=")
    assert len(list((tmp_path / "crops").iterdir())) == 2


@pytest.mark.parametrize("dataset", ["rhd", "stb", "freihand", "interhand"])
def test_a_missing_folder_says_what_to_do(tmp_path, dataset):
    with pytest.raises(UserError, match=r"--raw_dir=nowhere: there is no such folder; .*download"):
        preparation.prepare(dataset, "nowhere", str(tmp_path), False)


def test_a_data_dir_that_cannot_be_made_is_named(tree, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match="--data_dir"):
        _prepare(tree, tmp_path)


def test_the_script_prepares_and_says_where(tree, tmp_path, monkeypatch, capsys):
    asked = config.Config(modality="2d", raw_dir=str(tree), data_dir=str(tmp_path / "data"))
    monkeypatch.setattr(config, "from_flags", lambda: asked)
    monkeypatch.setattr(beam, "from_flags", lambda argv: None)
    run_script(monkeypatch)
    said = capsys.readouterr().out
    assert "training: 3 examples" in said
    assert "evaluation: 2 examples" in said
    (folder,) = re.findall("prepared: (.*)", said)
    assert list(Path(folder).glob("*.tfrecord*"))


def test_the_script_lists_all_that_is_bad_with_status_1(tree, tmp_path, monkeypatch, capsys):
    shutil.rmtree(tree / "evaluation")
    good = shutil.copytree(tree, tmp_path / "good")
    path = tree / "training" / "anno_training.pickle"
    frames = pickle.loads(path.read_bytes())
    frames[1]["K"] = 0 * frames[1]["K"]
    path.write_bytes(pickle.dumps(frames, 2))
    os.remove(tree / "training" / "mask" / "00002.png")
    asked = config.Config(raw_dir=str(tree), data_dir=str(tmp_path / "data"), modality="rgb")
    monkeypatch.setattr(config, "from_flags", lambda: asked)
    monkeypatch.setattr(beam, "from_flags", lambda argv: None)
    with pytest.raises(SystemExit) as ended:
        run_script(monkeypatch, check=True)
    assert ended.value.code == 1
    said = capsys.readouterr().out.splitlines()
    assert "frame 1: K is not [[fx, 0, cx]" in said[0]
    assert "mask/00002.png: is missing" in said[1]
    assert said[2] == "1 samples are good, 2 problems were found"
    assert not os.path.exists(tmp_path / "data")
    run_script(monkeypatch, skip_bad=True)
    assert "training: 1 examples" in capsys.readouterr().out
    monkeypatch.setattr(config, "from_flags", lambda: asked.replace(raw_dir=str(good)))
    run_script(monkeypatch, check=True)
    assert capsys.readouterr().out == "3 samples are good, 0 problems were found\n"


@pytest.mark.slow
def test_the_script_ends_a_users_error_in_one_line(tmp_path):
    options = ("--dataset=stb", f"--raw_dir={tmp_path}", f"--data_dir={tmp_path / 'data'}")
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: --raw_dir=")
