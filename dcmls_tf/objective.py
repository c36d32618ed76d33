"""The table of equations: what each reads, which networks it moves, and its loss.

A step encodes the modalities that its equations read (`encode`), evaluates their losses on that
one pass (`evaluate`), and applies each loss's gradient to the networks that the equation moves
(Algorithm 1; `training`).
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import latent, losses
from dcmls_tf.config import Config
from dcmls_tf.latent import Code, Seed
from dcmls_tf.losses import PerExample
from dcmls_tf.model import side_input
from dcmls_tf.variants import Model

# What a step's seed is folded with, so that each use of it has numbers of its own.
ENCODING_X, ENCODING_Y, RECONSTRUCTION, TRANSLATION, PREDICTION, SAMPLING = range(6)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """One pass: a batch, and the codes of the modalities that the equations read.

    `batch` has the pairs; `whole` the same with unpaired x and y, if there are any, after them.
    `codes`: modality (`x`, `y`) → `Code` of `whole`. `seed` is stateless, or `None` for the means.
    """

    model: Any  # a DCMLS; direct regression where the table is its own
    batch: Mapping[str, Any]
    whole: Mapping[str, Any]
    codes: Mapping[str, Code]
    seed: Seed | None
    training: bool

    @property
    def x(self) -> Code:
        """The code of x, unpaired examples after the pairs."""
        return self.codes["x"]

    @property
    def y(self) -> Code:
        """The code of y, unpaired examples after the pairs."""
        return self.codes["y"]

    def of_pairs(self, code: Code) -> Code:
        """The part of a code that has both sides of its pair."""
        return code.first(tf.shape(self.batch["y"])[0]) if "unpaired" in self.batch else code


@dataclasses.dataclass(frozen=True)
class Equation:
    """One equation: the modalities that it encodes, the networks that it updates and needs.

    `name` is its key in logs and of its option `weight_<name>`; `substep` is where Algorithm 1
    has it. `loss` is unweighted, per example.
    """

    name: str
    reads: tuple[str, ...]
    moves: tuple[str, ...]
    needs: tuple[str, ...]
    substep: int
    loss: Callable[[Encoded], PerExample]

    def weight(self, config: Config) -> float:
        """Its weight in the sum."""
        return getattr(config, f"weight_{self.name}")


def _eq3x(e: Encoded) -> PerExample:
    seed = latent.fold(latent.fold(e.seed, RECONSTRUCTION), 0)
    x_rec = e.model.decode_x(e.x.z_h, e.x.z_c, e.training, seed)
    target = e.whole.get("x_target", e.whole["x"])
    c = e.model.config
    return losses.d_vae(target, x_rec, e.x.q_h, e.x.q_c, c.weight_kl, c.norm)


def _eq3y(e: Encoded) -> PerExample:
    seed = latent.fold(latent.fold(e.seed, RECONSTRUCTION), 1)
    y_rec = e.model.decode_y(e.y.z_h, e.y.z_c, e.training, seed)
    c = e.model.config
    return losses.d_vae(e.whole["y"], y_rec, e.y.q_h, e.y.q_c, c.weight_kl, c.norm)


def _eq4(e: Encoded) -> PerExample:
    d_h = e.model.adversaries["disc_h"]
    return losses.disc_h(d_h(tf.stop_gradient(e.x.z_h)), d_h(tf.stop_gradient(e.y.z_h)))


def _eq5(e: Encoded) -> PerExample:
    d_h = e.model.adversaries["disc_h"]
    return losses.align(d_h(e.x.z_h), d_h(e.y.z_h))


def _eq6(e: Encoded) -> PerExample:
    d_c = e.model.adversaries["disc_c"]
    z_c_y_hat = _translated(e, e.x)
    return losses.disc_c(d_c(tf.stop_gradient(z_c_y_hat)), d_c(tf.stop_gradient(e.y.z_c)))


def _eq7(e: Encoded) -> PerExample:
    z_c_y_hat = _translated(e, e.of_pairs(e.x))
    d_c = e.model.adversaries.get("disc_c")
    logits = d_c(z_c_y_hat) if d_c else None
    return losses.translate(z_c_y_hat, e.of_pairs(e.y).z_c, logits)


def _translated(e: Encoded, code: Code) -> Float[tf.Tensor, "B z_c"]:
    # Eqs. 6 and 7 do not move encoder_x, so T starts from a detached code.
    q_c_y_hat = e.model.bridge(tf.stop_gradient(code.z_c))
    return latent.sample(q_c_y_hat, latent.fold(e.seed, TRANSLATION))


def _eq8(e: Encoded) -> PerExample:
    code = e.of_pairs(e.x)
    q_c_y_hat = e.model.bridge(code.z_c)
    z_c_y_hat = latent.sample(q_c_y_hat, latent.fold(e.seed, TRANSLATION))
    y_pred = e.model.decode_y(code.z_h, z_c_y_hat, e.training, latent.fold(e.seed, PREDICTION))
    q_c = e.model.bridge.regularised(code.q_c, q_c_y_hat)
    c = e.model.config
    return losses.pose(e.batch["y"], y_pred, code.q_h, q_c, c.weight_kl, c.norm)


def _regression(e: Encoded) -> PerExample:
    side = side_input(e.model.config, e.batch)
    seed = latent.fold(e.seed, ENCODING_X)
    y_pred = e.model(e.batch["x"], side, training=e.training, seed=seed)
    return losses.error(e.batch["y"], y_pred, e.model.config.norm)


X, Y, BOTH = ("x",), ("y",), ("x", "y")
# In the paper's order. An equation without the networks that it needs is not there.
EQUATIONS = (
    #        name         reads  moves                                     needs           substep
    Equation("d_vae_x",   X,    ("encoder_x", "decoder_x"),               ("decoder_x",), 0, _eq3x),
    Equation("d_vae_y",   Y,    ("encoder_y", "decoder_y"),               ("decoder_y",), 0, _eq3y),
    Equation("disc_h",    BOTH, ("disc_h",),                             ("disc_h",),    1, _eq4),
    Equation("align",     BOTH, ("encoder_x", "encoder_y"),               ("disc_h",),    2, _eq5),
    Equation("disc_c",    BOTH, ("disc_c",),                             ("disc_c",),    3, _eq6),
    Equation("translate", BOTH, ("translator",),                          ("translator",), 4, _eq7),
    Equation("pose",      X,    ("encoder_x", "translator", "decoder_y"), ("decoder_y",), 5, _eq8),
)  # fmt: skip
# Direct regression has Eq. 8's error and no code.
REGRESSION = (Equation("pose", (), ("encoder_x",), ("encoder_x",), 0, _regression),)


def equations(model: Model) -> tuple[Equation, ...]:
    """The equations of a variant, in the paper's order."""
    networks = model.networks()
    table = EQUATIONS if model.has_codes else REGRESSION
    return tuple(e for e in table if all(name in networks for name in e.needs))


def encode(
    model: Model,
    batch: Mapping[str, Any],
    seed: Seed | None = None,
    reads: Iterable[str] = ("x", "y"),
    training: bool = False,
) -> Encoded:
    """Encodes the modalities of a batch that are read, each once, and samples their codes.

    `batch` has `x`, `y`, for images `x_target`, and under `unpaired` maybe x and y that are not
    pairs.
    """
    unpaired = batch.get("unpaired", {})
    whole = {**batch, **{k: tf.concat([batch[k], v], axis=0) for k, v in unpaired.items()}}
    encoders = {"x": _encode_x, "y": _encode_y}
    codes = {m: encoders[m](model, whole, seed, training) for m in ("x", "y") if m in reads}
    return Encoded(model, batch, whole, codes, seed, training)


def _encode_x(model, whole, seed, training):
    side = side_input(model.config, whole)
    posteriors = model.encode_x(whole["x"], side, training, latent.fold(seed, ENCODING_X))
    return _sampled(posteriors, seed, SAMPLING)


def _encode_y(model, whole, seed, training):
    posteriors = model.encode_y(whole["y"], training, latent.fold(seed, ENCODING_Y))
    return _sampled(posteriors, seed, SAMPLING + 2)


def _sampled(posteriors, seed, first):
    q_h, q_c = posteriors
    z_h, z_c = (latent.sample(q, latent.fold(seed, first + i)) for i, q in enumerate(posteriors))
    return Code(q_h, q_c, z_h, z_c)


def evaluate(table: Iterable[Equation], encoded: Encoded) -> dict[str, PerExample]:
    """Losses by name, unweighted.

    Gradients of a loss are meant for the networks that its equation moves only. Unpaired x and y
    count in every loss but those that compare the two sides of a pair (Eqs. 7 and 8).
    """
    return {equation.name: equation.loss(encoded) for equation in table}


def weighted_sum(
    table: Iterable[Equation], terms: Mapping[str, PerExample], config: Config
) -> Float[tf.Tensor, ""]:
    """Σ weight · global mean over equations' losses; 0 without any."""
    means = [e.weight(config) * losses.global_mean(terms[e.name]) for e in table]
    return sum(means, tf.constant(0.0))
