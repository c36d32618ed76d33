"""A run: data, trainer, validation and checkpoints in one folder, from start to end.

`run_dir` holds `config.json`, `training_statistics.json`, `history.csv`, `tensorboard/`,
`checkpoints/` (what a resumed run needs) and `best/` (networks alone, lowest EPE).
"""

import contextlib
import dataclasses
import os
import sys
import time
from typing import Any

import filelock
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from dcmls_tf import checkpoints, distribution, training
from dcmls_tf import config as config_lib
from dcmls_tf.config import Config
from dcmls_tf.data import pipeline, preparation
from dcmls_tf.data.statistics import STATISTICS_FILE, TrainingStatistics
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.evaluation import predictions, report
from dcmls_tf.monitoring import Monitor

LOG_STEPS = 50
EVALUATION_BATCH = 128
# Drawing takes longer than a short epoch does: pictures of an epoch come this far apart.
PICTURES_SECONDS = 30
# Options that change nothing in what is learnt, so they may differ when a run goes on.
FREE_ON_RESUME = ("run_dir", "raw_dir", "data_dir", "checkpoint_steps")


class Run:
    """Trains one `Config` to its end, from the beginning or from its newest checkpoint."""

    def __init__(self, config: Config, strategy: tf.distribute.Strategy):
        _claim(config)
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
        self._pictures_at = time.monotonic()

    def train(self) -> None:
        """Runs all epochs that are left. An interrupt saves a checkpoint first.

        Raises `UserError` when another process is training in the run's folder.
        """
        with _alone_in(self.config.run_dir) if self.writes else contextlib.nullcontext():
            self._restore()
            if self._step() < self.total_steps:
                self._train()

    def _train(self):
        if self.writes:
            self.config.save(self.config.run_dir)
        self.statistics = self._statistics()
        self.monitor = Monitor(
            self.config.run_dir, self.config, self.trainer.term_names, self.writes
        )
        batches = iter(self._batches())
        try:
            for epoch in range(self._step() // self.steps_per_epoch, self.config.epochs):
                self._train_epoch(epoch, batches)
                self._end_epoch(epoch)
        except KeyboardInterrupt:
            self._save()
            raise

    def best_epe_mm(self) -> float:
        """Lowest validation EPE so far in mm; infinite without a validation split."""
        return float(self.trainer.best_epe_mm)

    def _step(self):
        return int(self.trainer.step.numpy())

    def _restore(self):
        if self.newest.latest_checkpoint:
            self.newest.checkpoint.restore(self.newest.latest_checkpoint).assert_consumed()
            print(f"{self.config.run_dir}: goes on at step {self._step()} of {self.total_steps}")
        elif self.config.initial_run:
            checkpoints.start_from(self.trainer.model, self.config.initial_run)

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
                terms = self.trainer.train_step(next(batches))
                bar.update(1)
                if step % LOG_STEPS == 0:
                    rate = (step - since) * self.config.batch_size / (time.monotonic() - clock)
                    self._log(step, terms, rate, bar)
                    clock, since = time.monotonic(), step
                if step % self.config.checkpoint_steps == 0 and step != end:
                    self._save()

    def _log(self, step, terms, examples_per_second, bar):
        values = {name: float(value) for name, value in terms.items()}
        _check_finite(values, step)
        rates = {p: self.trainer.learning_rate(p) for p in self.trainer.optimizers}
        self.monitor.step(step, values, rates, examples_per_second)
        bar.set_postfix(pose=f"{values['pose']:.4f}", examples_s=f"{examples_per_second:.0f}")

    def _end_epoch(self, epoch):
        step = self._step()
        sums = self.trainer.term_sums.numpy() / self.steps_per_epoch
        term_means = dict(zip(self.trainer.term_names, sums.tolist(), strict=True))
        _check_finite(term_means, step)
        scores = self._validate(step)
        self.monitor.epoch(epoch + 1, step, term_means, scores)
        self._keep_best(scores)
        self.trainer.term_sums.assign(tf.zeros_like(self.trainer.term_sums))
        self._save()

    def _validate(self, step):
        if not self.config.validation_percent:
            return None
        evaluated = predictions.collect(self.predict, self._validation_batches())
        scores = report.report(evaluated, self.statistics.mean_scale_mm, root=self.config.root)
        if self.writes:
            print(f"  validation EPE {scores['epe_mm']:.2f} mm, AUC {scores['auc_20_50']:.3f}")
            self._show(step, evaluated)
        return scores

    def _show(self, step, evaluated):
        """Pictures for TensorBoard; every epoch's where epochs are long, and the last one's."""
        if time.monotonic() < self._pictures_at and step < self.total_steps:
            return
        self.monitor.pck(step, evaluated)
        self.monitor.examples(step, self.trainer.model, next(iter(self._validation_batches())))
        self._pictures_at = time.monotonic() + PICTURES_SECONDS

    def _validation_batches(self):
        split = pipeline.validation_split(self.config)
        return pipeline.evaluation_batches(self.builder, self.config, split, EVALUATION_BATCH)

    def _keep_best(self, scores):
        """Keeps the networks when the validation EPE is the lowest, or when there is none."""
        if scores and scores["epe_mm"] >= self.best_epe_mm():
            return
        if scores:
            self.trainer.best_epe_mm.assign(scores["epe_mm"])
        if self.writes:
            self.best.save(checkpoint_number=self._step())

    def _save(self):
        if self.writes:
            self.newest.save(checkpoint_number=self._step())

    def _statistics(self):
        """The training split's mean pose and scale bone; computed once for a run."""
        run_dir = self.config.run_dir
        if os.path.exists(os.path.join(run_dir, STATISTICS_FILE)):
            return TrainingStatistics.load(run_dir)
        joints_only = self.config.replace(modality="2d", augment_view=0.0)
        split = pipeline.training_split(self.config)
        batches = pipeline.evaluation_batches(self.builder, joints_only, split, 4096)
        poses, scales = zip(
            *((b["y"].numpy(), b["scale_mm"].numpy()) for b in batches), strict=True
        )
        statistics = TrainingStatistics(
            np.concatenate(poses).mean(axis=0), float(np.concatenate(scales).mean())
        )
        if self.writes:
            statistics.save(run_dir)
        return statistics


def evaluate_run(
    run_dir: str,
    report_path: str,
    split: str = "evaluation",
    joints: str = "visible",
    batch_size: int = 64,
    **data_options: Any,
) -> report.Report:
    """Evaluates a run's best model on any data of its modality; writes and returns the report.

    split: a TFDS split, or `validation`; joints: as in `report.evaluate`; data_options:
    options of `Config` that say which data and where. Raises `UserError`.
    """
    model, config, step = checkpoints.load_model(run_dir)
    report.check_writable(report_path)
    config = config.replace(**data_options)
    builder = preparation.from_config(config)
    split = pipeline.validation_split(config) if split == "validation" else split
    return report.evaluate(
        checkpoints.pose_function(model),
        lambda: pipeline.evaluation_batches(builder, config, split, batch_size),
        config,
        split,
        TrainingStatistics.load(run_dir),
        report_path,
        {"run_dir": run_dir, "checkpoint_step": step},
        joints,
    )


def _claim(config):
    """Makes the run's folder, or checks that the run in it is the same experiment."""
    try:
        os.makedirs(config.run_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--run_dir={config.run_dir}: cannot be made ({error.strerror})") from None
    if not os.path.exists(os.path.join(config.run_dir, config_lib.CONFIG_FILE)):
        return
    before, now = (dataclasses.asdict(c) for c in (config_lib.load(config.run_dir), config))
    changed = [k for k in now if k not in FREE_ON_RESUME and before[k] != now[k]]
    if changed:
        listed = ", ".join(f"--{k}={before[k]}" for k in changed)
        raise UserError(
            f"--run_dir={config.run_dir}: holds a run with {listed}; "
            "give the same options to go on with it, or another folder"
        )


@contextlib.contextmanager
def _alone_in(run_dir):
    """Holds a run's folder; the system lets go of it when the process ends, however it does."""
    try:
        with filelock.FileLock(os.path.join(run_dir, ".lock"), blocking=False):
            yield
    except filelock.Timeout:
        raise UserError(
            f"--run_dir={run_dir}: another process is training in it; "
            "wait for its end, or give another folder"
        ) from None


def _check_finite(values, step):
    for name, value in values.items():
        if not np.isfinite(value):
            raise Diverged(
                f"{name} is {value} at step {step}; lower --learning_rate or --weight_{name}, "
                "and start again in another --run_dir"
            )
