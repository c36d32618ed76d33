"""Which tensors feed which equation, and which networks each equation moves."""

import dataclasses
import functools

import tensorflow as tf

from dcmls_tf import latent, losses
from dcmls_tf.model import side_input

# The networks that each equation updates (Algorithm 1).
MOVES = {
    "d_vae_x": ("encoder_x", "decoder_x"),
    "d_vae_y": ("encoder_y", "decoder_y"),
    "disc_h": ("disc_h",),
    "align": ("encoder_x", "encoder_y"),
    "disc_c": ("disc_c",),
    "translate": ("translator",),
    "pose": ("encoder_x", "translator", "decoder_y"),
}

# What a step's seed is folded with, so that each use of it has numbers of its own.
ENCODING_X, ENCODING_Y, RECONSTRUCTION, TRANSLATION, PREDICTION, SAMPLING = range(6)


@dataclasses.dataclass(frozen=True)
class Code:
    """The posteriors of one modality and a sample of each."""

    q_h: object
    q_c: object
    z_h: tf.Tensor
    z_c: tf.Tensor

    def first(self, count):
        """The code of the first `count` examples."""
        return Code(self.q_h[:count], self.q_c[:count], self.z_h[:count], self.z_c[:count])


@dataclasses.dataclass(frozen=True)
class Forward:
    """One pass of a batch through a model; encodes a modality when an equation first asks for it.

    `batch` has `x`, `y`, for images `x_target`, and under `unpaired` maybe x and y that are not
    pairs. `seed` is stateless, or `None` for the means.
    """

    model: object
    batch: dict
    seed: object = None
    training: bool = True

    @functools.cached_property
    def x(self):
        """`Code` of x, unpaired examples after the pairs."""
        side = side_input(self.model.config, self.whole)
        seed = self.fold(ENCODING_X)
        return self._sampled(self.model.encode_x(self.whole["x"], side, self.training, seed), 0)

    @functools.cached_property
    def y(self):
        """`Code` of y, unpaired examples after the pairs."""
        seed = self.fold(ENCODING_Y)
        return self._sampled(self.model.encode_y(self.whole["y"], self.training, seed), 2)

    @functools.cached_property
    def whole(self):
        """The batch with its unpaired x and y, if there are any, appended to its pairs."""
        unpaired = self.batch.get("unpaired", {})
        whole = {k: tf.concat([self.batch[k], v], axis=0) for k, v in unpaired.items()}
        return {**self.batch, **whole}

    def encode(self):
        """Both modalities' codes, x's and y's, now and not later."""
        return self.x, self.y

    def of_pairs(self, code):
        """The part of a code that has both sides of its pair."""
        return code.first(tf.shape(self.batch["y"])[0]) if "unpaired" in self.batch else code

    def fold(self, data):
        """The seed of one use of it; `None` when there is none."""
        return _fold(self.seed, data)

    def _sampled(self, posteriors, offset):
        seeds = [self.fold(SAMPLING + offset + i) for i in range(2)]
        return Code(*posteriors, *map(latent.sample, posteriors, seeds))


def term_names(model):
    """The equations of this variant, in the paper's order; direct regression has Eq. 8's error."""
    if model.config.latent == "none":
        return ("pose",)
    needed = {
        "disc_h": model.disc_h,
        "align": model.disc_h,
        "disc_c": model.disc_c,
        "translate": model.translator,
    }
    return tuple(name for name in MOVES if needed.get(name, model) is not None)


def terms(forward, names):
    """Equations' losses, unweighted, per example: name → `[B]`.

    Gradients of a term are meant for `MOVES[name]` only. Unpaired x and y count in every term
    but those that compare the two sides of a pair (Eqs. 7 and 8).
    """
    return {name: EQUATIONS[name](forward) for name in names}


def regression_terms(model, batch, seed):
    """The one term of `variants.DirectRegression`: the mean squared error of the pose, `[B]`."""
    side = side_input(model.config, batch)
    y_pred = model(batch["x"], side, training=True, seed=_fold(seed, ENCODING_X))
    return {"pose": losses.mean_squared_error(batch["y"], y_pred)}


def _d_vae_x(f):
    seed = _fold(f.fold(RECONSTRUCTION), 0)
    x_rec = f.model.decode_x(f.x.z_h, f.x.z_c, f.training, seed)
    target = f.whole.get("x_target", f.whole["x"])
    return losses.d_vae(target, x_rec, f.x.q_h, f.x.q_c, f.model.config.weight_kl)


def _d_vae_y(f):
    seed = _fold(f.fold(RECONSTRUCTION), 1)
    y_rec = f.model.decode_y(f.y.z_h, f.y.z_c, f.training, seed)
    return losses.d_vae(f.whole["y"], y_rec, f.y.q_h, f.y.q_c, f.model.config.weight_kl)


def _disc_h(f):
    return losses.disc_h(*(f.model.disc_h(tf.stop_gradient(code.z_h)) for code in (f.x, f.y)))


def _align(f):
    return losses.align(f.model.disc_h(f.x.z_h), f.model.disc_h(f.y.z_h))


def _disc_c(f):
    z_c_y_hat = _translated(f, f.x)
    return losses.disc_c(*(f.model.disc_c(tf.stop_gradient(z)) for z in (z_c_y_hat, f.y.z_c)))


def _translate(f):
    z_c_y_hat = _translated(f, f.of_pairs(f.x))
    logits = None if f.model.disc_c is None else f.model.disc_c(z_c_y_hat)
    return losses.translate(z_c_y_hat, f.of_pairs(f.y).z_c, logits)


def _translated(f, code):
    # Eqs. 6 and 7 do not move encoder_x, so T starts from a detached code.
    q_c_y_hat = f.model.translate(tf.stop_gradient(code.z_c))
    return latent.sample(q_c_y_hat, f.fold(TRANSLATION))


def _pose(f):
    code = f.of_pairs(f.x)
    q_c_y_hat = f.model.translate(code.z_c)
    z_c_y_hat = f.model.context_for_y(code.z_c, q_c_y_hat, f.fold(TRANSLATION))
    y_pred = f.model.decode_y(code.z_h, z_c_y_hat, f.training, f.fold(PREDICTION))
    q_c = code.q_c if q_c_y_hat is None else q_c_y_hat
    return losses.pose(f.batch["y"], y_pred, code.q_h, q_c, f.model.config.weight_kl)


EQUATIONS = {
    "d_vae_x": _d_vae_x,
    "d_vae_y": _d_vae_y,
    "disc_h": _disc_h,
    "align": _align,
    "disc_c": _disc_c,
    "translate": _translate,
    "pose": _pose,
}


def weighted_sum(found, config):
    """Σ weight · global mean over terms, name → `[B]`; a scalar, 0 without terms."""
    weighted = [
        getattr(config, f"weight_{name}") * losses.global_mean(term) for name, term in found.items()
    ]
    return sum(weighted, tf.constant(0.0))


def _fold(seed, data):
    return None if seed is None else tf.random.experimental.stateless_fold_in(seed, data)
