"""Algorithm 1: the trainer owns model, optimisers, the training step and checkpoints."""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from jaxtyping import Float

from dcmls_tf import addons, latent, losses, objective, variants
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError

# Who optimises what: each player has an optimiser of its own (Adam's betas after ULS and UNIT).
PLAYERS = {
    "vae": ("encoder_x", "decoder_x", "encoder_y", "decoder_y"),
    "translator": ("translator",),
    "adversaries": ("disc_h", "disc_c"),
}
BETA_1 = {"vae": 0.9, "translator": 0.5, "adversaries": 0.5}
FIRST_SUBSTEP_SEED = 100


class Trainer:
    """A model under a distribution strategy, and all that changes while it trains.

    Every random number of a step, and its data, is a function of (`config.seed`, step) and of the
    example's place in the batch, so a checkpoint needs no generator state, a resumed run repeats
    what an uninterrupted one does, and several devices draw what one would.
    """

    def __init__(self, config: Config, strategy: tf.distribute.Strategy, total_steps: int):
        if config.batch_size % strategy.num_replicas_in_sync:
            raise UserError(
                f"--batch_size={config.batch_size}: must be a multiple of the "
                f"{strategy.num_replicas_in_sync} devices that share it"
            )
        keras.utils.set_random_seed(config.seed)
        self.config = config
        self.strategy = strategy
        self.total_steps = total_steps
        self.step = tf.Variable(0, dtype=tf.int64, name="step")
        with strategy.scope():
            self.model = variants.from_config(config)
            self.networks = self.model.networks()
            self.optimizers = self._optimizers()
        self.equations = objective.equations(self.model)
        self.term_names = tuple(equation.name for equation in self.equations)
        # Sums since the epoch's start, so that a resumed epoch logs what it would have.
        self.term_sums = tf.Variable(tf.zeros([len(self.term_names)]), name="term_sums")
        self.best_epe_mm = tf.Variable(np.inf, dtype=tf.float32, name="best_epe_mm")

    def _optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        rates = {"vae": self.config.learning_rate}
        optimizer = {"adam": addons.adam, "lamb": addons.lamb}[self.config.optimizer]
        return {
            player: optimizer(
                rates.get(player, self.config.disc_learning_rate),
                BETA_1[player],
                self._variables(names),
            )
            for player, names in PLAYERS.items()
            if self._variables(names)
        }

    def _variables(self, names):
        networks = [self.networks[name] for name in names if name in self.networks]
        return [v for network in networks for v in network.trainable_variables]

    @tf.function
    def train_step(self, batch: Any) -> dict[str, Float[tf.Tensor, ""]]:
        """One step on a distributed batch; returns each equation's mean loss by name."""
        self._set_learning_rates()
        per_replica = self.strategy.run(self._replica_step, args=(batch,))
        means = {n: self.strategy.reduce("SUM", per_replica[n], axis=None) for n in self.term_names}
        self.term_sums.assign_add(tf.stack([means[name] for name in self.term_names]))
        self.step.assign_add(1)
        return means

    def _set_learning_rates(self):
        for player, optimizer in self.optimizers.items():
            optimizer.learning_rate.assign(self.learning_rate(player))

    def learning_rate(self, player: str) -> Float[tf.Tensor, ""]:
        """The player's step size at the current step."""
        c = self.config
        initial = c.learning_rate if player == "vae" else c.disc_learning_rate
        if c.learning_rate_decay == "constant":
            return tf.constant(initial)
        progress = tf.cast(self.step, tf.float32) / self.total_steps
        return initial * 0.5 * (1 + tf.cos(np.pi * tf.minimum(progress, 1.0)))

    def _replica_step(self, batch):
        schedule = {
            "alternate": self._alternate,
            "sequential": self._in_substeps,
            "pairs": self._in_turn,
        }[self.config.schedule]
        terms = schedule(batch, self._seed())
        return {name: losses.global_mean(value) for name, value in terms.items()}

    def _seed(self):
        seed = tf.stack([tf.constant(self.config.seed, tf.int64), self.step])
        # Folded once, as when this had the replica's number: one device draws what it drew then.
        return latent.fold(seed, 0)

    def _alternate(self, batch, seed):
        """One update of the discriminators, then one of everything else on the sum (Eq. 9)."""
        adversarial = [e for e in self.equations if set(e.moves) <= set(PLAYERS["adversaries"])]
        others = [e for e in self.equations if e not in adversarial]
        with tf.GradientTape() as tape:
            encoded = objective.encode(self.model, batch, seed, _reads(self.equations), True)
            with tape.stop_recording():
                judged = self._judge(adversarial, encoded)
            terms = objective.evaluate(others, encoded)
            loss = objective.weighted_sum(others, terms, self.config)
        self._update(tape, loss, others)
        return {**judged, **terms}

    def _judge(self, adversarial, encoded):
        """An update of the discriminators, where there are any."""
        with tf.GradientTape() as tape:
            terms = objective.evaluate(adversarial, encoded)
            loss = objective.weighted_sum(adversarial, terms, self.config)
        if adversarial:
            self._update(tape, loss, adversarial)
        return terms

    def _in_substeps(self, batch, seed):
        """Algorithm 1's sub-steps in order; Eqs. 6 and 7 are two updates of its fourth."""
        terms = {}
        for substep, group in itertools.groupby(self.equations, lambda e: e.substep):
            terms |= self._substep(list(group), batch, seed, substep)
        return terms

    def _in_turn(self, batch, seed):
        """An update an equation, as ULS (Spurr et al. 2018) takes pairs: x → x, y → y, x → y."""
        terms = {}
        for i, equation in enumerate(self.equations):
            terms |= self._substep([equation], batch, seed, i)
        return terms

    def _substep(self, equations, batch, seed, number):
        """One update by equations, with the networks as they are now."""
        with tf.GradientTape() as tape:
            seed = latent.fold(seed, FIRST_SUBSTEP_SEED + number)
            encoded = objective.encode(self.model, batch, seed, _reads(equations), True)
            terms = objective.evaluate(equations, encoded)
            loss = objective.weighted_sum(equations, terms, self.config)
        self._update(tape, loss, equations)
        return terms

    def _update(self, tape, loss, equations):
        """Applies a loss's gradient to the networks that its equations move."""
        moved = {network for equation in equations for network in equation.moves}
        variables = {
            player: self._variables([n for n in members if n in moved])
            for player, members in PLAYERS.items()
            if moved & set(members) & set(self.networks)
        }
        gradients = tape.gradient(loss, variables)
        for player, of_player in variables.items():
            pairs = zip(gradients[player], of_player, strict=True)
            self.optimizers[player].apply_gradients(pairs)

    def checkpointed(self) -> tf.train.Checkpoint:
        """What a resumed run needs, as a `tf.train.Checkpoint`."""
        return tf.train.Checkpoint(
            networks=addons.variables_by_name(self.networks),
            optimizers=addons.variables_by_name(self.optimizers),
            step=self.step,
            term_sums=self.term_sums,
            best_epe_mm=self.best_epe_mm,
        )


def _reads(equations):
    return {modality for equation in equations for modality in equation.reads}
