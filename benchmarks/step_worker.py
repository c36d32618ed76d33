"""This project's training step and parts of it, timed where `training.py` says, a line at a time.

Lines of JSON as `torch_peer.py` has them: options in, sizes out; then `[part, steps]` in, seconds
out. Parts: `step`, all of it; `autoencoder`, x's encoder and decoder alone, with their optimiser.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from dcmls_tf import addons, distribution, hand, training
from dcmls_tf.config import Config
from dcmls_tf.model import POSE_AXES

# What moves no bytes, or bytes of no account.
FREE = ("Identity", "Reshape", "ReadVariableOp", "Const", "Placeholder", "Shape", "NoOp", "Squeeze")
Part = Callable[[], Any]


def random_batch(config: Config) -> dict[str, tf.Tensor]:
    """A batch of images as the pipeline would give, of random numbers."""
    size, target = config.input_size, config.reconstruction_size
    shapes = {"x": [size, size, 3], "x_target": [target, target, 3]}
    shapes["y"] = [hand.NUM_JOINTS, POSE_AXES]
    rng = tf.random.Generator.from_seed(0)
    batch = {k: rng.uniform([config.batch_size, *s], -0.5, 0.5) for k, s in shapes.items()}
    return {**batch, "side": tf.zeros([config.batch_size], tf.int64)}


def autoencoder_step(trainer: training.Trainer, batch: Any) -> Part:
    """What takes a step of x's encoder and decoder by their squared error alone."""
    names = ("encoder_x", "decoder_x")
    variables = trainer._variables(names)
    model, z_dim = trainer.model, trainer.config.z_dim
    optimizer = addons.adam(1e-4, 0.9, variables)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            code = model.encoder_x(batch["x"], training=True)[:, :z_dim]
            x = model.decoder_x(code, training=True)
            loss = tf.reduce_mean(tf.math.squared_difference(x, batch["x_target"]))
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return lambda: step(batch).numpy()


def flops_of(op: Any) -> int:
    """Floating-point operations of a matrix product or convolution; 0 of anything else."""
    if op.type == "MatMul":
        rows = op.inputs[0].shape
        return 2 * op.outputs[0].shape.num_elements() * rows[0 if op.get_attr("transpose_a") else 1]
    outputs, kernel = {
        "Conv2D": lambda: (op.outputs[0], op.inputs[1]),
        "Conv2DBackpropInput": lambda: (op.inputs[2], op.inputs[1]),
        "Conv2DBackpropFilter": lambda: (op.inputs[2], op.outputs[0]),
    }.get(op.type, lambda: (None, None))()
    if outputs is None:
        return 0
    return 2 * outputs.shape.num_elements() * (kernel.shape.num_elements() // kernel.shape[3])


def bytes_of(op: Any) -> int:
    """Bytes of an operation's inputs and outputs, each once, as if no cache kept any."""
    if op.type in FREE:
        return 0
    if op.type == "ResourceApplyAdam":
        gradient = op.inputs[-1].shape.num_elements() * 4
        return 7 * gradient  # variable and two moments in and out, the gradient in
    tensors = [t for t in (*op.inputs, *op.outputs) if t.dtype.is_floating]
    return sum((t.shape.num_elements() or 0) * t.dtype.size for t in tensors)


def work(trainer: training.Trainer, batch: Any) -> dict[str, int]:
    """A step's floating-point operations and bytes, from its graph before it is optimised."""
    operations = trainer.train_step.get_concrete_function(batch).graph.get_operations()
    return {
        "flops": sum(map(flops_of, operations)),
        "bytes": sum(map(bytes_of, operations)),
        "operations": len(operations),
    }


def seconds_of(part: Part) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    part()
    return time.perf_counter() - start


def peaks(turns: int = 9) -> dict[str, float]:
    """The machine's: matrix products by type in GFLOP/s, memory in GB/s; the best of many."""
    multiply = tf.function(lambda a: tf.matmul(a, a))
    found = {}
    for name in ("float32", "bfloat16"):
        rates = []
        for n in (1024, 2048):
            a = tf.cast(tf.random.normal([n, n]), name)
            best = min(seconds_of(lambda a=a: multiply(a)[0, 0].numpy()) for _ in range(turns))
            rates.append(2e-9 * n**3 / best)
        found[name] = max(rates)
    many = tf.random.normal([1 << 26])
    add = tf.function(lambda a: a + 1.0)
    best = min(seconds_of(lambda: add(many)[0].numpy()) for _ in range(turns))
    found["memory"] = 1e-9 * 2 * 4 * (1 << 26) / best
    return found


def main() -> None:
    """Lines of JSON in and out, until the first ends."""
    lines = (json.loads(line) for line in sys.stdin)
    options = next(lines)
    threads = options.pop("threads")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    config = Config(**options)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    batch = random_batch(config)
    trainer = training.Trainer(config, distribution.strategy(), total_steps=1000)
    parts = {
        "step": lambda: trainer.train_step(batch)["pose"].numpy(),
        "autoencoder": autoencoder_step(trainer, batch),
    }
    networks = trainer.networks.items()
    parameters = {n: sum(int(tf.size(v)) for v in of.trainable_variables) for n, of in networks}
    sizes = {"tensorflow": tf.__version__, "parameters": parameters, **work(trainer, batch)}
    print(json.dumps(sizes), flush=True)
    for name, count in lines:
        told = peaks() if name == "peaks" else [seconds_of(parts[name]) for _ in range(count)]
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
