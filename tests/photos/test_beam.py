"""Batches by Apache Beam: the numbers of `scripts/predict.py`, and no picture lost."""

import pytest

pytest.importorskip("apache_beam", reason="is tested with requirements/beam.txt installed")

import json
import os
import subprocess
import sys
from pathlib import Path

import hand_files
from fake_predictors import FixedPredictor
from PIL import Image

from dcmls_tf import beam
from dcmls_tf.errors import UserError
from dcmls_tf.photos import beam as photos_beam
from dcmls_tf.photos import predictor

SCRIPTS = Path(__file__).parents[2] / "scripts"
HERE = beam.options("DirectRunner", ["--direct_running_mode=in_memory"])
BOX = (20.0, 10.0, 120.0, 130.0)


def lines(folder, kind):
    paths = sorted(Path(folder).glob(f"{kind}-*.jsonl"))
    found = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return {os.path.basename(record["file"]): record for record in found}


def write_pictures(folder, count):
    folder.mkdir()
    for number in range(count):
        Image.fromarray(hand_files.noise()).save(folder / f"{number}.png")
    (folder / "empty.png").write_bytes(b"")
    whole = (folder / "0.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (8, 8)).save(folder / "small.png")  # the box is beside it
    return [str(path) for path in sorted(folder.iterdir())]


class Failing(FixedPredictor):
    def __call__(self, photo, regions):
        if photo.source.endswith("/1.png"):
            raise MemoryError("no room")
        return super().__call__(photo, regions)


def test_each_picture_is_a_line_whatever_is_wrong_with_another(tmp_path, monkeypatch):
    paths = write_pictures(tmp_path / "photos", 12)
    monkeypatch.setattr(predictor, "load", lambda path: Failing())
    asked = photos_beam.HandsAsked(boxes=(BOX,))
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    (out_dir / "errors-00007-of-00009.jsonl").write_text("of another run")
    done = photos_beam.predict(paths, "model", asked, str(out_dir), HERE)
    assert done == photos_beam.Done(pictures=11, hands=11, errors=4)
    predicted, failed = lines(out_dir, "predictions"), lines(out_dir, "errors")
    assert failed.keys() == {"empty.png", "damaged.png", "small.png", "1.png"}
    assert predicted.keys() | failed.keys() == {os.path.basename(path) for path in paths}
    assert "is empty" in failed["empty.png"]["error"]
    assert failed["1.png"]["error"].endswith("cannot be predicted (MemoryError: no room)")
    assert predicted["3.png"]["hands"][0]["box"] == list(BOX)
    assert len(json.loads((out_dir / "fields.json").read_text())["joint_names"]) == 21


def test_what_is_wrong_with_all_is_said_at_once(tmp_path, monkeypatch):
    asked = photos_beam.HandsAsked(keypoints_path=str(tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"--model=.*does not exist"):
        photos_beam.predict([], str(tmp_path / "model"), asked, str(tmp_path), HERE)
    monkeypatch.setattr(predictor, "load", lambda path: FixedPredictor())
    with pytest.raises(UserError, match=r"none\.json"):
        photos_beam.predict([], "model", asked, str(tmp_path), HERE)
    (tmp_path / "file").write_text("")
    box = photos_beam.HandsAsked(boxes=(BOX,))
    with pytest.raises(UserError, match=r"--out_dir=.*cannot be written"):
        photos_beam.predict([], "model", box, str(tmp_path / "file"), HERE)


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_predict(tmp_path):
    write_pictures(tmp_path / "photos", 6)
    run_dir = hand_files.write_run(tmp_path / "run")
    model, _ = hand_files.write_exports(run_dir, tmp_path)
    options = [f"--model={model}", f"--input={tmp_path / 'photos'}", "--box=20,10,120,130"]

    def run(script, *arguments):
        command = [sys.executable, str(SCRIPTS / script), *options, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr  # of the bad files
        assert "Traceback" not in done.stderr

    run("predict.py", f"--out_dir={tmp_path / 'one'}")
    run("batch.py", f"--out_dir={tmp_path / 'many'}", "--", "--direct_num_workers=2")
    pictures = json.loads((tmp_path / "one" / "predictions.json").read_text())["pictures"]
    expected = {os.path.basename(record["file"]): record for record in pictures}
    predicted, failed = lines(tmp_path / "many", "predictions"), lines(tmp_path / "many", "errors")
    assert len(predicted) == 6
    assert failed.keys() == {"empty.png", "damaged.png", "small.png"}
    for name, record in expected.items():
        assert (predicted | failed)[name] == {k: v for k, v in record.items() if k != "drawn"}
