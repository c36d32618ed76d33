"""Which model a configuration asks for: DCMLS in its variants, or direct regression."""

from typing import Any

import keras
import tensorflow as tf

from dcmls_tf import hand
from dcmls_tf.config import Config
from dcmls_tf.latent import Seed
from dcmls_tf.model import DCMLS, POSE_AXES, Pose, Side, X, x_encoder, zeros_x


class DirectRegression(keras.Model):
    """x → y by the encoder of x with a joint head, without a latent code.

    What a variational model has to be compared with: the same encoder, data and protocol.
    `call` takes and gives what `DCMLS`'s does.
    """

    has_codes = False

    def __init__(self, config: Config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.encoder_x = x_encoder(config, outputs=hand.NUM_JOINTS * POSE_AXES)

    def call(
        self, x: X, side: Side | None = None, training: bool = False, seed: Seed | None = None
    ) -> Pose:
        """The pose of x; `seed` is for dropout."""
        flat = self.encoder_x(x, side=side, training=training, seed=seed)
        return tf.reshape(flat, [-1, hand.NUM_JOINTS, POSE_AXES])

    def networks(self) -> dict[str, keras.layers.Layer]:
        """The one network, by name."""
        return {"encoder_x": self.encoder_x}

    def build(self, input_shape: Any = None) -> None:
        """Creates the variables, on an example of zeros; shapes are the config's."""
        self.call(*zeros_x(self.config))
        self.built = True


Model = DCMLS | DirectRegression


def from_config(config: Config) -> Model:
    """The model, built."""
    model = DirectRegression(config) if config.latent == "none" else DCMLS(config)
    model.build()
    return model
