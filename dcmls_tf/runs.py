"""A run: data, trainer, validation and checkpoints in one folder, from start to end.

`run_dir` holds `config.json`, `training_data.json`, `training_statistics.json`, `history.csv`,
`tensorboard/`, `checkpoints/` (what a resumed run needs) and `best/` (networks alone, lowest EPE).
"""

import contextlib
import functools
import os
import sys
import time
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from dcmls_tf import checkpoints, distribution, files, run_folder, training
from dcmls_tf.config import Config
from dcmls_tf.data import fingerprint, pipeline, preparation, records
from dcmls_tf.data.examples import TRAINING
from dcmls_tf.data.fingerprint import Fingerprint
from dcmls_tf.data.statistics import STATISTICS_FILE, TrainingStatistics
from dcmls_tf.divergence import Step, Watch
from dcmls_tf.errors import Diverged, Terminated, UserError
from dcmls_tf.evaluation import predictions, report
from dcmls_tf.evaluation import scores as split_scores
from dcmls_tf.monitoring import Monitor
from dcmls_tf.stopping import Stopping

LOG_STEPS = 50
EVALUATION_BATCH = 128
# Drawing takes longer than a short epoch does: pictures of an epoch come this far apart.
PICTURES_SECONDS = 30


class Run:
    """Trains one `Config` to its end, from the beginning or from its newest checkpoint."""

    def __init__(self, config: Config, strategy: tf.distribute.Strategy):
        with run_folder.claimed(config):
            self._set_up(config, strategy)

    def _set_up(self, config: Config, strategy: tf.distribute.Strategy) -> None:
        if config.initial_run and not run_folder.is_started(config.run_dir):
            checkpoints.check_initial(config.initial_run)
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        self.config = config
        self.strategy = strategy
        self.writes = distribution.is_chief(strategy)
        self.builder = preparation.from_config(config)
        self.steps_per_epoch = pipeline.steps_per_epoch(self.builder, config)
        self.total_steps = config.epochs * self.steps_per_epoch
        self.trainer = training.Trainer(config, strategy, self.total_steps)
        self.predict = checkpoints.pose_function(self.trainer.model)
        self.newest = checkpoints.resumable(self.trainer, config.run_dir)
        self.best = checkpoints.best(self.trainer.model, config.run_dir)
        self.stopping = Stopping(strategy)
        self.watch = Watch(strategy)
        self._alike = distribution.on_all_hosts_alike(strategy)
        self._pictures_at = time.monotonic()

    def train(self) -> None:
        """Runs all epochs that are left. An interrupt or SIGTERM saves a checkpoint first.

        Raises `Terminated` after a SIGTERM, `Diverged` when a loss or weight is not finite, and
        `UserError` when another process is training in the run's folder, when that cannot be
        written or is damaged, or when the data is not what the run was trained on.
        """
        alone = run_folder.alone_in(self.config.run_dir)
        with (
            alone if self.writes else contextlib.nullcontext(),
            self.stopping.listens(),
            records.damage_named(self.builder),
        ):
            self._begin()
            if not self._is_done() or self._lacks_best():
                self._train()

    def _begin(self):
        """The run as its newest checkpoint has it, or as it starts, on the same data as before."""
        resumed = self.newest.restore()
        if not self._alike(self._step()):
            raise UserError(
                f"--run_dir={self.config.run_dir}: this host's newest checkpoint is of step "
                f"{self._step()}, another host's of another; give all hosts one shared folder"
            )
        self._check_data()
        if resumed:
            print(f"{self.config.run_dir}: goes on at step {self._step()} of {self.total_steps}")
            return
        run_folder.check_unstarted(self.config.run_dir)
        if self.config.initial_run:
            checkpoints.start_from(self.trainer.model, self.config.initial_run)

    def _check_data(self):
        known = Fingerprint.load(self.config.run_dir)
        examples = pipeline.num_examples(self.builder, TRAINING)
        if known is not None and known.examples == examples and self._is_done():
            return  # Nothing more is learnt of it, so it is not read.
        now = fingerprint.of(self.builder, self.config)
        if known is not None:
            fingerprint.check(self.config, known, now)
        elif self.writes:
            now.save(self.config.run_dir)
        if not self._alike(now.number):
            raise UserError(
                f"--raw_dir={self.config.raw_dir}: is not the same data on all hosts; give them "
                "one shared folder, or copies of one"
            )

    def _train(self):
        if self.writes:
            self.config.save(self.config.run_dir)
        if self._step() == 0:
            # Whoever has steps behind him has a checkpoint; and what cannot be written shows now.
            self._save()
        self.statistics = self._statistics()
        self.monitor = Monitor(
            self.config.run_dir, self.config, self.trainer.term_names, self.writes
        )
        epochs_done = self._epochs_done()
        self.monitor.check_history(epochs_done, self.steps_per_epoch)
        if self._lacks_best():
            self._mend_best()
        if epochs_done == self.config.epochs:
            return
        batches = iter(self._batches())
        try:
            for epoch in range(epochs_done, self.config.epochs):
                self._train_epoch(epoch, batches)
                self._end_epoch(epoch)
        except (KeyboardInterrupt, Terminated):
            self._save()
            if self.writes:
                print(f"{self.config.run_dir}: step {self._step()} is saved")
            raise

    def _is_done(self):
        return self._step() >= self.total_steps and not self._owes_validation()

    def _epochs_done(self):
        return self._step() // self.steps_per_epoch - self._owes_validation()

    def _lacks_best(self):
        """Whether the best networks of the epochs that are done are missing or damaged."""
        return self._epochs_done() > 0 and not self.best.is_whole()

    def _mend_best(self):
        """Takes the best networks from the epochs to come or, after the last, those of its end."""
        if self.writes:
            print(
                f"{self.config.run_dir}/{checkpoints.BEST_FOLDER}: the best networks are missing "
                "or damaged; the best from here on are kept"
            )
        self.trainer.best_epe_mm.assign(float("inf"))
        if self._is_done():
            self._keep_best(self._validate(self._step()))
            self._save()

    def _owes_validation(self):
        """Whether an epoch's steps are all taken and no more: its end sets the sums to 0."""
        at_an_end = self._step() and self._step() % self.steps_per_epoch == 0
        return bool(at_an_end and self.trainer.term_sums.numpy().any())

    def best_epe_mm(self) -> float:
        """Lowest validation EPE so far in mm; infinite without a validation split."""
        return float(self.trainer.best_epe_mm)

    def _step(self):
        return int(self.trainer.step.numpy())

    def _batches(self):
        start = self._step()

        def of_host(shard_count, shard_index, per_replica_batch):
            return pipeline.training_batches(
                self.builder,
                self.config,
                start_step=start,
                shard_count=shard_count,
                shard_index=shard_index,
                per_replica_batch=per_replica_batch,
            )

        return distribution.distribute(self.strategy, of_host, self.config.batch_size)

    def _train_epoch(self, epoch, batches):
        end = (epoch + 1) * self.steps_per_epoch
        name = f"epoch {epoch + 1}/{self.config.epochs}"
        with tqdm(
            total=self.steps_per_epoch,
            initial=self._step() % self.steps_per_epoch,
            desc=name,
            unit=" steps",
            mininterval=0.2 if sys.stderr.isatty() else 30,
            disable=not self.writes,
        ) as bar:
            clock, since = time.monotonic(), self._step()
            for step in range(self._step() + 1, end + 1):
                terms = self._take_step(step, next(batches))
                bar.update(1)
                if step % LOG_STEPS == 0:
                    rate = (step - since) * self.config.batch_size / (time.monotonic() - clock)
                    self._log(step, terms, rate, bar)
                    clock, since = time.monotonic(), step
                if step % self.config.checkpoint_steps == 0 and step != end:
                    self._save()
                self.stopping.check()

    def _take_step(self, step, batch):
        terms = self.trainer.train_step(batch)
        self.watch.took(Step(step, terms, tf.identity(self.trainer.term_sums), batch))
        return terms

    def _log(self, step, terms, examples_per_second, bar):
        self.watch.settle()
        values = {name: float(value) for name, value in terms.items()}
        rates = {p: self.trainer.learning_rate(p) for p in self.trainer.optimizers}
        self.monitor.step(step, values, rates, examples_per_second)
        bar.set_postfix(pose=f"{values['pose']:.4f}", examples_s=f"{examples_per_second:.0f}")

    def _end_epoch(self, epoch):
        self.watch.settle()
        step = self._step()
        sums = self.trainer.term_sums.numpy() / self.steps_per_epoch
        term_means = dict(zip(self.trainer.term_names, sums.tolist(), strict=True))
        scores = self._validate(step)
        self.monitor.epoch(epoch + 1, step, term_means, scores)
        self._keep_best(scores)
        self.trainer.term_sums.assign(tf.zeros_like(self.trainer.term_sums))
        self._save()

    def _validate(self, step):
        if not self.config.validation_percent:
            return None
        batches = self.stopping.checked(self.validation_batches)
        evaluated = predictions.collect(self.predict, batches)
        if not evaluated.visible.any():
            if self.writes:
                print(f"  no joint of {len(evaluated)} validation samples is visible: no scores")
            return None
        scores = split_scores.of_split(
            evaluated, self.statistics.mean_scale_mm, root=self.config.root
        )
        if self.writes:
            print(f"  validation EPE {scores['epe_mm']:.2f} mm, AUC {scores['auc_20_50']:.3f}")
            self._show(step, evaluated)
        return scores

    def _show(self, step, evaluated):
        """Pictures for TensorBoard; every epoch's where epochs are long, and the last one's."""
        if time.monotonic() < self._pictures_at and step < self.total_steps:
            return
        self.monitor.pck(step, evaluated)
        self.monitor.examples(step, self.trainer.model, next(iter(self.validation_batches)))
        self._pictures_at = time.monotonic() + PICTURES_SECONDS

    @functools.cached_property
    def validation_batches(self):
        """The validation split, one data set for all epochs."""
        split = pipeline.validation_split(self.config)
        return pipeline.evaluation_batches(self.builder, self.config, split, EVALUATION_BATCH)

    def _keep_best(self, scores):
        """Keeps the networks when the validation EPE is the lowest, or when there is none."""
        if scores and scores["epe_mm"] >= self.best_epe_mm():
            return
        self._write(self.best)
        # Afterwards: what an interrupt between the two leaves is kept again.
        if scores:
            self.trainer.best_epe_mm.assign(scores["epe_mm"])

    def _save(self):
        self.watch.settle()
        self._write(self.newest)

    def _write(self, kind):
        if not self.writes:
            return
        try:
            kind.save(self._step())
        except Diverged as error:
            raise Diverged(
                f"{error} after step {self._step()} ({self.watch.samples()}); lower "
                "--learning_rate, and start again in another --run_dir"
            ) from None

    def _statistics(self):
        """The training split's mean pose and scale bone; computed once for a run."""
        run_dir = self.config.run_dir
        if os.path.exists(os.path.join(run_dir, STATISTICS_FILE)):
            return TrainingStatistics.load(run_dir)
        joints_only = self.config.of_joints().replace(augment_view=0.0)
        split = pipeline.training_split(self.config)
        batches = pipeline.evaluation_batches(self.builder, joints_only, split, 4096)
        statistics = TrainingStatistics.of(batches)
        if self.writes:
            statistics.save(run_dir)
        return statistics


def evaluate_run(
    run_dir: str,
    report_path: str,
    split: str = "evaluation",
    joints: str = "visible",
    batch_size: int = 64,
    dump_path: str | None = None,
    **options: Any,
) -> report.Report:
    """Evaluates a run's best model on any data of its modality; writes and returns the report.

    split: a TFDS split, or `validation`; joints, dump_path: as in `report.evaluate`;
    options: of `Config`: which data and where, and how a hand is read (`READING`). Raises
    `UserError`.
    """
    model, config, step = checkpoints.load_model(run_dir, options)
    report.check_writable(report_path)
    config = config.replace(**options)
    builder = preparation.from_config(config)
    split = pipeline.validation_split(config) if split == "validation" else split
    with files.writing_to(f"--report={report_path}"), records.damage_named(builder):
        return report.evaluate(
            checkpoints.pose_function(model),
            lambda: pipeline.evaluation_batches(builder, config, split, batch_size),
            config,
            split,
            TrainingStatistics.load(run_dir),
            report_path,
            {"run_dir": run_dir, "checkpoint_step": step},
            joints,
            builder.raw.chosen_by(split.split("[")[0]),
            dump_path,
        )
