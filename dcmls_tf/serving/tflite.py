"""TFLite files for LiteRT: a model's network x → y, in four precisions (`lite_model` runs them).

    float32   the checkpoint's numbers
    float16   weights halved; computes in float32 on CPUs
    dynamic   int8 weights; activations are quantised as they come
    int8      int8 weights and activations, input and output too; calibrated on training data;
              without --rays and --unit_bone, whose sums 8 bits are too few for

Input `x` is what the model's encoder takes, `[B, S, S, 3]` in [-0.5, 0.5] (left hands mirrored
where the model was trained so) or `[B, 21, 2]`, and `side` `[B, 1]` for models with
--side=input. Output `joints` `[B, 21, 3]` is in scale bones, root-relative, in the crop's frame.
Preprocessing is not in the file: decoding and cropping are the device's own business.

Files of models with codes have a second signature, `spread`: `x`, `side` and standard normal
`noise` `[B, K, D]` give `joints` `[B, K, 21, 3]`, poses that the model holds possible. Both share
the weights.

B is one as a file is opened, and any other where an interpreter is told so by
`resize_tensor_input`, or a signature's runner is given so many rows. Of other numbers of pixels
than S × S an interpreter says that RESHAPE cannot take them.

Each file carries `metadata.json`, with a checksum that is compared as it is loaded (`lite_file`).
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import addons, files, litert
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline
from dcmls_tf.model import DCMLS, predict_pose, read_pose, side_input, zeros_x
from dcmls_tf.serving import answers, model_card
from dcmls_tf.serving.lite_file import with_metadata
from dcmls_tf.serving.lite_model import NOISE, OUTPUT, SPREAD, Inputs, TFLiteModel
from dcmls_tf.serving.metadata import Metadata
from dcmls_tf.serving.names import DEFAULT_HYPOTHESES, SERVING_DEFAULT
from dcmls_tf.variants import Model

PRECISIONS = ("float32", "float16", "dynamic", "int8")
CALIBRATION_EXAMPLES = 256
EVALUATION_BATCH = 64


def export(
    model: Model, config: Config, metadata: Metadata, folder: str, builder: Any, split: str
) -> None:
    """Writes every precision and the model card into `folder`, which is complete or absent.

    Args:
        model, config: what `checkpoints.load_model` returns.
        metadata: what `metadata.describe` returns.
        folder: where to; it must not be there yet.
        builder: the prepared data that calibrates and evaluates.
        split: the split that the card tells of.

    Raises `UserError` where the folder cannot be written.
    """

    def measure(predict: Callable[[Mapping[str, Any]], Any]) -> model_card.Errors:
        batches = pipeline.evaluation_batches(builder, config, split, EVALUATION_BATCH)
        return model_card.measure(predict, batches, metadata["mean_scale_mm"])

    checkpoint = measure(
        tf.function(lambda batch: predict_pose(model, batch), reduce_retracing=True)
    )
    calibration = calibration_inputs(builder, config)
    with files.writing_to(f"--out_dir={folder}"), files.whole_folder(folder) as partial:
        os.makedirs(partial)
        rows = {}
        for precision in PRECISIONS:
            name = f"{precision}.tflite"
            content = convert(model, precision, calibration)
            content = with_metadata(content, {**metadata, "precision": precision})
            files.write(os.path.join(partial, name), content)
            rows[name] = {
                "bytes": len(content),
                **measure(TFLiteModel.from_bytes(content).predict),
                "latency_ms": {str(n): litert.latency_ms(content, n) for n in model_card.THREADS},
            }
        model_card.write(partial, metadata, split, checkpoint, rows)


class _Weights(tf.Module):
    """A model's weights as tracked `tf.Variable`s, which the converter can freeze.

    It must not see Keras's variables: files made from those fail when they run.
    """

    def __init__(self, model: Model):
        super().__init__(name="dcmls")
        names = ("encoder_x", "translator", "decoder_y")
        networks = model.networks()
        self.weights = [addons.tf_variables(networks[n]) for n in names if n in networks]


def _signatures(model: Model, config: Config) -> dict[str, Any]:
    """The concrete functions of any batch, by name; hands are read as `config` says."""
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], tf.float32, name)
        for name, value in zip(("x", "side"), zeros_x(model.config), strict=True)
        if value is not None
    }
    pose = tf.function(
        lambda *, x, side=None: {OUTPUT: read_pose(model, _of_its_size(x), side, config)}
    )
    functions = {SERVING_DEFAULT: pose.get_concrete_function(**specs)}
    if isinstance(model, DCMLS):
        size = [None, DEFAULT_HYPOTHESES, answers.noise_size(model)]
        noise = tf.TensorSpec(size, tf.float32, NOISE)
        functions[SPREAD] = _spread(model, config).get_concrete_function(**specs, noise=noise)
    return functions


def _spread(model: DCMLS, config: Config) -> Any:
    return tf.function(
        lambda *, x, noise, side=None: {
            OUTPUT: answers.sampled_poses(model, _of_its_size(x), side, noise, config)
        }
    )


def _of_its_size(x: Float[tf.Tensor, "B *x"]) -> Float[tf.Tensor, "B *x"]:
    """`x`, which an interpreter can be told is larger or smaller: then this cannot be computed."""
    return tf.reshape(x, tf.concat([tf.shape(x)[:1], x.shape[1:]], 0))


def convert(model: Model, precision: str, calibration: Iterable[Inputs] = ()) -> bytes:
    """The bytes of a TFLite file.

    Args:
        model: what `checkpoints.load_model` returns.
        precision: one of `PRECISIONS`.
        calibration: for `int8`, what `calibration_inputs` returns.
    """
    config = model.config if precision != "int8" else model.config.replace(rays=0.0, unit_bone=0.0)
    functions = _signatures(model, config)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(_Weights(model), folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, list(functions))
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            examples = list(calibration)
            converter.representative_dataset = lambda: _by_signature(examples, functions)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        with warnings.catch_warnings():
            # The converter calibrates with TensorFlow's own interpreter, which is deprecated.
            warnings.simplefilter("ignore", UserWarning)
            return converter.convert()


def _by_signature(
    examples: Iterable[Inputs], functions: Mapping[str, Any]
) -> Iterator[tuple[str, Inputs]]:
    """Calibration inputs of each signature in turn."""
    yield from ((SERVING_DEFAULT, inputs) for inputs in examples)
    if SPREAD in functions:
        size = functions[SPREAD].structured_input_signature[1][NOISE].shape
        rng = np.random.default_rng(0)
        for inputs in examples:
            yield SPREAD, {**inputs, NOISE: rng.normal(size=[1, *size[1:]]).astype(np.float32)}


def calibration_inputs(
    builder: Any, config: Config, count: int = CALIBRATION_EXAMPLES
) -> list[Inputs]:
    """The inputs of `count` augmented training examples."""
    one_by_one = config.replace(batch_size=1)
    batches = pipeline.training_batches(builder, one_by_one)
    return [_inputs(config, batch) for batch in batches.take(count)]


def _inputs(config: Config, batch: Mapping[str, Any]) -> Inputs:
    """What the network takes of a pipeline batch."""
    inputs = {"x": batch["x"], "side": side_input(config, batch)}
    return {name: np.asarray(value) for name, value in inputs.items() if value is not None}
