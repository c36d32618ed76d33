"""How fully-connected stacks start: as linear maps, so that deep chains of them train."""

import keras
import tensorflow as tf


class LooksLinear(keras.initializers.Initializer):
    """Orthogonal kernels in mirrored pairs (Balduzzi et al. 2017, on shattered gradients).

    Of each pair of ReLU units one has the other's weights negated, so relu(a) − relu(−a) = a and
    a whole stack starts as one linear map that keeps the mean square of what passes. A pose goes
    through up to fifteen such layers (encoder, translator, decoder); from independent random
    weights they learn far slower than the five of direct regression.

    mirrored_in, mirrored_out: whether the units before and after this layer are such pairs; the
    first layer of a stack has plain inputs, its head plain outputs.
    """

    def __init__(self, mirrored_in=True, mirrored_out=True):
        self.mirrored_in = mirrored_in
        self.mirrored_out = mirrored_out
        self.orthogonal = keras.initializers.Orthogonal()

    def __call__(self, shape, dtype=None, **kwargs):
        """A kernel `[inputs, outputs]`; an odd number of mirrored units leaves one unpaired."""
        inputs, outputs = shape
        rows = -(-inputs // 2) if self.mirrored_in else inputs
        columns = -(-outputs // 2) if self.mirrored_out else outputs
        kernel = self.orthogonal((rows, columns), dtype) * max(1.0, columns / rows) ** 0.5
        if self.mirrored_out:
            kernel = tf.concat([kernel, -kernel], axis=1)
        if self.mirrored_in:
            kernel = tf.concat([kernel, -kernel], axis=0)
        return kernel[:inputs, :outputs]

    def get_config(self):
        """What Keras needs to make it again."""
        return {"mirrored_in": self.mirrored_in, "mirrored_out": self.mirrored_out}
