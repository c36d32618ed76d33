"""Algorithm 1: the trainer owns model, optimisers, the training step and checkpoints."""

import keras
import numpy as np
import tensorflow as tf

from dcmls_tf import addons, losses, objective, variants
from dcmls_tf.errors import UserError

# Who optimises what: each player has an Adam of its own (betas after ULS and UNIT).
PLAYERS = {
    "vae": ("encoder_x", "decoder_x", "encoder_y", "decoder_y"),
    "translator": ("translator",),
    "adversaries": ("disc_h", "disc_c"),
}
BETA_1 = {"vae": 0.9, "translator": 0.5, "adversaries": 0.5}

SEQUENCES = {
    # Algorithm 1's sub-steps in order; Eqs. 6 and 7 are two updates of its fourth.
    "sequential": (
        ("d_vae_x", "d_vae_y"), ("disc_h",), ("align",), ("disc_c",), ("translate",), ("pose",)
    ),
    # ULS (Spurr et al. 2018) takes pairs of modalities in turn: x → x, y → y, x → y.
    "pairs": (("d_vae_x",), ("d_vae_y",), ("pose",)),
}  # fmt: skip


class Trainer:
    """One run: a `DCMLS` under a distribution strategy, and all that changes while it trains.

    Every random number of a step is a function of (`config.seed`, step, replica), and the
    data of (`config.seed`, step), so a checkpoint needs no generator state and a resumed run
    repeats what an uninterrupted one does.
    """

    def __init__(self, config, strategy, total_steps):
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
        self.term_names = objective.term_names(self.model)
        # Sums since the epoch's start, so that a resumed epoch logs what it would have.
        self.term_sums = tf.Variable(tf.zeros([len(self.term_names)]), name="term_sums")
        self.best_epe_mm = tf.Variable(np.inf, dtype=tf.float32, name="best_epe_mm")

    def _optimizers(self):
        rates = {"vae": self.config.learning_rate}
        return {
            player: addons.adam(
                rates.get(player, self.config.disc_learning_rate),
                BETA_1[player],
                self._variables(names),
            )
            for player, names in PLAYERS.items()
            if self._variables(names)
        }

    def _variables(self, names):
        found = [self.networks[name] for name in names if name in self.networks]
        return [v for network in found for v in network.trainable_variables]

    @tf.function
    def train_step(self, batch):
        """One step on a distributed batch; returns each term's mean, name → scalar."""
        self._set_learning_rates()
        per_replica = self.strategy.run(self._replica_step, args=(batch,))
        means = {n: self.strategy.reduce("SUM", per_replica[n], axis=None) for n in self.term_names}
        self.term_sums.assign_add(tf.stack([means[name] for name in self.term_names]))
        self.step.assign_add(1)
        return means

    def _set_learning_rates(self):
        for player, optimizer in self.optimizers.items():
            optimizer.learning_rate.assign(self.learning_rate(player))

    def learning_rate(self, player):
        """The player's step size at the current step."""
        c = self.config
        initial = c.learning_rate if player == "vae" else c.disc_learning_rate
        if c.learning_rate_decay == "constant":
            return tf.constant(initial)
        progress = tf.cast(self.step, tf.float32) / self.total_steps
        return initial * 0.5 * (1 + tf.cos(np.pi * tf.minimum(progress, 1.0)))

    def _replica_step(self, batch):
        if self.config.latent == "none":
            step = self._regress
        else:
            step = self._alternate if self.config.schedule == "alternate" else self._in_sequence
        terms = step(batch, self._seed())
        return {name: losses.global_mean(value) for name, value in terms.items()}

    def _seed(self):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.constant(self.config.seed, tf.int64), self.step])
        return tf.random.experimental.stateless_fold_in(seed, tf.cast(replica, tf.int64))

    def _alternate(self, batch, seed):
        """One update of the discriminators, then one of everything else on the sum (Eq. 9)."""
        # Eqs. 4 and 6 have the names of the networks that they move.
        adversarial = [name for name in self.term_names if name in PLAYERS["adversaries"]]
        others = [name for name in self.term_names if name not in adversarial]
        forward = objective.Forward(self.model, batch, seed)
        tape = tf.GradientTape()
        with tape:
            forward.encode()

        with tf.GradientTape() as adversary_tape:
            judged = objective.terms(forward, adversarial)
            loss = objective.weighted_sum(judged, self.config)
        if judged:
            self._update(adversary_tape, loss, judged)

        with tape:
            terms = objective.terms(forward, others)
            loss = objective.weighted_sum(terms, self.config)
        self._update(tape, loss, terms)
        return {**judged, **terms}

    def _in_sequence(self, batch, seed):
        """Sub-steps, as Algorithm 1 has them: each sees what the one before it has changed."""
        logged = {}
        for i, names in enumerate(SEQUENCES[self.config.schedule]):
            names = [name for name in names if name in self.term_names]
            if not names:
                continue
            with tf.GradientTape() as tape:
                sub_seed = tf.random.experimental.stateless_fold_in(seed, 100 + i)
                terms = objective.terms(objective.Forward(self.model, batch, sub_seed), names)
                loss = objective.weighted_sum(terms, self.config)
            self._update(tape, loss, terms)
            logged.update(terms)
        return logged

    def _regress(self, batch, seed):
        """One update of direct regression."""
        with tf.GradientTape() as tape:
            terms = objective.regression_terms(self.model, batch, seed)
            loss = objective.weighted_sum(terms, self.config)
        self._update(tape, loss, terms)
        return terms

    def _update(self, tape, loss, names):
        moved = {network for name in names for network in objective.MOVES[name]}
        variables = {
            player: self._variables([n for n in members if n in moved])
            for player, members in PLAYERS.items()
            if moved & set(members) & set(self.networks)
        }
        gradients = tape.gradient(loss, variables)
        for player, of_player in variables.items():
            self.optimizers[player].apply_gradients(zip(gradients[player], of_player, strict=True))

    def checkpointed(self):
        """What a resumed run needs, as a `tf.train.Checkpoint`."""
        return tf.train.Checkpoint(
            networks=variables_by_name(self.networks),
            optimizers=variables_by_name(self.optimizers),
            step=self.step,
            term_sums=self.term_sums,
            best_epe_mm=self.best_epe_mm,
        )


def variables_by_name(owners):
    """Networks or optimisers by name → their `tf.Variable`s by name, for a checkpoint."""
    return {name: addons.tf_variables(owner) for name, owner in owners.items()}
