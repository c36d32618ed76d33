"""From x's context to what stands for y's in a prediction: the ways that variants differ in.

A bridge is called with z_c^x and gives the distribution of z_c^y; `regularised` says which
distribution Eq. 8 pulls to the prior.
"""

from typing import Protocol

import keras
import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import latent, networks
from dcmls_tf.config import Config
from dcmls_tf.latent import Distribution


class Bridge(Protocol):
    """What every bridge has: the size of z_c^y, the networks that it is made of, and its call."""

    z_c_y_dim: int
    networks: dict[str, keras.layers.Layer]

    def __call__(
        self, z_c_x: Float[tf.Tensor, "B z_c"], training: bool = False
    ) -> Distribution: ...

    def regularised(self, q_c_x: Distribution, q_c_y_hat: Distribution) -> Distribution: ...


class Translation:
    """T translates: z_c^y is drawn from the Gaussian that it gives (Sec. 3.3)."""

    def __init__(self, config: Config):
        self.z_c_y_dim = config.z_c_dim
        self.initial_std = config.initial_std
        translator = networks.translator(config.z_c_dim, config.disc_width, "translator")
        self.networks = {"translator": translator}

    def __call__(self, z_c_x: Float[tf.Tensor, "B z_c"], training: bool = False) -> Distribution:
        """q(z_c^y) by T."""
        params = self.networks["translator"](z_c_x, training=training)
        return latent.posterior(params, self.initial_std)

    def regularised(self, q_c_x: Distribution, q_c_y_hat: Distribution) -> Distribution:
        """T's distribution, as Eq. 8 is read."""
        return q_c_y_hat


class SharedContext:
    """No T: the first `z_c_y_dim` numbers of x's context are y's; 0 where y has none."""

    def __init__(self, z_c_y_dim: int):
        self.z_c_y_dim = z_c_y_dim
        self.networks = {}

    def __call__(self, z_c_x: Float[tf.Tensor, "B z_c"], training: bool = False) -> Distribution:
        """z_c^x itself, as a distribution."""
        return latent.point(z_c_x[:, : self.z_c_y_dim])

    def regularised(self, q_c_x: Distribution, q_c_y_hat: Distribution) -> Distribution:
        """The posterior of x's context, there being no other."""
        return q_c_x


def from_config(config: Config) -> Bridge:
    """The bridge that `--latent` and `--use_translator` ask for."""
    if config.use_translator and config.z_c_y_dim > 0:
        return Translation(config)
    return SharedContext(config.z_c_y_dim)
