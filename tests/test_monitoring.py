"""What a run writes of itself: rows of `history.csv`, and nothing on hosts but the first."""

import csv
import os

from dcmls_tf.config import Config
from dcmls_tf.monitoring import HISTORY_FILE, Monitor

SCORES = {"epe_mm": 20.0, "auc_20_50": 0.8, "auc_hand3d": 0.81}


def rows(run_dir):
    with open(os.path.join(run_dir, HISTORY_FILE), newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_an_epoch_with_its_losses_and_scores(tmp_path):
    monitor = Monitor(str(tmp_path), Config(), ("pose",), writes=True)
    monitor.epoch(1, 10, {"pose": 0.5}, SCORES)
    monitor.epoch(2, 20, {"pose": 0.25})
    first, second = rows(tmp_path)
    assert first == {
        "epoch": "1", "step": "10", "pose": "0.5", "epe_mm": "20.0", "auc_20_50": "0.8"
    }  # fmt: skip
    assert second["pose"] == "0.25"
    assert second["epe_mm"] == ""


def test_an_epoch_that_is_run_again_replaces_its_row_and_what_came_after(tmp_path):
    for epoch in (1, 2, 3):
        Monitor(str(tmp_path), Config(), ("pose",), True).epoch(epoch, 10 * epoch, {"pose": 1.0})
    Monitor(str(tmp_path), Config(), ("pose",), True).epoch(2, 20, {"pose": 2.0})
    assert [(row["epoch"], row["pose"]) for row in rows(tmp_path)] == [("1", "1.0"), ("2", "2.0")]


def test_other_hosts_write_nothing(tmp_path):
    monitor = Monitor(str(tmp_path), Config(), ("pose",), writes=False)
    monitor.step(5, {"pose": 1.0}, {"vae": 1e-3}, 100.0)
    monitor.epoch(1, 10, {"pose": 0.5}, SCORES)
    assert os.listdir(tmp_path) == []
