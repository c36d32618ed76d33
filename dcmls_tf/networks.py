"""The networks of Sec. 4.2: ResNet-18, image decoder, fully-connected stacks; MobileNetV3.

Networks return float32 tensors, never distributions; discriminators return logits. Dropout
takes an explicit stateless seed, so a step's randomness is a function of the step alone.
Those of images may compute in bfloat16; joint stacks, whose outputs are the pose, do not.
"""

import keras
import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import addons, hand
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.latent import Seed
from dcmls_tf.layers import FusedBatchNorm, PatchConv2D, Stack

# Channels of the first stage; each that follows has twice as many. With 32 an int8 file would have
# more than 3 MB.
RESNETS = {"resnet18": 64, "resnet18_small": 30}
STAGES, BLOCKS_PER_STAGE = 4, 2
MOBILENETS = {
    "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    "mobilenet_v3_large": keras.applications.MobileNetV3Large,
}


class ResidualBlock(keras.layers.Layer):
    """ResNet's basic block (He et al. 2016): two 3×3 convolutions and a shortcut."""

    def __init__(self, filters: int, stride: int, synchronized: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.conv_1 = _conv(filters, 3, stride)
        self.norm_1 = FusedBatchNorm(synchronized=synchronized)
        self.conv_2 = _conv(filters, 3, 1)
        # A block starts as its shortcut (Goyal et al. 2017), so that deep features start small.
        self.norm_2 = FusedBatchNorm(gamma_initializer="zeros", synchronized=synchronized)
        # In ResNet-18 the channels change where the stride is 2 and nowhere else.
        self.projected = stride != 1
        if self.projected:
            self.conv_shortcut = _conv(filters, 1, stride)
            self.norm_shortcut = FusedBatchNorm(synchronized=synchronized)

    def call(
        self, inputs: Float[tf.Tensor, "B H W C"], training: bool = False
    ) -> Float[tf.Tensor, "B h w filters"]:
        """Adds the convolved map to its shortcut; h = ⌈H / stride⌉, w = ⌈W / stride⌉."""
        h = self.conv_1(inputs, training=training)
        h = self.conv_2(tf.nn.relu(self.norm_1(h, training=training)), training=training)
        h = self.norm_2(h, training=training)
        shortcut = inputs
        if self.projected:
            shortcut = self.conv_shortcut(inputs, training=training)
            shortcut = self.norm_shortcut(shortcut, training=training)
        return tf.nn.relu(h + shortcut)


class ResNet18(keras.layers.Layer):
    """ResNet-18 from random initialisation with a linear head.

    width: channels of its first stage, He et al.'s 64 or fewer. The side of the hand, when it is an
    input, joins the pooled features.
    """

    def __init__(self, outputs: int, width: int = 64, synchronized: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.stem = _conv(width, 7, 2)
        self.stem_norm = FusedBatchNorm(synchronized=synchronized)
        self.pool = keras.layers.MaxPooling2D(3, 2, padding="same")
        self.blocks = [
            ResidualBlock(width << stage, 2 if stage and not block else 1, synchronized)
            for stage in range(STAGES)
            for block in range(BLOCKS_PER_STAGE)
        ]
        self.head = keras.layers.Dense(outputs, dtype="float32")

    def call(
        self,
        inputs: Float[tf.Tensor, "B S S 3"],
        side: Float[tf.Tensor, "B 1"] | None = None,
        training: bool = False,
        seed: Seed | None = None,
    ) -> Float[tf.Tensor, "B outputs"]:
        """Reads `inputs` in [-0.5, 0.5]; it has no dropout, so no use of `seed`."""
        h = self.pool(tf.nn.relu(self.stem_norm(self.stem(inputs), training=training)))
        for block in self.blocks:
            h = block(h, training=training)
        return self.head(_with_side(tf.reduce_mean(h, axis=[1, 2]), side))


class MobileNetV3(keras.layers.Layer):
    """MobileNetV3 (Howard et al. 2019), small or large, with a linear head, for devices.

    kind: a key of `MOBILENETS`; size: side of the images in px; weights: `random` or `imagenet`,
    which Keras downloads. Raises `UserError` when it cannot.
    """

    def __init__(
        self,
        kind: str,
        outputs: int,
        size: int,
        weights: str = "random",
        synchronized: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.backbone = _with_fused_norms(_mobilenet(kind, size, weights), synchronized)
        self.head = keras.layers.Dense(outputs, dtype="float32")

    def call(
        self,
        inputs: Float[tf.Tensor, "B S S 3"],
        side: Float[tf.Tensor, "B 1"] | None = None,
        training: bool = False,
        seed: Seed | None = None,
    ) -> Float[tf.Tensor, "B outputs"]:
        """Reads `inputs` in [-0.5, 0.5]; it has no dropout, so no use of `seed`."""
        features = self.backbone(2 * inputs, training=training)  # ImageNet's were in [-1, 1].
        return self.head(_with_side(features, side))


def _mobilenet(kind, size, weights):
    try:
        return MOBILENETS[kind](
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


def _with_fused_norms(backbone, synchronized):
    """A model's twin, whose batch normalisations train faster and may span replicas."""

    def twin(layer):
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer.__class__.from_config(layer.get_config())
        # Not MobileNetV3's momentum: 0.999 remembers the start of a short training.
        return FusedBatchNorm(epsilon=layer.epsilon, synchronized=synchronized, name=layer.name)

    twins = keras.models.clone_model(backbone, clone_function=twin)
    twins.set_weights(backbone.get_weights())
    return twins


def image_encoder(config: Config, outputs: int, name: str) -> keras.layers.Layer:
    """The network that `--encoder` names: images `[B, S, S, 3]` → `[B, outputs]`, float32."""
    with addons.precision(config.precision):
        if config.encoder in RESNETS:
            width = RESNETS[config.encoder]
            return ResNet18(outputs, width, config.sync_batch_norm, name=name)
        size, weights = config.input_size, config.encoder_weights
        return MobileNetV3(
            config.encoder, outputs, size, weights, config.sync_batch_norm, name=name
        )


def image_decoder(config: Config, name: str) -> keras.layers.Layer:
    """G for images: `[B, z]` → `[B, R, R, 3]`, float32."""
    with addons.precision(config.precision):
        return ImageDecoder(config.reconstruction_size, config.sync_batch_norm, name=name)


class JointEncoder(keras.layers.Layer):
    """Five stacks over joints."""

    def __init__(self, outputs: int, width: int, dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.stack = Stack(5, width, [outputs], dropout)

    def call(
        self,
        inputs: Float[tf.Tensor, "B 21 axes"],
        side: Float[tf.Tensor, "B 1"] | None = None,
        training: bool = False,
        seed: Seed | None = None,
    ) -> Float[tf.Tensor, "B outputs"]:
        """Reads joints, and the side of the hand where it is an input."""
        flat = tf.reshape(inputs, [tf.shape(inputs)[0], inputs.shape[1:].num_elements()])
        return self.stack(_with_side(flat, side), training=training, seed=seed)


class ImageDecoder(keras.layers.Layer):
    """Transposed convolutions + BatchNorm + ReLU."""

    def __init__(self, size: int, synchronized: bool = False, **kwargs):
        super().__init__(**kwargs)
        doublings = (size // 4).bit_length() - 1
        filters = [max(16, 256 >> i) for i in range(doublings)]
        self.seed_map = keras.layers.Dense(4 * 4 * filters[0])
        self.seed_norm = FusedBatchNorm(synchronized=synchronized)
        self.ups = [
            keras.layers.Conv2DTranspose(f, 4, 2, padding="same", use_bias=False)
            for f in filters[1:]
        ]
        self.norms = [FusedBatchNorm(synchronized=synchronized) for _ in self.ups]
        self.image = keras.layers.Conv2DTranspose(3, 4, 2, padding="same", dtype="float32")

    def call(
        self, z: Float[tf.Tensor, "B z"], training: bool = False, seed: Seed | None = None
    ) -> Float[tf.Tensor, "B size size 3"]:
        """Draws images in ±0.5; it has no dropout, so no use of `seed`."""
        h = tf.reshape(self.seed_map(z), [tf.shape(z)[0], 4, 4, self.seed_map.units // 16])
        h = tf.nn.relu(self.seed_norm(h, training=training))
        for up, norm in zip(self.ups, self.norms, strict=True):
            h = tf.nn.relu(norm(up(h), training=training))
        return 0.5 * tf.tanh(self.image(h))


def joint_decoder(axes: int, width: int, dropout: float, name: str) -> Stack:
    """G for joints, five stacks: `[B, z]` → `[B, 21, axes]`."""
    return Stack(5, width, [hand.NUM_JOINTS, axes], dropout, name=name)


def discriminator(width: int, spectral: bool, name: str) -> Stack:
    """D_h or D_c, four stacks: a code `[B, D]` → one logit `[B, 1]`."""
    return Stack(4, width, [1], spectral=spectral, name=name)


def translator(z_c_dim: int, width: int, name: str) -> Stack:
    """T, five stacks: z_c^x `[B, z_c]` → location and log-variance of z_c^y, `[B, 2·z_c]`."""
    return Stack(5, width, [2 * z_c_dim], name=name)


def _conv(filters, size, stride):
    return PatchConv2D(
        filters, size, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )


def _with_side(features, side):
    if side is None:
        return features
    return tf.concat([features, tf.cast(side, features.dtype)], axis=-1)
