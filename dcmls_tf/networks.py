"""The networks of Sec. 4.2: ResNet-18, image decoder, fully-connected stacks; MobileNetV3.

Networks return float32 tensors, never distributions; discriminators return logits. Dropout
takes an explicit stateless seed, so a step's randomness is a function of the step alone.
Those of images may compute in bfloat16; joint stacks, whose outputs are the pose, do not.
"""

import keras
import tensorflow as tf

from dcmls_tf import addons, hand
from dcmls_tf.errors import UserError
from dcmls_tf.initializers import LooksLinear

RESNET18_STAGES = (64, 128, 256, 512)
BLOCKS_PER_STAGE = 2
MOBILENETS = {
    "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    "mobilenet_v3_large": keras.applications.MobileNetV3Large,
}
NORM_MOMENTUM = 0.9


class BatchNormalization(keras.layers.Layer):
    """Batch normalisation over `[B, H, W, C]` by TensorFlow's fused kernel.

    Keras 3's own layer composes it from small operations, which trains slower. Statistics
    are of one replica's batch; the moving ones are the mean over replicas.
    """

    def __init__(self, momentum=NORM_MOMENTUM, epsilon=1e-5, gamma_initializer="ones", **kwargs):
        super().__init__(**kwargs)
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

    def call(self, inputs, training=False):
        """`[B, H, W, C]` → the same shape."""
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

    def _move(self, average, value):
        average.assign(self.momentum * average + (1 - self.momentum) * value)


class Conv2D(keras.layers.Conv2D):
    """A convolution with `same` padding, no bias, quicker to train where few pixels come out.

    On maps of up to 2×2 TensorFlow's CPU kernels leave most of a vector unused; one matrix product
    over patches is the same sum. Inference, and so every export, has the plain operation.
    """

    def call(self, inputs, training=False):
        """`[B, H, W, C]` → `[B, ⌈H / stride⌉, ⌈W / stride⌉, filters]`."""
        if not training or max(self.compute_output_shape(inputs.shape)[1:3]) > 2:
            return super().call(inputs)
        (size, _), (stride, _) = self.kernel_size, self.strides
        steps = [1, stride, stride, 1]
        patches = tf.image.extract_patches(inputs, [1, size, size, 1], steps, [1, 1, 1, 1], "SAME")
        kernel = tf.reshape(tf.convert_to_tensor(self.kernel), [patches.shape[-1], self.filters])
        return tf.tensordot(patches, kernel, 1)


class Stack(keras.layers.Layer):
    """`depth` stacks of fully-connected + ReLU with dropout between, then a linear layer.

    `[B, ...]` → `[B, *output_shape]`; inputs are flattened. It starts as a linear map.
    """

    def __init__(self, depth, width, output_shape, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(output_shape)
        self.dropout = dropout
        self.hidden = [
            keras.layers.Dense(
                width, activation="relu", kernel_initializer=LooksLinear(mirrored_in=i > 0)
            )
            for i in range(depth)
        ]
        size = 1
        for side in self.target_shape:
            size *= side
        self.head = keras.layers.Dense(size, kernel_initializer=LooksLinear(mirrored_out=False))

    def call(self, inputs, training=False, seed=None):
        """`seed`: stateless int32 `[2]` for dropout, used when training."""
        h = tf.reshape(inputs, [tf.shape(inputs)[0], inputs.shape[1:].num_elements()])
        for i, layer in enumerate(self.hidden):
            h = layer(h)
            if training and self.dropout and seed is not None and i + 1 < len(self.hidden):
                layer_seed = tf.random.experimental.stateless_fold_in(seed, i)
                h = tf.nn.experimental.stateless_dropout(h, self.dropout, seed=layer_seed)
        return tf.reshape(self.head(h), [tf.shape(h)[0], *self.target_shape])


class ResidualBlock(keras.layers.Layer):
    """ResNet's basic block (He et al. 2016): two 3×3 convolutions and a shortcut."""

    def __init__(self, filters, stride, **kwargs):
        super().__init__(**kwargs)
        self.conv_1 = _conv(filters, 3, stride)
        self.norm_1 = BatchNormalization()
        self.conv_2 = _conv(filters, 3, 1)
        # A block starts as its shortcut (Goyal et al. 2017), so that deep features start small.
        self.norm_2 = BatchNormalization(gamma_initializer="zeros")
        # In ResNet-18 the channels change where the stride is 2 and nowhere else.
        self.projected = stride != 1
        if self.projected:
            self.conv_shortcut = _conv(filters, 1, stride)
            self.norm_shortcut = BatchNormalization()

    def call(self, inputs, training=False):
        """`[B, H, W, C]` → `[B, H / stride, W / stride, filters]`."""
        h = self.conv_1(inputs, training=training)
        h = self.conv_2(tf.nn.relu(self.norm_1(h, training=training)), training=training)
        h = self.norm_2(h, training=training)
        shortcut = inputs
        if self.projected:
            shortcut = self.conv_shortcut(inputs, training=training)
            shortcut = self.norm_shortcut(shortcut, training=training)
        return tf.nn.relu(h + shortcut)


class ResNet18(keras.layers.Layer):
    """ResNet-18 from random initialisation with a linear head: `[B, H, W, 3]` → `[B, outputs]`.

    The side of the hand, when it is an input, joins the pooled features.
    """

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.stem = _conv(64, 7, 2)
        self.stem_norm = BatchNormalization()
        self.pool = keras.layers.MaxPooling2D(3, 2, padding="same")
        self.blocks = [
            ResidualBlock(filters, 2 if stage and not block else 1)
            for stage, filters in enumerate(RESNET18_STAGES)
            for block in range(BLOCKS_PER_STAGE)
        ]
        self.head = keras.layers.Dense(outputs, dtype="float32")

    def call(self, inputs, side=None, training=False, seed=None):
        """`inputs` in [-0.5, 0.5]; `side` `[B, 1]` or `None`; no dropout, so no use of `seed`."""
        h = self.pool(tf.nn.relu(self.stem_norm(self.stem(inputs), training=training)))
        for block in self.blocks:
            h = block(h, training=training)
        return self.head(_with_side(tf.reduce_mean(h, axis=[1, 2]), side))


class MobileNetV3(keras.layers.Layer):
    """MobileNetV3 (Howard et al. 2019), small or large, with a linear head, for devices.

    `[B, size, size, 3]` → `[B, outputs]`. `weights`: `random` or `imagenet`, which Keras
    downloads; raises `UserError` when it cannot.
    """

    def __init__(self, kind, outputs, size, weights="random", **kwargs):
        super().__init__(**kwargs)
        self.backbone = _mobilenet(kind, size, weights)
        self.head = keras.layers.Dense(outputs, dtype="float32")

    def call(self, inputs, side=None, training=False, seed=None):
        """`inputs` in [-0.5, 0.5]; `side` `[B, 1]` or `None`; no dropout, so no use of `seed`."""
        features = self.backbone(2 * inputs, training=training)  # ImageNet's were in [-1, 1].
        return self.head(_with_side(features, side))


def _mobilenet(kind, size, weights):
    try:
        backbone = MOBILENETS[kind](
            input_shape=(size, size, 3),
            include_top=False,
            include_preprocessing=False,
            pooling="avg",
            weights=None if weights == "random" else weights,
        )
    except Exception as error:  # Keras raises a bare one when a download fails
        if weights == "random":
            raise
        raise UserError(
            f"--encoder_weights={weights}: Keras could not download the weights of {kind} "
            f"({error}); use --encoder_weights=random"
        ) from None
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = NORM_MOMENTUM  # 0.999 remembers the start of a short training
    return backbone


def image_encoder(config, outputs, name):
    """The network that `--encoder` names: images `[B, S, S, 3]` → `[B, outputs]`, float32."""
    with addons.precision(config.precision):
        if config.encoder == "resnet18":
            return ResNet18(outputs, name=name)
        return MobileNetV3(
            config.encoder, outputs, config.input_size, config.encoder_weights, name=name
        )


def image_decoder(config, name):
    """G for images: `[B, z]` → `[B, R, R, 3]`, float32."""
    with addons.precision(config.precision):
        return ImageDecoder(config.reconstruction_size, name=name)


class JointEncoder(keras.layers.Layer):
    """Five stacks over joints: `[B, 21, 2 or 3]` → `[B, outputs]`."""

    def __init__(self, outputs, width, dropout, **kwargs):
        super().__init__(**kwargs)
        self.stack = Stack(5, width, [outputs], dropout)

    def call(self, inputs, side=None, training=False, seed=None):
        """`side` `[B, 1]` or `None`."""
        flat = tf.reshape(inputs, [tf.shape(inputs)[0], inputs.shape[1:].num_elements()])
        return self.stack(_with_side(flat, side), training=training, seed=seed)


class ImageDecoder(keras.layers.Layer):
    """Transposed convolutions + BatchNorm + ReLU: `[B, z]` → `[B, size, size, 3]` in ±0.5."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        doublings = (size // 4).bit_length() - 1
        filters = [max(16, 256 >> i) for i in range(doublings)]
        self.seed_map = keras.layers.Dense(4 * 4 * filters[0])
        self.seed_norm = BatchNormalization()
        self.ups = [
            keras.layers.Conv2DTranspose(f, 4, 2, padding="same", use_bias=False)
            for f in filters[1:]
        ]
        self.norms = [BatchNormalization() for _ in self.ups]
        self.image = keras.layers.Conv2DTranspose(3, 4, 2, padding="same", dtype="float32")

    def call(self, z, training=False, seed=None):
        """No dropout, so no use of `seed`."""
        h = tf.reshape(self.seed_map(z), [tf.shape(z)[0], 4, 4, self.seed_map.units // 16])
        h = tf.nn.relu(self.seed_norm(h, training=training))
        for up, norm in zip(self.ups, self.norms, strict=True):
            h = tf.nn.relu(norm(up(h), training=training))
        return 0.5 * tf.tanh(self.image(h))


def joint_decoder(axes, width, dropout, name):
    """G for joints, five stacks: `[B, z]` → `[B, 21, axes]`."""
    return Stack(5, width, [hand.NUM_JOINTS, axes], dropout, name=name)


def discriminator(width, name):
    """D_h or D_c, four stacks: a code `[B, D]` → one logit `[B, 1]`."""
    return Stack(4, width, [1], name=name)


def translator(z_c_dim, width, name):
    """T, five stacks: z_c^x `[B, z_c]` → location and log-variance of z_c^y, `[B, 2·z_c]`."""
    return Stack(5, width, [2 * z_c_dim], name=name)


def _conv(filters, size, stride):
    return Conv2D(
        filters, size, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )


def _with_side(features, side):
    if side is None:
        return features
    return tf.concat([features, tf.cast(side, features.dtype)], axis=-1)
