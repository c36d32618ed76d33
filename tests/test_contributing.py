"""CONTRIBUTING's two questions: what it names is there, and runs in the order that it says."""

import contextlib
import pathlib
import pkgutil
import re
import sys

import hand_files
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dcmls_tf import api, config, hand
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.photos.detection import Detection
from dcmls_tf.training import Trainer

TEXT = (pathlib.Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
MOST = 10


def named(question):
    """The functions that answer a question, in their order."""
    section = TEXT.split(f"## {question}\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)


RECORD = named("How does one RGB record become a loss?")
PHOTO = named("How does a photo become joints?")


def parts(name):
    """The names of a function's module and of itself."""
    module = max((m for m in sys.modules if name.startswith(f"{m}.")), key=len)
    return module, name.rsplit(".", 1)[1]


@contextlib.contextmanager
def first_calls(names):
    """The functions in the order in which they are first called, in the code or in its graph."""
    wanted = {parts(name): name for name in names}
    order = []

    def note(frame, event, _):
        # AutoGraph's copy of a function is named after it and has its module's globals.
        key = frame.f_globals.get("__name__"), frame.f_code.co_name.removeprefix("tf__")
        if event == "call" and key in wanted:
            order.append(wanted.pop(key))

    sys.setprofile(note)
    try:
        yield order
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("names", [RECORD, PHOTO], ids=["record", "photo"])
def test_there_are_at_most_ten_and_each_is_there(names):
    assert 5 <= len(names) <= MOST
    assert all(callable(pkgutil.resolve_name(name)) for name in names)


@pytest.mark.slow
def test_a_record_becomes_a_loss_as_told(rhd_tree, tmp_path):
    small = config.Config(batch_size=2, input_size=32, reconstruction_size=16, joint_width=8)
    options = small.replace(raw_dir=str(rhd_tree), data_dir=str(tmp_path))
    trainer = Trainer(options, tf.distribute.get_strategy(), total_steps=1)
    with first_calls(RECORD) as order:
        builder = preparation.from_config(options)
        batch = next(iter(pipeline.training_batches(builder, options)))
        trainer.train_step(batch)
    assert order == RECORD


@pytest.mark.slow
def test_a_photo_becomes_joints_as_told(tmp_path, monkeypatch):
    model = api.load(hand_files.write_run(tmp_path / "run"))
    Image.fromarray(np.zeros([120, 160, 3], np.uint8)).save(tmp_path / "photo.png")
    uv = np.random.default_rng(0).uniform(30, 90, (hand.NUM_JOINTS, 2))
    box = np.concatenate([uv.min(0), uv.max(0)])
    found = Detection(box=box, uv=uv, side=hand.RIGHT, side_score=1.0, score=1.0)
    monkeypatch.setattr(model, "_detector", lambda pixels: [found])
    with first_calls(PHOTO) as order:
        model.predict(tmp_path / "photo.png")
    assert order == PHOTO
