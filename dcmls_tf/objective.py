"""Which tensors feed which equation, and which networks each equation moves."""

import dataclasses

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
class Codes:
    """Every distribution `q_` and sample `z_` of one forward pass."""

    q_h_x: object
    q_c_x: object
    z_h_x: tf.Tensor
    z_c_x: tf.Tensor
    q_h_y: object
    q_c_y: object
    z_h_y: tf.Tensor
    z_c_y: tf.Tensor

    def first(self, count):
        """The codes of the first `count` examples."""
        fields = (getattr(self, field.name) for field in dataclasses.fields(self))
        return Codes(*(values[:count] for values in fields))


def encode(model, batch, seed, training=True):
    """Encodes and samples both modalities, unpaired examples after the pairs.

    `seed` is stateless, or `None` for the means.
    """
    batch = with_unpaired(batch)
    side = side_input(model.config, batch)
    q_h_x, q_c_x = model.encode_x(batch["x"], side, training, _fold(seed, ENCODING_X))
    q_h_y, q_c_y = model.encode_y(batch["y"], training, _fold(seed, ENCODING_Y))
    seeds = [_fold(seed, SAMPLING + i) for i in range(4)]
    z_h_x, z_c_x, z_h_y, z_c_y = map(latent.sample, (q_h_x, q_c_x, q_h_y, q_c_y), seeds)
    return Codes(q_h_x, q_c_x, z_h_x, z_c_x, q_h_y, q_c_y, z_h_y, z_c_y)


def all_terms(model, batch, seed, training=True):
    """Every equation's loss, unweighted, per example: name → `[B]`.

    `batch` has `x`, `y` and, for images, `x_target`. Terms of networks that the variant
    does not have are absent. Gradients of a term are meant for `MOVES[name]` only. Where the
    batch has x and y that are not pairs, under `unpaired`, they count in every term but those
    that compare the two sides of a pair (Eqs. 7 and 8).
    """
    codes = encode(model, batch, seed, training)
    return {
        **adversary_terms(model, codes, seed),
        **player_terms(model, batch, codes, seed, training),
    }


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


def adversary_terms(model, codes, seed):
    """Eqs. 4 and 6, the discriminators' own; the codes are detached."""
    found = {}
    if model.disc_h is not None:
        logits = [model.disc_h(tf.stop_gradient(z)) for z in (codes.z_h_x, codes.z_h_y)]
        found["disc_h"] = losses.disc_h(*logits)
    if model.disc_c is not None:
        z_c_y_hat = tf.stop_gradient(_translated(model, codes, seed))
        logits = [model.disc_c(z) for z in (z_c_y_hat, tf.stop_gradient(codes.z_c_y))]
        found["disc_c"] = losses.disc_c(*logits)
    return found


def player_terms(model, batch, codes, seed, training=True):
    """Eqs. 3, 5, 7 and 8: everything but the discriminators' own."""
    whole = with_unpaired(batch)
    found = _reconstructions(model, whole, codes, _fold(seed, RECONSTRUCTION), training)
    if model.disc_h is not None:
        found["align"] = losses.align(model.disc_h(codes.z_h_x), model.disc_h(codes.z_h_y))
    if "unpaired" in batch:
        codes = codes.first(tf.shape(batch["y"])[0])
    if model.translator is not None:
        z_c_y_hat = _translated(model, codes, seed)
        logits = None if model.disc_c is None else model.disc_c(z_c_y_hat)
        found["translate"] = losses.translate(z_c_y_hat, codes.z_c_y, logits)
    found["pose"] = _pose(model, batch, codes, seed, training)
    return found


def regression_terms(model, batch, seed):
    """The one term of `variants.DirectRegression`: the mean squared error of the pose, `[B]`."""
    side = side_input(model.config, batch)
    y_pred = model(batch["x"], side, training=True, seed=_fold(seed, ENCODING_X))
    return {"pose": losses.mean_squared_error(batch["y"], y_pred)}


def with_unpaired(batch):
    """The batch with its unpaired x and y, if there are any, appended to its pairs."""
    unpaired = batch.get("unpaired", {})
    return {**batch, **{k: tf.concat([batch[k], v], axis=0) for k, v in unpaired.items()}}


def _reconstructions(model, batch, codes, seed, training):
    x_rec = model.decode_x(codes.z_h_x, codes.z_c_x, training, _fold(seed, 0))
    y_rec = model.decode_y(codes.z_h_y, codes.z_c_y, training, _fold(seed, 1))
    x_target = batch.get("x_target", batch["x"])
    weight_kl = model.config.weight_kl
    return {
        "d_vae_x": losses.d_vae(x_target, x_rec, codes.q_h_x, codes.q_c_x, weight_kl),
        "d_vae_y": losses.d_vae(batch["y"], y_rec, codes.q_h_y, codes.q_c_y, weight_kl),
    }


def _translated(model, codes, seed):
    # Eqs. 6 and 7 do not move encoder_x, so T starts from a detached code.
    q_c_y_hat = model.translate(tf.stop_gradient(codes.z_c_x))
    return latent.sample(q_c_y_hat, _fold(seed, TRANSLATION))


def _pose(model, batch, codes, seed, training):
    q_c_y_hat = model.translate(codes.z_c_x)
    z_c_y_hat = model.context_for_y(codes.z_c_x, q_c_y_hat, _fold(seed, TRANSLATION))
    y_pred = model.decode_y(codes.z_h_x, z_c_y_hat, training, _fold(seed, PREDICTION))
    q_c = codes.q_c_x if q_c_y_hat is None else q_c_y_hat
    return losses.pose(batch["y"], y_pred, codes.q_h_x, q_c, model.config.weight_kl)


def weighted_sum(terms, config):
    """Σ weight · global mean over `terms`, name → `[B]`; a scalar, 0 without terms."""
    weights = {name: getattr(config, f"weight_{name}") for name in terms}
    means = [weights[name] * losses.global_mean(terms[name]) for name in terms]
    return sum(means, tf.constant(0.0))


def _fold(seed, data):
    return None if seed is None else tf.random.experimental.stateless_fold_in(seed, data)
