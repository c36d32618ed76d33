"""The training script as a user runs it: real processes, SIGKILL, several hosts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import raw_trees
import tensorflow as tf

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = ("--joint_width=16", "--disc_width=8", "--batch_size=4", "--validation_percent=25")
TINY_IMAGES = ("--input_size=32", "--reconstruction_size=16")


def command(script, *arguments):
    return [sys.executable, os.path.join(ROOT, "scripts", script), *arguments]


def start(*arguments, env=None):
    return subprocess.Popen(
        command("train.py", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, status=0):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == status, output
    return output


def newest(run_dir):
    return tf.train.latest_checkpoint(os.path.join(run_dir, "checkpoints"))


def network_weights(run_dir):
    reader = tf.train.load_checkpoint(newest(run_dir))
    names = [n for n in reader.get_variable_to_shape_map() if n.startswith("networks/")]
    assert names
    return {name: reader.get_tensor(name) for name in names}


def assert_same_weights(first, second, tolerance):
    first, second = network_weights(first), network_weights(second)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], atol=tolerance, err_msg=name)


@pytest.mark.slow
def test_a_killed_run_ends_where_an_uninterrupted_one_does(rhd_tree, data_dir, tmp_path):
    flags = [
        f"--raw_dir={rhd_tree}",
        f"--data_dir={data_dir}",
        "--epochs=8",  # of 2 steps
        "--checkpoint_steps=1",
        *SMALL,
        *TINY_IMAGES,
    ]
    whole, killed = str(tmp_path / "whole"), str(tmp_path / "killed")
    finish(start(*flags, f"--run_dir={whole}"))

    process = start(*flags, f"--run_dir={killed}")
    deadline = time.monotonic() + 300
    while newest(killed) is None or int(newest(killed).rsplit("-", 1)[1]) < 5:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)
    second = finish(start(*flags, f"--run_dir={killed}"), status=1)
    assert "another process is training in it" in second
    assert "Traceback" not in second
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stopped_at = int(newest(killed).rsplit("-", 1)[1])
    assert 5 <= stopped_at < 16
    assert f"goes on at step {stopped_at} of 16" in finish(start(*flags, f"--run_dir={killed}"))
    assert_same_weights(whole, killed, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("config_file", ["configs/stb.cfg", "configs/rhd.cfg"])
def test_the_configs_train_an_epoch_on_raw_trees(
    config_file, rhd_tree, stb_tree, data_dir, tmp_path
):
    raw_dir = stb_tree if "stb" in config_file else rhd_tree
    run_dir = str(tmp_path / "run")
    output = finish(
        start(
            f"--flagfile={config_file}",
            f"--raw_dir={raw_dir}",
            f"--data_dir={data_dir}",
            f"--run_dir={run_dir}",
            "--epochs=1",
            "--batch_size=4",
            "--validation_percent=25",
        )
    )
    assert "best validation EPE" in output
    report = str(tmp_path / "report.json")
    subprocess.run(
        command("evaluate.py", f"--run_dir={run_dir}", f"--report={report}"),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
        check=True,
        capture_output=True,
    )
    with open(report) as file:
        assert json.load(file)["epe_mm"] > 0


RATES = ("--learning_rate=2e-6", "--disc_learning_rate=2e-6")
ON_DEVICES = """
import runpy, sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
logical = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
tf.config.set_logical_device_configuration(cpu, logical)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def train_on_devices(count, *flags):
    script = os.path.join(ROOT, "scripts", "train.py")
    subprocess.run(
        [sys.executable, "-c", ON_DEVICES, str(count), script, *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["alternate", "sequential"])
def test_one_device_two_and_two_hosts_end_with_the_same_weights(schedule, data_dir, tmp_path):
    raw_dir = raw_trees.write_rhd(tmp_path / "rhd", training=170)
    flags = [f"--raw_dir={raw_dir}", f"--data_dir={data_dir}", f"--schedule={schedule}"]
    flags += [*SMALL, "--input_size=64", "--reconstruction_size=16", "--sync_batch_norm"]
    # 20 steps. Adam divides small gradients by their size, so that it enlarges the last digits in
    # which sums over devices differ; without --sync_batch_norm these are 0.02 apart after one step.
    flags += ["--batch_size=8", "--epochs=1", "--validation_percent=5", "--dropout=0.2", *RATES]
    one, two, hosts = (str(tmp_path / name) for name in ("one", "two", "hosts"))
    train_on_devices(1, *flags, f"--run_dir={one}")
    train_on_devices(2, *flags, f"--run_dir={two}")
    for host in start_hosts(*flags, f"--run_dir={hosts}"):
        finish(host)
    assert newest(one).endswith("-20")
    assert_same_weights(one, two, 1e-5)
    assert_same_weights(two, hosts, 1e-5)


def start_hosts(*flags):
    """The same training on two hosts, which are processes of this machine."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    hosts = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        cluster = json.dumps({"cluster": {"worker": workers}, "task": task})
        hosts.append(start(*flags, env={"TF_CONFIG": cluster}))
    return hosts


@pytest.mark.slow
def test_a_host_that_is_told_to_stop_stops_all_after_the_same_step(rhd_tree, data_dir, tmp_path):
    flags = [f"--raw_dir={rhd_tree}", f"--data_dir={data_dir}", "--epochs=30", "--modality=2d"]
    flags += ["--dropout=0.2", "--checkpoint_steps=1", *SMALL]
    whole, stopped = str(tmp_path / "whole"), str(tmp_path / "stopped")
    for host in start_hosts(*flags, f"--run_dir={whole}"):
        finish(host)
    hosts = start_hosts(*flags, f"--run_dir={stopped}")
    deadline = time.monotonic() + 300
    while newest(stopped) is None or newest(stopped).endswith("-0"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    hosts[1].send_signal(signal.SIGTERM)  # not the one that writes
    output = finish(hosts[0], status=143)
    finish(hosts[1], status=143)
    saved_at = int(newest(stopped).rsplit("-", 1)[1])
    assert 0 < saved_at < 60
    assert f"step {saved_at} is saved" in output
    for host in start_hosts(*flags, f"--run_dir={stopped}"):
        finish(host)
    assert_same_weights(whole, stopped, 0)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def test_a_missing_folder_is_one_sentence_with_status_1(tmp_path):
    output = finish(start(f"--raw_dir={tmp_path}/none", f"--run_dir={tmp_path}/run"), status=1)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "--raw_dir" in errors[0]
    assert "Traceback" not in output


def test_a_bad_flag_is_one_sentence_with_status_1(tmp_path):
    output = finish(start("--latent=split", f"--run_dir={tmp_path}/run"), status=1)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "--latent" in errors[0]
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()
