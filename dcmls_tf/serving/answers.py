"""What a model says of network inputs: poses, codes, reconstructions, sampled poses.

The outputs are those of the signatures, by name (see `signatures`).
"""

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Int

from dcmls_tf import turning
from dcmls_tf.config import Config
from dcmls_tf.model import DCMLS, mended, read_pose, side_input
from dcmls_tf.serving import checks
from dcmls_tf.serving.frames import Answer, pose_answer, sample_answer
from dcmls_tf.serving.preprocessing import NetworkInputs, rows_like
from dcmls_tf.variants import Model


class ModelAnswers:
    """A model's answers to network inputs.

    A plain object, which `tf.Module` does not look into: it would save the Keras model's weights
    a second time.

    Args:
        model: what `checkpoints.load_model` returns.
        mean_scale_mm: mean scale bone of the training set.
        hypotheses: how many poses are sampled.
    """

    def __init__(self, model: Model, mean_scale_mm: float, hypotheses: int):
        self._model = model
        self._mean_scale_mm = mean_scale_mm
        self._hypotheses = hypotheses
        self.config = model.config

    @property
    def has_codes(self) -> bool:
        """Whether there is a latent space to encode into, decode from and sample in."""
        return self._model.has_codes

    def pose(self, inputs: NetworkInputs) -> Answer:
        """`joints`, `joints_mm`, and `uv`, `root_mm` where the inputs know their photo."""
        y = read_pose(self._model, inputs["x"], side_input(self.config, inputs))
        return pose_answer(y, inputs, self._mean_scale_mm)

    def codes(self, inputs: NetworkInputs) -> Answer:
        """`z_h`, `z_c` and their standard deviations, without what has no dimension."""
        answer = {}
        for name, q in zip(("z_h", "z_c"), self._posteriors(inputs), strict=True):
            if q.event_shape[0]:
                answer |= {name: q.mean(), f"{name}_std": q.stddev()}
        return checks.answer(answer)

    def decoded(self, z_h: Float[tf.Tensor, "B z_h"], z_c: Float[tf.Tensor, "B z_c"]) -> Answer:
        """`joints`, `joints_mm` in the crop's frame, and x's `image` or `keypoints`."""
        model = self._dcmls()
        y = model.predict_from_codes(z_h, z_c)
        x = model.decode_x(z_h, z_c)
        answer = {"joints": y, "joints_mm": self._mean_scale_mm * y, "keypoints": x}
        answer = checks.answer(answer)
        if self.config.modality == "rgb":
            x = answer.pop("keypoints")
            return {**answer, "image": tf.cast(tf.round(255 * (x + 0.5)), tf.uint8)}
        return answer

    def samples(self, inputs: NetworkInputs, seed: Int[tf.Tensor, "B"]) -> Answer:
        """`joints`, `joints_mm` `[B, K, 21, 3]` of sampled poses; their spread `std`, `std_mm`."""
        model = self._dcmls()
        noise = _noise(rows_like(seed, inputs["x"], "seed"), self._hypotheses, noise_size(model))
        y = sampled_poses(model, inputs["x"], side_input(self.config, inputs), noise)
        return sample_answer(y, inputs, self._mean_scale_mm)

    def _posteriors(self, inputs):
        return self._dcmls().encode_x(inputs["x"], side_input(self.config, inputs))

    def _dcmls(self) -> DCMLS:
        assert isinstance(self._model, DCMLS)  # `has_codes`
        return self._model


def noise_size(model: DCMLS) -> int:
    """How many normal numbers a sampled pose takes: those of z_h, and of both contexts."""
    return model.config.z_h_dim + model.config.z_c_dim + model.bridge.z_c_y_dim


def sampled_poses(
    model: DCMLS,
    x: Float[tf.Tensor, "B *x"],
    side: Float[tf.Tensor, "B 1"] | None,
    noise: Float[tf.Tensor, "B K D"],
    config: Config | None = None,
) -> Float[tf.Tensor, "B K 21 3"]:
    """Poses of which z_h and both contexts are sampled, by normal noise of `noise_size` numbers.

    Each is of one reading of x: the angles of `--turns` take turns. config: as in `read_pose`.
    """
    config = config or model.config
    angles = config.turn_angles
    reading = np.arange(noise.shape[1]) % len(angles)

    def of_readings(values: Float[tf.Tensor, "B*T d"]) -> Float[tf.Tensor, "B K d"]:
        return tf.gather(tf.reshape(values, [-1, len(angles), values.shape[-1]]), reading, axis=1)

    q_h, q_c = model.encode_x(turning.turned(x, angles), turning.repeated(side, angles))
    sizes = [model.config.z_h_dim, model.config.z_c_dim, model.bridge.z_c_y_dim]
    in_h, in_c, in_c_y = tf.split(noise, sizes, -1)
    z_h = _flat(of_readings(q_h.mean()) + of_readings(q_h.stddev()) * in_h)
    z_c_x = _flat(of_readings(q_c.mean()) + of_readings(q_c.stddev()) * in_c)
    q_c_y = model.bridge(z_c_x)
    z_c_y = q_c_y.mean() + q_c_y.stddev() * _flat(in_c_y)
    y = model.decode_y(z_h, z_c_y)
    y = tf.reshape(y, [-1, noise.shape[1], *y.shape[1:]])
    y = turning.turned_back(y, [angles[i] for i in reading])
    return mended(config, y, x[:, None])


def _noise(seed: Int[tf.Tensor, "B"], count: int, dim: int) -> Float[tf.Tensor, "B count dim"]:
    """Standard normal numbers; each hand's depend on its own seed alone."""
    return tf.map_fn(
        lambda s: tf.random.stateless_normal([count, dim], tf.stack([s, 0])),
        seed,
        fn_output_signature=tf.TensorSpec([count, dim], tf.float32),
    )


def _flat(samples: Float[tf.Tensor, "B K D"]) -> Float[tf.Tensor, "B*K D"]:
    return tf.reshape(samples, [-1, samples.shape[-1]])
