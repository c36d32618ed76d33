"""Thousands of mixed good and bad requests from several client processes to one server.

    python tests/serving_load.py --requests=5000 --clients=4

Exports a model of photos and one of keypoints, of random weights, serves both by
`serving_host.py`, and sends requests drawn from `Pool`. Every answer is compared with the run's
own, every refusal with the sentence that it has to hold; memory is the server's after each quarter
of the requests, the first of which warms it up. Prints a report as JSON; exits with 1 when an
answer was wrong.
"""

import argparse
import base64
import io
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

PREDICT = "/tensorflow.serving.PredictionService/Predict"
ROUNDS = 4
TESTS = os.path.dirname(os.path.abspath(__file__))


class Request(NamedTuple):
    """What is sent, and what has to come back.

    body: a serialised PredictRequest, or JSON for REST.
    model: for REST, whose.
    answer: the right arrays by name, or `None`.
    refusal: text that the refusal holds; where there is no answer either, any answer will do that
        is finite, and any INVALID_ARGUMENT.
    """

    kind: str
    body: bytes
    model: str = ""
    answer: dict[str, Any] | None = None
    refusal: str | None = None


def client(pool_path: str, ports: dict[str, int], count: int, seed: int) -> None:
    """Sends `count` requests of a pool; prints the distinct outcomes, pickled.

    It needs no TensorFlow: requests are ready, and answers are read by who started it.
    """
    import grpc

    with open(pool_path, "rb") as file:
        bodies = pickle.load(file)  # What this script wrote.
    outcomes: Counter[tuple[int, str, bytes]] = Counter()
    draw = random.Random(seed)
    with grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        predict = channel.unary_unary(PREDICT)
        for _ in range(count):
            index = draw.randrange(len(bodies))
            model, body = bodies[index]
            ask = _rest if model else _grpc
            outcomes[(index, *ask(predict, ports["rest"], model, body))] += 1
    sys.stdout.buffer.write(pickle.dumps(outcomes))


def _grpc(predict: Any, _: int, model: str, body: bytes) -> tuple[str, bytes]:
    import grpc

    try:
        return "OK", predict(body, timeout=120)
    except grpc.RpcError as error:
        call: Any = error  # An error of a call is the call, too.
        return call.code().name, call.details().encode()


def _rest(_: Any, port: int, model: str, body: bytes) -> tuple[str, bytes]:
    url = f"http://127.0.0.1:{port}/v1/models/{model}:predict"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=120) as response:
            return "OK", response.read()
    except urllib.error.HTTPError as error:
        with error:
            return "INVALID_ARGUMENT" if error.code == 400 else str(error.code), error.read()


class Pool:
    """Requests of every kind, made once: good ones with the run's own answers."""

    def __init__(self, runs: dict[str, str]):
        from dcmls_tf.photos import backends

        self.requests: list[Request] = []
        self._backends = {name: backends.load(path) for name, path in runs.items()}
        self._add_photos()
        self._add_keypoints()
        self._add_malformed()

    def _add_photos(self) -> None:
        import bombs
        import numpy as np
        from bad_inputs import BAD_BOX, BAD_K, BAD_SIDE

        for number in range(16):
            rows = (1, 1, 1, 3)[number % 4]
            self._good("hands", _photos(number, rows))
        base = _photos(0, 1)
        for name, values in {"box": BAD_BOX, "K": BAD_K, "side": BAD_SIDE}.items():
            for value in values.values():
                dtype = base[name].dtype
                self._bad("hands", {**base, name: np.asarray([value], dtype)}, f"{name}: row 0")
        eight = _photos(1, 8)
        for name, value in {"box": BAD_BOX["NaN"], "K": BAD_K["NaN"], "side": 2}.items():
            rows = eight[name].copy()
            rows[5] = value
            self._bad("hands", {**eight, name: rows}, f"{name}: row 5")
        png, jpeg = _encoded("png"), _encoded("jpeg")
        images = {
            bombs.blank_png(20_000, 20_000): "row 0 has more than 50 million pixels",
            bombs.jpeg_of_scans(_encoded("jpeg", progressive=True), 500): "of more than 32 scans",
            b"": "row 0 is no PNG, JPEG or BMP",
            b"no picture": "row 0 is no PNG, JPEG or BMP",
            _encoded("gif"): "row 0 is no PNG, JPEG or BMP",
            png[: len(png) // 2]: "PNG",
            jpeg[: len(jpeg) // 2]: "JPEG",
        }
        for content, said in images.items():
            self._bad("hands", {**base, "image": np.array([content], object)}, said)
        draw = random.Random(0)
        for content in [png, jpeg] * 12:
            damaged = bytearray(content)
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            image = np.array([bytes(damaged)], object)
            self._either("hands", {**base, "image": image})
        rows = eight["image"].copy()
        rows[3] = b"no picture"
        self._bad("hands", {**eight, "image": rows}, "image: row 3")
        self._bad("hands", {**base, "box": eight["box"][:3]}, "box: has 3 rows for 1")

    def _add_keypoints(self) -> None:
        import numpy as np
        from bad_inputs import BAD_K, BAD_PALM, BAD_SIDE, BAD_SIZE, BAD_UV

        for number in range(16):
            self._good("keypoints", _keypoints(number, (1, 2, 4, 8)[number % 4]))
        base, four = _keypoints(0, 1), _keypoints(1, 4)
        bad = {"keypoints": BAD_UV, "palm": BAD_PALM, "image_size": BAD_SIZE, "K": BAD_K}
        for name, values in {**bad, "side": BAD_SIDE}.items():
            for value in values.values():
                dtype = base[name].dtype
                changed = {**base, name: np.asarray([value], dtype)}
                self._bad("keypoints", changed, f"{name}: row 0")
                rows = four[name].copy()
                rows[2] = value
                self._bad("keypoints", {**four, name: rows}, f"{name}: row 2")
        draw = np.random.default_rng(0)
        for _ in range(40):
            scale = 10 ** draw.uniform(-4, 4, 2)
            wild = {**base, "keypoints": base["keypoints"] * np.float32(scale[0])}
            wild["K"] = base["K"] * np.array([[scale[1]], [scale[1]], [1]], np.float32)
            self._either("keypoints", wild)

    def _add_malformed(self) -> None:
        import numpy as np

        base = _keypoints(0, 1)
        without = {name: value for name, value in base.items() if name != "K"}
        self._bad("keypoints", without, "does not match signature")
        self._bad("keypoints", {**base, "keypoints": np.zeros([1, 20, 2], np.float32)}, "")
        of_floats, *_ = _both("keypoints", {**base, "side": np.ones(1, np.float32)})
        self.requests.append(of_floats._replace(refusal="expected int32"))
        codes = {"z_h": np.full([2, 15], np.nan, np.float32), "z_c": np.zeros([2, 15], np.float32)}
        self._bad("hands", codes, "z_h: row 0", "decode")
        self._bad("hands", codes, "no signature", "decoed")
        crops = {"crops": np.full([1, 64, 64, 3], 255, np.float32), "side": np.ones(1, np.int32)}
        self._bad("hands", crops, "crops: row 0", "crops_float")

    def _good(self, model: str, inputs: dict[str, Any]) -> None:
        answer = self._backends[model].answer("serving_default", **inputs)
        for request in _both(model, inputs):
            self.requests.append(request._replace(answer=answer))

    def _bad(self, model: str, inputs: dict[str, Any], said: str, signature: str = "") -> None:
        for request in _both(model, inputs, signature or "serving_default"):
            self.requests.append(request._replace(refusal=said))

    def _either(self, model: str, inputs: dict[str, Any]) -> None:
        self.requests += _both(model, inputs)


def _photos(number: int, rows: int) -> dict[str, Any]:
    import numpy as np
    from bad_inputs import K

    rng = np.random.default_rng(number)
    corner = rng.uniform([-5, -5], [30, 20], (rows, 2))
    forms = ("png", "jpeg", "bmp")
    return {
        "image": np.array(
            [_encoded(forms[r % 3], r) for r in range(number, number + rows)], object
        ),
        "box": np.hstack([corner, corner + rng.uniform(8, 40, (rows, 2))]).astype(np.float32),
        "side": rng.integers(0, 2, rows).astype(np.int32),
        "K": np.stack([K * np.float32(rng.integers(2))] * rows),
    }


def _keypoints(number: int, rows: int) -> dict[str, Any]:
    import numpy as np
    from bad_inputs import HEIGHT, UV, WIDTH, K

    rng = np.random.default_rng(number)
    return {
        "keypoints": (UV + rng.uniform(-9, 9, (rows, 21, 2))).astype(np.float32),
        "palm": rng.uniform(10, 40, (rows, 2)).astype(np.float32),
        "image_size": np.array([[WIDTH, HEIGHT]] * rows, np.float32),
        "side": rng.integers(0, 2, rows).astype(np.int32),
        "K": np.stack([K * np.float32(rng.integers(2))] * rows),
    }


def _encoded(form: str, number: int = 0, **options: Any) -> bytes:
    import numpy as np
    from bad_inputs import HEIGHT, WIDTH
    from PIL import Image

    blobs = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(blobs).resize((WIDTH, HEIGHT)).save(content, form, **options)
    return content.getvalue()


def _both(model: str, inputs: dict[str, Any], signature: str = "serving_default") -> list[Request]:
    """A request over gRPC, and over REST where JSON can say it."""
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    proto = predict_pb2.PredictRequest()
    proto.model_spec.name, proto.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        proto.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    requests = [Request("grpc", proto.SerializeToString())]
    numbers = (value for value in inputs.values() if value.dtype != object)
    if all(np.isfinite(value).all() for value in numbers) and signature == "serving_default":
        columns = {name: _json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
        requests.append(Request("rest", body, model))
    return requests


def _json(value: Any) -> list[Any]:
    if value.dtype != object:
        return value.tolist()
    return [{"b64": base64.b64encode(entry).decode()} for entry in value]


def judge(request: Request, status: str, content: bytes) -> tuple[str, str]:
    """How a request ended, and what is wrong with it, if anything."""
    import numpy as np

    if status == "OK":
        answer = _arrays(request, content)
        if not all(np.isfinite(value).all() for value in answer.values()):
            return "answered", "the answer is not finite"
        if request.refusal is not None:
            return "answered", f"answered, where it should say {request.refusal!r}"
        for name, expected in (request.answer or {}).items():
            if not np.allclose(answer[name], expected, rtol=1e-3, atol=1e-3):
                off = np.abs(answer[name] - expected).max()
                return "answered", f"{name} is off by {off}"
        return "answered", ""
    said = content.decode(errors="replace")
    if status != "INVALID_ARGUMENT":
        return "failed", f"{status}: {said[-300:]}"
    if request.answer is not None:
        return "refused", f"a good request is refused: {said[-300:]}"
    if request.refusal is not None and request.refusal not in said:
        return "refused", f"says {said[-300:]}, not {request.refusal!r}"
    return "refused", ""


def _arrays(request: Request, content: bytes) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    if request.kind == "rest":
        outputs = json.loads(content)["outputs"]
        return {name: np.array(value, np.float32) for name, value in outputs.items()}
    response = predict_pb2.PredictResponse.FromString(content)
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def export(folder: Path) -> tuple[dict[str, str], str]:
    """Two runs of random weights by name, and a ModelServerConfig of their exports."""
    import hand_files

    from dcmls_tf import checkpoints
    from dcmls_tf.data.statistics import TrainingStatistics
    from dcmls_tf.serving import metadata, saved_model
    from dcmls_tf.serving.signatures import ServedModel

    runs, config = {}, ""
    for name, modality in (("hands", "rgb"), ("keypoints", "2d")):
        runs[name] = hand_files.write_run(folder / "runs" / name, modality=modality)
        model, options, step = checkpoints.load_model(runs[name])
        statistics = TrainingStatistics.load(runs[name])
        described = metadata.describe(options, statistics, runs[name], step)
        served = ServedModel.from_run(model, runs[name])
        saved_model.save(served, described, str(folder / name), 1, with_warm_up=False)
        config += f'config {{ name: "{name}" base_path: "{folder / name}" }}\n'
    (folder / "models.config").write_text(f"model_config_list {{\n{config}}}\n")
    return runs, str(folder / "models.config")


def resident_kb(pid: int, field: str = "VmRSS") -> int:
    """A process's memory in kB, from Linux."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def run(requests: int, clients: int, seed: int, folder: Path) -> dict[str, Any]:
    """The report of a server under load."""
    runs, config_path = export(folder)
    pool = Pool(runs).requests
    (folder / "pool").write_bytes(pickle.dumps([(r.model, r.body) for r in pool]))
    host = subprocess.Popen(
        [sys.executable, os.path.join(TESTS, "serving_host.py"), config_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Memory that each thread keeps for itself would look like growth.
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "MALLOC_ARENA_MAX": "2"},
    )
    try:
        assert host.stdout is not None
        ports = json.loads(host.stdout.readline())
        outcomes: Counter[tuple[int, str, bytes]] = Counter()
        memory_kb = []
        for number in range(ROUNDS):
            outcomes += _round(folder, ports, requests // ROUNDS, clients, seed + number)
            memory_kb.append(resident_kb(host.pid))
        peak_kb = resident_kb(host.pid, "VmHWM")
    finally:
        host.communicate(timeout=60)
    memory = {
        "server_memory_kb": memory_kb,
        "server_peak_kb": peak_kb,
        "server_memory_growth": round(memory_kb[-1] / memory_kb[0] - 1, 4),
    }
    return {**_report(pool, outcomes), **memory}


def _round(
    folder: Path, ports: dict[str, int], requests: int, clients: int, seed: int
) -> Counter[tuple[int, str, bytes]]:
    command = [sys.executable, os.path.abspath(__file__), "--client", str(folder / "pool")]
    command += [json.dumps({name: ports[name] for name in ("grpc", "rest")})]
    counts = [requests // clients + (n < requests % clients) for n in range(clients)]
    processes = [
        subprocess.Popen([*command, str(count), str(1000 * seed + n)], stdout=subprocess.PIPE)
        for n, count in enumerate(counts)
    ]
    outcomes: Counter[tuple[int, str, bytes]] = Counter()
    for process in processes:
        content, _ = process.communicate()
        assert process.returncode == 0
        outcomes += pickle.loads(content)
    return outcomes


def _report(pool: list[Request], outcomes: Counter[tuple[int, str, bytes]]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    wrong = []
    for (index, status, content), times in outcomes.items():
        request = pool[index]
        outcome, complaint = judge(request, status, content)
        counts[outcome] += times
        counts["good"] += times * (request.answer is not None)
        counts["bad"] += times * (request.refusal is not None)
        if complaint:
            wrong.append({"request": index, "kind": request.kind, "times": times, "is": complaint})
    return {
        "requests": sum(outcomes.values()),
        "kinds_of_requests": len(pool),
        **counts,
        "wrong": sum(entry["times"] for entry in wrong),
        "wrong_ones": wrong[:20],
    }


def main() -> None:
    """Flags → a report."""
    if sys.argv[1:2] == ["--client"]:
        path, ports, count, seed = sys.argv[2:]
        client(path, json.loads(ports), int(count), int(seed))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run(options.requests, options.clients, options.seed, Path(folder))
    print(json.dumps(report, indent=2))
    sys.exit(1 if report["wrong"] else 0)


if __name__ == "__main__":
    main()
