"""An export as users and servers take it: real processes, sockets, TensorFlow's C API."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from dcmls_tf import checkpoints, hand, runs
from dcmls_tf import config as config_lib
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.data.statistics import TrainingStatistics
from dcmls_tf.model import predict_pose
from dcmls_tf.serving import saved_model, warm_up

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = os.path.join(ROOT, "tests")
SERVING = os.path.join(ROOT, "export", "serving")
FRAMES = 32
SMALL = {"joint_width": 32, "disc_width": 8, "input_size": 64, "reconstruction_size": 16}
pytestmark = pytest.mark.slow
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def with_package(**more):
    return {**QUIET, "PYTHONPATH": ROOT, **more}


def run(*command, env=QUIET, cwd=ROOT, status=0, **options):
    """A process's standard output; its errors are shown when its status is another."""
    done = subprocess.run(
        [str(c) for c in command], env=env, cwd=cwd, capture_output=True, text=True, **options
    )
    assert done.returncode == status, done.stderr[-3000:]
    return done


def write_run(folder, raw_dir, data_dir, **options):
    """A run as training leaves it, with random weights; 32 evaluation frames beside."""
    c = config_lib.Config(
        raw_dir=str(raw_dir), data_dir=data_dir, run_dir=str(folder), **{**SMALL, **options}
    )
    c = c.replace(batch_size=4, validation_percent=25)
    trainer = runs.Run(c, tf.distribute.get_strategy())
    rng = np.random.default_rng(0)
    for weight in trainer.trainer.model.weights:
        weight.assign(weight + 0.03 * rng.normal(size=weight.shape))
    trainer.best.save(7)
    c.save(folder)
    TrainingStatistics(rng.normal(size=(21, 3)), 36.5).save(folder)
    return c


@pytest.fixture(scope="module")
def frames_tree(tmp_path_factory):
    import raw_trees

    folder = tmp_path_factory.mktemp("frames")
    return raw_trees.write_rhd(folder, training=8, evaluation=FRAMES, seed=3)


@pytest.fixture(scope="module")
def exported(frames_tree, data_dir, tmp_path_factory):
    """Run folder, its `Config`, and the folder that the script exported it to."""
    run_dir = tmp_path_factory.mktemp("run")
    out_dir = tmp_path_factory.mktemp("models") / "hands"
    c = write_run(run_dir, frames_tree, data_dir)
    flags = [f"--run_dir={run_dir}", f"--out_dir={out_dir}", "--formats=saved_model"]
    run(sys.executable, "export/export.py", *flags, env=with_package())
    return run_dir, c, out_dir


@pytest.fixture(scope="module")
def frames(exported):
    """Inputs of `serving_default` for 32 frames, and the checkpoint's joints for them."""
    run_dir, c, _ = exported
    model, _, _ = checkpoints.load_model(str(run_dir))
    builder = preparation.from_config(c)
    batch = next(iter(pipeline.evaluation_batches(builder, c, "evaluation", FRAMES)))
    examples = list(pipeline.canonical_examples(builder, "evaluation", images=False))
    uv, K, side = (np.stack([e[key] for e in examples]) for key in ("uv", "K", "side"))
    box = np.concatenate([uv.min(1), uv.max(1)], -1)
    inputs = {"image": batch["image"].numpy(), "box": box, "side": np.int32(side), "K": K}
    y, A = predict_pose(model, batch).numpy(), batch["A"].numpy()
    return inputs, np.einsum("bji,bnj->bni", A, y)


def test_an_export_has_what_a_server_and_a_reader_want(exported):
    run_dir, c, out_dir = exported
    folder = out_dir / "1"
    names = {path.name for path in out_dir.iterdir()}
    assert names == {"1"}
    facts = json.loads((folder / "assets" / "metadata.json").read_text())
    assert facts["joint_names"][0] == "palm"
    assert len(facts["joint_names"]) == hand.NUM_JOINTS
    assert facts["config"]["crop_margin"] == c.crop_margin
    assert facts["checkpoint_step"] == 7
    assert facts["mean_scale_mm"] == 36.5
    assert facts["report"] is None
    model, _, _ = checkpoints.load_model(str(run_dir))
    kept = ("encoder_x", "decoder_x", "translator", "decoder_y")
    weights = sum(v.numpy().nbytes for n in kept for v in model.networks()[n].weights)
    stored = os.path.getsize(folder / "variables" / "variables.data-00000-of-00001")
    assert weights <= stored < 1.05 * weights


def test_the_graph_has_only_operations_of_the_core_and_no_python(exported):
    found = saved_model_pb2.SavedModel()
    found.ParseFromString((exported[2] / "1" / "saved_model.pb").read_bytes())
    graph = found.meta_graphs[0].graph_def
    nodes = [n.op for n in graph.node] + [n.op for f in graph.library.function for n in f.node_def]
    functions = {f.signature.name for f in graph.library.function}
    known = tf.raw_ops.__dict__
    for op in set(nodes) - functions:
        assert op in known or op.startswith("_"), op
        assert "PyFunc" not in op
    signatures = found.meta_graphs[0].signature_def
    defaults = {n: tf.make_ndarray(v) for n, v in signatures["serving_default"].defaults.items()}
    assert set(defaults) == {"box", "side", "K"}
    assert defaults["side"].tolist() == [hand.RIGHT]
    assert defaults["box"].shape == (1, 4)
    assert defaults["K"].shape == (1, 3, 3)


def test_a_process_without_python_tensorflow_gives_the_checkpoints_joints(
    exported, frames, tmp_path
):
    folder = exported[2] / "1"
    inputs, expected = frames
    found = saved_model_pb2.SavedModel()
    found.ParseFromString((folder / "saved_model.pb").read_bytes())
    signature = found.meta_graphs[0].signature_def["serving_default"]
    tensors = {
        "inputs": {name: info.name for name, info in signature.inputs.items()},
        "outputs": {name: info.name for name, info in signature.outputs.items()},
        "text": ["image"],
    }
    text = b"".join(np.int64(len(i)).tobytes() + i for i in inputs["image"])
    np.savez(tmp_path / "in.npz", **{**inputs, "image": np.frombuffer(text, np.uint8)})
    command = [sys.executable, os.path.join(TESTS, "c_api.py"), folder]
    command += [tmp_path / "in.npz", tmp_path / "out.npz"]
    run(*command, input=json.dumps(tensors), cwd=tmp_path)
    with np.load(tmp_path / "out.npz") as answer:
        np.testing.assert_allclose(answer["joints"], expected, atol=1e-4)
        np.testing.assert_allclose(answer["joints_mm"], 36.5 * expected, atol=1e-2)


def test_what_the_documentation_shows_runs(exported, frames, tmp_path):
    with open(os.path.join(ROOT, "docs", "deployment.md")) as file:
        (snippet,) = re.findall(r"```python\n(import tensorflow.*?)```", file.read(), re.DOTALL)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "hands").symlink_to(exported[2])
    pixels = tf.io.decode_image(frames[0]["image"][0], channels=3)
    photo = tf.io.encode_jpeg(pixels, quality=95).numpy()
    (tmp_path / "photo.jpg").write_bytes(photo)
    told = run(sys.executable, "-c", snippet, cwd=tmp_path).stdout
    joints = np.array(told.replace("[", " ").replace("]", " ").split(), float).reshape(21, 3)
    expected = saved_model.load(str(exported[2])).answer("photo", image=np.array([photo], object))
    np.testing.assert_allclose(joints, expected["joints_mm"][0], rtol=1e-4, atol=1e-3)


def test_python_has_the_defaults_and_the_checks_of_the_export(exported, frames):
    inputs, expected = frames
    model = tf.saved_model.load(str(exported[2] / "1"))
    known = {name: tf.constant(inputs[name][:2]) for name in ("image", "box", "K")}
    left_out = model.serving_default(**known, side=tf.constant(inputs["side"][:2]))
    np.testing.assert_allclose(left_out["joints"], expected[:2], atol=1e-4)
    alone = model.serving_default(known["image"])
    np.testing.assert_array_equal(model.photo(known["image"])["uv"], alone["uv"])
    small = {"crops": tf.zeros([1, 48, 64, 3], tf.uint8), "side": tf.constant([hand.RIGHT])}
    wanted = "crops: are 64 px wide and 48 high; resize them to 64"
    with pytest.raises(tf.errors.InvalidArgumentError, match=wanted):
        model.signatures["crops"](**small)


def test_tensorflows_own_command_runs_the_export(exported, frames, tmp_path):
    inputs, expected = frames
    np.savez(tmp_path / "rest.npz", **{k: v[:2] for k, v in inputs.items() if k != "image"})
    # The command takes text as a Python literal, and semicolons divide its inputs.
    escaped = ("".join(f"\\x{byte:02x}" for byte in photo) for photo in inputs["image"][:2])
    photos = ", ".join(f"b'{photo}'" for photo in escaped)
    given = ";".join(f"{n}={tmp_path}/rest.npz[{n}]" for n in ("box", "side", "K"))
    command = os.path.join(os.path.dirname(sys.executable), "saved_model_cli")
    run(
        command, "run", "--dir", exported[2] / "1", "--tag_set", "serve",
        "--signature_def", "serving_default", "--inputs", given,
        "--input_exprs", f"image=[{photos}]",
        "--outdir", tmp_path, cwd=tmp_path,
    )  # fmt: skip
    np.testing.assert_allclose(np.load(tmp_path / "joints.npy"), expected[:2], atol=1e-4)


def test_the_warm_up_file_replays_through_the_loaded_signatures(exported):
    loaded = saved_model.load(str(exported[2]))
    path = os.path.join(loaded.path, warm_up.WARM_UP_FILE)
    seen = set()
    for record in tf.data.TFRecordDataset(path):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        rows = len(next(iter(inputs.values())))
        answer = loaded.answer(request.model_spec.signature_name, **inputs)
        assert {len(value) for value in answer.values()} == {rows}
        seen.add((request.model_spec.signature_name, rows))
    assert seen == {(s, n) for s in loaded.signatures for n in warm_up.WARM_UP_BATCHES}


def served_config(out_dir):
    """`models.config` as a proto, its model at `out_dir` instead of inside of the container."""
    config = model_server_config_pb2.ModelServerConfig()
    with open(os.path.join(SERVING, "models.config")) as file:
        text_format.Parse(file.read(), config)
    (model,) = config.model_config_list.config
    model.base_path = str(out_dir)
    return config


@pytest.fixture(scope="module")
def host(exported, tmp_path_factory):
    """Ports of a process that serves the export by TensorFlow Serving's protos."""
    path = tmp_path_factory.mktemp("host") / "models.config"
    path.write_text(text_format.MessageToString(served_config(exported[2])))
    process = subprocess.Popen(
        [sys.executable, os.path.join(TESTS, "serving_host.py"), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=QUIET,
        cwd=path.parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.communicate(timeout=30)


def client(photo, out, *flags, status=0):
    command = [sys.executable, os.path.join(SERVING, "client.py"), f"--image={photo}"]
    return run(*command, f"--out={out}", *flags, env=with_package(), status=status)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_client_draws_what_the_checkpoint_says(protocol, host, frames, tmp_path):
    inputs, expected = frames
    assert host["warmed_up"]["hands"]
    assert not host["knows_the_package"]
    (tmp_path / "photo.png").write_bytes(inputs["image"][1])
    flags = [f"--protocol={protocol}", f"--server=127.0.0.1:{host[protocol]}"]
    flags += [f"--box={','.join(map(str, inputs['box'][1]))}"]
    flags += [f"--side={hand.SIDES[inputs['side'][1]]}", f"--focal={inputs['K'][1, 0, 0]}"]
    client(tmp_path / "photo.png", tmp_path / "answer", *flags)
    answer = json.loads((tmp_path / "answer.json").read_text())
    np.testing.assert_allclose(answer["joints"], expected[1], atol=1e-4)
    drawn = np.array(Image.open(tmp_path / "answer.png"))
    photo = np.array(Image.open(tmp_path / "photo.png"))
    changed = np.argwhere(np.any(drawn != photo, -1))[:, ::-1]
    uv = np.array(answer["uv"])
    assert np.all(np.abs([changed.min(0) - uv.min(0), changed.max(0) - uv.max(0)]) < 8)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--box=60,10,20,40"], "give left < right and top < bottom"),
        (["--box=1,2,x,4"], "--box=1,2,x,4"),
        (["--model=feet"], "Servable not found"),
        (["--image=nothing.png"], "--image=nothing.png"),
        (["--server=127.0.0.1:1"], "--server=127.0.0.1:1"),
    ],
)
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_clients_errors_are_one_sentence(protocol, flags, sentence, host, frames, tmp_path):
    (tmp_path / "photo.png").write_bytes(frames[0]["image"][0])
    flags = [f"--protocol={protocol}", f"--server=127.0.0.1:{host[protocol]}", *flags]
    done = client(tmp_path / "photo.png", tmp_path / "answer", *flags, status=1)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_rows_in_rest_are_answered_in_rows(host, frames):
    requests = pytest.importorskip("requests")
    rows = [{"z_h": [0.1] * 15, "z_c": [0.0] * 15}, {"z_h": [0.0] * 15, "z_c": [0.2] * 15}]
    body = {"signature_name": "decode", "instances": rows}
    url = f"http://127.0.0.1:{host['rest']}/v1/models/hands:predict"
    answer = requests.post(url, json=body, timeout=60).json()["predictions"]
    assert np.array([row["joints"] for row in answer]).shape == (2, 21, 3)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--run_dir={nowhere}"], "--run_dir"),
        (["--version=1"], "--version=1"),
        (["--out_dir={run_dir}/config.json"], "--out_dir"),
    ],
)
def test_the_scripts_errors_are_one_sentence(flags, sentence, exported, tmp_path):
    run_dir, _, out_dir = exported
    places = {"nowhere": tmp_path / "nowhere", "run_dir": run_dir}
    flags = [flag.format(**places) for flag in flags]
    command = [sys.executable, "export/export.py", f"--run_dir={run_dir}", f"--out_dir={out_dir}"]
    done = run(*command, *flags, env=with_package(), status=1)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert "Traceback" not in done.stderr
    assert {path.name for path in out_dir.iterdir()} == {"1"}
