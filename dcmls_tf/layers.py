"""The layers that Keras lacks or does slowly: batch normalisation, few pixels, stacks."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from jaxtyping import Float, Int

from dcmls_tf import addons, latent
from dcmls_tf.initializers import LooksLinear

NORM_MOMENTUM = 0.9


class FusedBatchNorm(keras.layers.Layer):
    """Batch normalisation over `[B, H, W, C]` by TensorFlow's fused kernel.

    Keras 3's own layer composes it from small operations, which trains slower. Statistics
    are of one replica's batch; the moving ones are the mean over replicas. With `synchronized`
    they are of the whole batch, by small operations.
    """

    def __init__(
        self,
        momentum: float = NORM_MOMENTUM,
        epsilon: float = 1e-5,
        gamma_initializer: str = "ones",
        synchronized: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.synchronized = synchronized
        self.gamma_initializer = gamma_initializer
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        shape = (input_shape[-1],)
        moving = {"trainable": False, **addons.MEAN_OVER_REPLICAS}
        self.gamma = self._weight(shape, self.gamma_initializer, "gamma")
        self.beta = self._weight(shape, "zeros", "beta")
        self.moving_mean = self._weight(shape, "zeros", "moving_mean", **moving)
        self.moving_variance = self._weight(shape, "ones", "moving_variance", **moving)

    def _weight(self, shape, initializer, name, **options):
        return self.add_weight(
            shape=shape, initializer=initializer, name=name, **options, **addons.KEEP_FLOAT32
        )

    def call(
        self, inputs: Float[tf.Tensor, "B H W C"], training: bool = False, mask: None = None
    ) -> Float[tf.Tensor, "B H W C"]:
        """Normalises by the batch's statistics in training, else by the moving ones.

        `mask` is there since graphs of Keras's layer name it where this one takes its place.
        """
        if training and self.synchronized:
            return self._normalised_by_all(inputs)
        moving = {"mean": self.moving_mean, "variance": self.moving_variance}
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=bool(training),
            **({} if training else {k: tf.convert_to_tensor(v) for k, v in moving.items()}),
        )
        if training:
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        return outputs

    def _normalised_by_all(self, inputs):
        """Normalises by the statistics of the batches of all replicas.

        Taken in float64, so that they do not depend on how many replicas share the batch.
        """
        values = tf.cast(inputs, tf.float32)
        exact = tf.cast(inputs, tf.float64)
        mean = _mean_over_replicas(tf.reduce_mean(exact, [0, 1, 2]))
        squares = tf.math.squared_difference(exact, mean)
        variance = tf.cast(_mean_over_replicas(tf.reduce_mean(squares, [0, 1, 2])), tf.float32)
        mean = tf.cast(mean, tf.float32)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        count = tf.cast(replicas * tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        self._move(self.moving_mean, mean)
        # The fused kernel's is unbiased as well.
        self._move(self.moving_variance, variance * count / tf.maximum(count - 1, 1))
        beta, gamma = (tf.convert_to_tensor(v) for v in (self.beta, self.gamma))
        outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(outputs, inputs.dtype)

    def _move(self, average, value):
        average.assign(self.momentum * average + (1 - self.momentum) * value)


def _mean_over_replicas(value: Float[tf.Tensor, " C"]) -> Float[tf.Tensor, " C"]:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def _kept(
    shape: Int[tf.Tensor, "2"], rate: float, seed: latent.Seed | None
) -> Float[tf.Tensor, "B n"]:
    """What dropout multiplies a replica's features with: 0, or more than 1."""

    def draw(rows: Int[tf.Tensor, ""]) -> Float[tf.Tensor, "rows n"]:
        return tf.nn.experimental.stateless_dropout(tf.ones([rows, shape[1]]), rate, seed=seed)

    return latent.of_replica(draw, shape[0])


class PatchConv2D(keras.layers.Conv2D):
    """A convolution with `same` padding, no bias, quicker to train where few pixels come out.

    On maps of up to 2×2 TensorFlow's CPU kernels leave most of a vector unused; one matrix product
    over patches is the same sum. Inference, and so every export, has the plain operation.
    """

    def call(
        self, inputs: Float[tf.Tensor, "B H W C"], training: bool = False
    ) -> Float[tf.Tensor, "B h w filters"]:
        """Convolves; h = ⌈H / stride⌉, w = ⌈W / stride⌉."""
        if not training or max(self.compute_output_shape(inputs.shape)[1:3]) > 2:
            return super().call(inputs)
        (size, _), (stride, _) = self.kernel_size, self.strides
        steps = [1, stride, stride, 1]
        patches = tf.image.extract_patches(inputs, [1, size, size, 1], steps, [1, 1, 1, 1], "SAME")
        kernel = tf.reshape(tf.convert_to_tensor(self.kernel), [patches.shape[-1], self.filters])
        return tf.tensordot(patches, kernel, 1)


class SpectralDense(keras.layers.Dense):
    """A fully-connected layer whose kernel counts as divided by its largest singular value.

    Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018: one
    power iteration a call. The kernel itself stays what it is, where the layers of Keras and of
    TensorFlow Addons overwrite it, and that only in calls that say that they are training.
    """

    def build(self, input_shape):
        super().build(input_shape)
        options = {"trainable": False, **addons.MEAN_OVER_REPLICAS}
        self.u = self.add_weight(
            shape=(1, self.units), initializer="random_normal", name="u", **options
        )

    def call(self, inputs: Float[tf.Tensor, "B n"], training: None = None) -> Any:
        """`[B, units]`; there is no difference between training and inference."""
        kernel, bias = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)
        fixed = tf.stop_gradient(kernel)
        v = tf.math.l2_normalize(tf.matmul(tf.convert_to_tensor(self.u), fixed, transpose_b=True))
        u = tf.math.l2_normalize(tf.matmul(v, fixed))
        self.u.assign(u)
        norm = tf.reduce_sum(tf.matmul(v, kernel) * u)
        return self.activation(tf.matmul(inputs, kernel / norm) + bias)


class Stack(keras.layers.Layer):
    """`depth` stacks of fully-connected + ReLU with dropout between, then a linear layer.

    `[B, ...]` → `[B, *output_shape]`; inputs are flattened. It starts as a linear map, with
    `spectral` as one over its kernels' norms.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        output_shape: Sequence[int],
        dropout: float = 0.0,
        spectral: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.target_shape = tuple(output_shape)
        self.dropout = dropout
        dense = SpectralDense if spectral else keras.layers.Dense
        self.hidden = [
            dense(width, activation="relu", kernel_initializer=LooksLinear(mirrored_in=i > 0))
            for i in range(depth)
        ]
        size = math.prod(self.target_shape)
        self.head = dense(size, kernel_initializer=LooksLinear(mirrored_out=False))

    def call(
        self,
        inputs: Float[tf.Tensor, "B *n"],
        training: bool = False,
        seed: latent.Seed | None = None,
    ) -> Float[tf.Tensor, "B *output_shape"]:
        """Maps flattened inputs; `seed` is for dropout, used when training."""
        h = tf.reshape(inputs, [tf.shape(inputs)[0], inputs.shape[1:].num_elements()])
        for i, layer in enumerate(self.hidden):
            h = layer(h)
            if training and self.dropout and seed is not None and i + 1 < len(self.hidden):
                h *= _kept(tf.shape(h), self.dropout, latent.fold(seed, i))
        return tf.reshape(self.head(h), [tf.shape(h)[0], *self.target_shape])
