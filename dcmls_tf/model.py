"""DCMLS (Figure 1): two variational autoencoders that share the hand's pose.

    x ── encoder_x ──┬─ z_h^x ──────────────┬── decoder_y ── y_pred
                     └─ z_c^x ── translator ┘
    y ── encoder_y ──┬─ z_h^y ┬── decoder_y ── y_rec
                     └─ z_c^y ┘

`disc_h` judges z_h^x against z_h^y, `disc_c` judges T(z_c^x) against z_c^y, and
`decoder_x` turns z_h^x ⊕ z_c^x back into x.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import bridges, hand, latent, networks, rays, turning, unit_bone
from dcmls_tf.config import Config
from dcmls_tf.latent import Distribution, Seed

POSE_AXES = 3
KEYPOINT_AXES = 2

X = Float[tf.Tensor, "B *x"]  # `[B, S, S, 3]` in [-0.5, 0.5] or `[B, 21, 2]`
Pose = Float[tf.Tensor, "B 21 3"]  # root-relative, in scale-bone units, in the crop's frame
Side = Float[tf.Tensor, "B 1"]  # 0 left, 1 right


class DCMLS(keras.Model):
    """The model; `call` is x → y with every code at its mean, the paper's test-time path.

    `side` is given when `config.side == "input"`, else `None`; `seed` is `None` for means. What a
    variant lacks, it lacks in `networks()`: D_h and D_c when switched off, T where the bridge
    from x's context to y's (`bridges`) goes without.
    """

    has_codes = True

    def __init__(self, config: Config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.z_h_dim = config.z_h_dim
        self._build_x(config)
        self._build_y(config)
        self.adversaries = self._adversaries(config)

    def _build_x(self, c):
        self.encoder_x = x_encoder(c, outputs=2 * (c.z_h_dim + c.z_c_dim))
        if c.modality == "rgb":
            self.decoder_x = networks.image_decoder(c, "decoder_x")
        else:
            self.decoder_x = networks.joint_decoder(
                KEYPOINT_AXES, c.joint_width, c.dropout, "decoder_x"
            )

    def _build_y(self, c):
        params = 2 * (c.z_h_dim + c.z_c_y_dim)
        self.encoder_y = networks.JointEncoder(params, c.joint_width, c.dropout, name="encoder_y")
        self.decoder_y = networks.joint_decoder(POSE_AXES, c.joint_width, c.dropout, "decoder_y")
        self.bridge = bridges.from_config(c)
        self._bridge_networks = self.bridge.networks  # where Keras sees them

    def _adversaries(self, c) -> dict[str, keras.layers.Layer]:
        """D_h, where a context is split off from z_h, and D_c, where there are translations."""
        wanted = {
            "disc_h": c.use_disc_h and c.z_c_dim > 0,
            "disc_c": c.use_disc_c and "translator" in self.bridge.networks,
        }
        return {
            name: networks.discriminator(c.disc_width, c.spectral_norm, name)
            for name, has in wanted.items()
            if has
        }

    def encode_x(
        self, x: X, side: Side | None = None, training: bool = False, seed: Seed | None = None
    ) -> tuple[Distribution, Distribution]:
        """q(z_h | x), q(z_c | x)."""
        params = self.encoder_x(x, side=side, training=training, seed=seed)
        return latent.posteriors(params, self.z_h_dim, self.config.initial_std)

    def encode_y(
        self, y: Pose, training: bool = False, seed: Seed | None = None
    ) -> tuple[Distribution, Distribution]:
        """q(z_h | y), q(z_c | y)."""
        params = self.encoder_y(y, training=training, seed=seed)
        return latent.posteriors(params, self.z_h_dim, self.config.initial_std)

    def decode_x(
        self,
        z_h: Float[tf.Tensor, "B z_h"],
        z_c: Float[tf.Tensor, "B z_c"],
        training: bool = False,
        seed: Seed | None = None,
    ) -> X:
        """G^x: an image `[B, R, R, 3]` or keypoints `[B, 21, 2]`."""
        return self.decoder_x(latent.join(z_h, z_c), training=training, seed=seed)

    def decode_y(
        self,
        z_h: Float[tf.Tensor, "B z_h"],
        z_c: Float[tf.Tensor, "B z_c"],
        training: bool = False,
        seed: Seed | None = None,
    ) -> Pose:
        """G^y: a pose."""
        return self.decoder_y(latent.join(z_h, z_c), training=training, seed=seed)

    def predict_from_codes(
        self,
        z_h: Float[tf.Tensor, "B z_h"],
        z_c_x: Float[tf.Tensor, "B z_c"],
        training: bool = False,
    ) -> Pose:
        """y = G^y(z_h ⊕ T(z_c^x)), T at its mean."""
        return self.decode_y(z_h, self.bridge(z_c_x, training).mean(), training)

    def call(self, x: X, side: Side | None = None, training: bool = False) -> Pose:
        """y = G^y(z_h^x ⊕ T(z_c^x)) at the means (Sec. 3.3), without turns and rays."""
        q_h, q_c = self.encode_x(x, side, training)
        return self.predict_from_codes(q_h.mean(), q_c.mean(), training)

    def networks(self) -> dict[str, keras.layers.Layer]:
        """The networks of this variant by name."""
        autoencoders = ("encoder_x", "decoder_x", "encoder_y", "decoder_y")
        always = {name: getattr(self, name) for name in autoencoders}
        return {**always, **self.bridge.networks, **self.adversaries}

    def build(self, input_shape: Any = None) -> None:
        """Creates every network's variables, on an example of zeros; shapes are the config's."""
        x, side = zeros_x(self.config)
        q_h, q_c = self.encode_x(x, side)
        _, q_c_y = self.encode_y(tf.zeros([1, hand.NUM_JOINTS, POSE_AXES]))
        self.decode_x(q_h.mean(), q_c.mean())
        self.call(x, side)
        judged = {"disc_h": q_h, "disc_c": q_c_y}
        for name, discriminator in self.adversaries.items():
            discriminator(judged[name].mean())
        self.built = True


def x_encoder(config: Config, outputs: int) -> keras.layers.Layer:
    """The network that reads x and gives `[B, outputs]`; shared with direct regression."""
    if config.modality == "rgb":
        return networks.image_encoder(config, outputs, name="encoder_x")
    return networks.JointEncoder(outputs, config.joint_width, config.dropout, name="encoder_x")


def zeros_x(config: Config) -> tuple[X, Side | None]:
    """A batch of one x of zeros, and its side: what `encoder_x` takes."""
    c = config
    size = [c.input_size, c.input_size, 3] if c.modality == "rgb" else [hand.NUM_JOINTS, 2]
    return tf.zeros([1, *size]), tf.zeros([1, 1]) if c.side == "input" else None


def predict_pose(model: keras.Model, batch: Mapping[str, Any]) -> Pose:
    """The poses of a pipeline batch."""
    return read_pose(model, batch["x"], side_input(model.config, batch))


def read_pose(
    model: keras.Model, x: X, side: Side | None = None, config: Config | None = None
) -> Pose:
    """The poses of x: the model's answer, as `--turns`, `--rays` and `--unit_bone` have it read.

    config: which says so, default the model's.
    """
    reading: Config = config or model.config
    return mended(reading, _at_angles(model, x, side, reading.turn_angles), x)


def mended(config: Config, y: Float[tf.Tensor, "*B 21 3"], x: X) -> Float[tf.Tensor, "*B 21 3"]:
    """Poses by what is known of them: the rays of the keypoints x, the length of the unit."""
    y = rays.onto(y, x, config.rays) if config.rays else y
    return unit_bone.scaled(y, config.unit_bone) if config.unit_bone else y


def _at_angles(model, x, side, angles):
    """The model's answer, or the mean of those at each angle."""
    if angles == (0.0,):
        return model(x, side, training=False)
    sides = turning.repeated(side, angles)
    return turning.mean_pose(model(turning.turned(x, angles), sides, training=False), angles)


def side_input(config: Config, batch: Mapping[str, Any]) -> Side | None:
    """The side as the model takes it where it is an input, else `None`."""
    return tf.cast(batch["side"], tf.float32)[:, None] if config.side == "input" else None
