"""DCMLS (Figure 1): two variational autoencoders that share the hand's pose.

    x ── encoder_x ──┬─ z_h^x ──────────────┬── decoder_y ── y_pred
                     └─ z_c^x ── translator ┘
    y ── encoder_y ──┬─ z_h^y ┬── decoder_y ── y_rec
                     └─ z_c^y ┘

`disc_h` judges z_h^x against z_h^y, `disc_c` judges T(z_c^x) against z_c^y, and
`decoder_x` turns z_h^x ⊕ z_c^x back into x.
"""

import keras
import tensorflow as tf

from dcmls_tf import hand, latent, networks

POSE_AXES = 3
KEYPOINT_AXES = 2


class DCMLS(keras.Model):
    """The model; `call` is x → y with every code at its mean, the paper's test-time path.

    Shapes: x `[B, H, W, 3]` in [-0.5, 0.5] or `[B, 21, 2]`; y `[B, 21, 3]`, root-relative, in
    scale-bone units, in the crop's frame; `side` `[B, 1]` (0 left, 1 right) when
    `config.side == "input"`, else `None`; `seed` a stateless int32 `[2]`, or `None` for means.

    Depending on the variant some networks are `None`: `disc_h`, `disc_c` and `translator`
    when switched off; a `unified` latent space has no context, and `rgb_context` none in y.
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.z_h_dim = config.z_h_dim
        self._build_x(config)
        self._build_y(config)
        self._build_bridges(config)

    def _build_x(self, c):
        self.encoder_x = x_encoder(c, outputs=2 * (c.z_h_dim + c.z_c_dim))
        if c.modality == "rgb":
            self.decoder_x = networks.image_decoder(c, "decoder_x")
        else:
            self.decoder_x = networks.joint_decoder(
                KEYPOINT_AXES, c.joint_width, c.dropout, "decoder_x"
            )

    def _build_y(self, c):
        self.y_context_dim = c.z_c_dim if c.latent == "full" else 0
        params = 2 * (c.z_h_dim + self.y_context_dim)
        self.encoder_y = networks.JointEncoder(params, c.joint_width, c.dropout, name="encoder_y")
        self.decoder_y = networks.joint_decoder(POSE_AXES, c.joint_width, c.dropout, "decoder_y")

    def _build_bridges(self, c):
        has_t = self.y_context_dim > 0 and c.use_translator
        has_d_h = c.latent != "unified" and c.use_disc_h
        has_d_c = has_t and c.use_disc_c
        self.translator = (
            networks.translator(c.z_c_dim, c.disc_width, "translator") if has_t else None
        )
        self.disc_h = networks.discriminator(c.disc_width, "disc_h") if has_d_h else None
        self.disc_c = networks.discriminator(c.disc_width, "disc_c") if has_d_c else None

    def encode_x(self, x, side=None, training=False, seed=None):
        """q(z_h | x), q(z_c | x)."""
        params = self.encoder_x(x, side=side, training=training, seed=seed)
        return latent.posteriors(params, self.z_h_dim, self.config.initial_std)

    def encode_y(self, y, training=False, seed=None):
        """q(z_h | y), q(z_c | y)."""
        params = self.encoder_y(y, training=training, seed=seed)
        return latent.posteriors(params, self.z_h_dim, self.config.initial_std)

    def translate(self, z_c_x, training=False):
        """T: z_c^x `[B, z_c]` → the distribution of z_c^y, or `None` without a translator."""
        if self.translator is None:
            return None
        return latent.posterior(self.translator(z_c_x, training=training), self.config.initial_std)

    def context_for_y(self, z_c_x, q_c_y_hat, seed=None):
        """What stands for z_c^y in a prediction: T's output, x's own context, or nothing."""
        if q_c_y_hat is not None:
            return latent.sample(q_c_y_hat, seed)
        return z_c_x[:, : self.y_context_dim]

    def decode_x(self, z_h, z_c, training=False, seed=None):
        """G^x: an image `[B, R, R, 3]` or keypoints `[B, 21, 2]`."""
        return self.decoder_x(latent.join(z_h, z_c), training=training, seed=seed)

    def decode_y(self, z_h, z_c, training=False, seed=None):
        """G^y: a pose `[B, 21, 3]`."""
        return self.decoder_y(latent.join(z_h, z_c), training=training, seed=seed)

    def call(self, x, side=None, training=False):
        """y = G^y(z_h^x ⊕ T(z_c^x)) at the means, `[B, 21, 3]` (Sec. 3.3)."""
        q_h, q_c = self.encode_x(x, side, training)
        z_c_x = q_c.mean()
        z_c_y = self.context_for_y(z_c_x, self.translate(z_c_x, training))
        return self.decode_y(q_h.mean(), z_c_y, training)

    def networks(self):
        """The networks of this variant by name."""
        names = ("encoder_x", "decoder_x", "encoder_y", "decoder_y")
        names += ("translator", "disc_h", "disc_c")
        found = {name: getattr(self, name) for name in names}
        return {name: network for name, network in found.items() if network is not None}

    def build(self, input_shape=None):
        """Creates every network's variables, on an example of zeros; shapes are the config's."""
        x, side = zeros_x(self.config)
        q_h, q_c = self.encode_x(x, side)
        _, q_c_y = self.encode_y(tf.zeros([1, hand.NUM_JOINTS, POSE_AXES]))
        self.decode_x(q_h.mean(), q_c.mean())
        self.call(x, side)
        if self.disc_h is not None:
            self.disc_h(q_h.mean())
        if self.disc_c is not None:
            self.disc_c(q_c_y.mean())
        self.built = True


def x_encoder(config, outputs):
    """The network that reads x and gives `[B, outputs]`; shared with direct regression."""
    if config.modality == "rgb":
        return networks.image_encoder(config, outputs, name="encoder_x")
    return networks.JointEncoder(outputs, config.joint_width, config.dropout, name="encoder_x")


def zeros_x(config):
    """A batch of one x of zeros, and its side: what `encoder_x` takes."""
    c = config
    size = [c.input_size, c.input_size, 3] if c.modality == "rgb" else [hand.NUM_JOINTS, 2]
    return tf.zeros([1, *size]), tf.zeros([1, 1]) if c.side == "input" else None


def predict_pose(model, batch):
    """The poses `[B, 21, 3]` of a pipeline batch, in scale-bone units and the crop's frame."""
    return model(batch["x"], side_input(model.config, batch), training=False)


def side_input(config, batch):
    """`[B, 1]` float when the side is an input of the model, else `None`."""
    return tf.cast(batch["side"], tf.float32)[:, None] if config.side == "input" else None
