"""What a run writes of itself: rows of `history.csv`, and nothing on hosts but the first."""

import csv
import os

import pytest

from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
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


WHOLE = b"epoch,step,pose,epe_mm,auc_20_50\n1,10,0.5,20.0,0.8\n2,20,0.25,,\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "first line"),
        (WHOLE[:-20], "line 2 is cut"),
        (WHOLE[:-1], "line 3 is cut"),
        (WHOLE.replace(b"0.25", b"nan"), "line 3 is cut or no numbers"),
        (WHOLE.replace(b"2,20", b"2,2.5"), "line 3 is cut or no numbers"),
        (WHOLE.replace(b"pose", b"align"), "first line"),
        (b"\x89PNG\xff\x00" * 9, "codec"),
        (WHOLE.replace(b"0.5", b"0\x005"), "line 2 is cut"),
    ],
)
def test_a_damaged_history_is_one_sentence_and_stays_as_it_is(tmp_path, content, reason):
    (tmp_path / HISTORY_FILE).write_bytes(content)
    monitor = Monitor(str(tmp_path), Config(), ("pose",), writes=True)
    with pytest.raises(UserError, match=rf"--run_dir: .*{HISTORY_FILE} is damaged .*{reason}"):
        monitor.check_history(2, 10)
    with pytest.raises(UserError, match="is damaged"):
        monitor.epoch(3, 30, {"pose": 0.1}, SCORES)
    assert (tmp_path / HISTORY_FILE).read_bytes() == content


def test_a_folder_in_the_place_of_the_history_is_named(tmp_path):
    (tmp_path / HISTORY_FILE).mkdir()
    with pytest.raises(UserError, match=r"--run_dir: .*history.csv is damaged \(.*Is a directory"):
        Monitor(str(tmp_path), Config(), ("pose",), writes=False).history(before_step=100)


def test_rows_that_are_missing_are_said(tmp_path, capsys):
    monitor = Monitor(str(tmp_path), Config(), ("pose",), writes=True)
    (tmp_path / HISTORY_FILE).write_bytes(WHOLE)
    monitor.check_history(2, 10)
    assert capsys.readouterr().out == ""
    monitor.check_history(4, 10)
    assert capsys.readouterr().out.endswith("has no row of epoch 3, 4; it is lost\n")
    os.remove(tmp_path / HISTORY_FILE)
    monitor.check_history(1, 10)
    assert capsys.readouterr().out.endswith("has no row of epoch 1; it is lost\n")
