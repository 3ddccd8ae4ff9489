"""The LightningModule: steps, optimizers, logging. No maths: that is the objective's.

One training step serves every objective: for each of its phases in turn, loss, backward, clip, step.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from vae_lab.errors import RunFailed
from vae_lab.job import Job
from vae_lab.noise import SeededNoise
from vae_lab.types import Batch, LossTerms, Step


class TermSums:
    """Sums of loss terms over images, kept on the device: reading their means is the only synchronisation."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sums: Tensor | None = None  # [len(names)], then the number of images; float64 where the device has it
        self._read: Tensor | None = None

    def add(self, phases: dict[str, LossTerms], images: int) -> None:
        """Fold in the terms of a batch; those of phases other than 'model' get the phase's name in front."""
        named = {
            (name if phase == "model" else f"{phase}_{name}"): value
            for phase, terms in phases.items()
            for name, value in {"loss": terms.loss.detach(), **terms.logs}.items()
        }
        row = torch.stack([*(value.mean() for value in named.values()), torch.ones_like(next(iter(named.values())))])
        row = (row if row.device.type == "mps" else row.double()) * images
        self.names = list(named)
        self.sums = row if self.sums is None else self.sums + row

    def recent(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Per-image means since this was last asked for; ``reduce`` sums over processes."""
        before, self._read = self._read, self.sums
        if self.sums is None:
            return {}
        return self._means(reduce(self.sums - (0 if before is None else before)))

    def close(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Per-image means of the whole epoch; the next one starts from nothing."""
        means = {} if self.sums is None else self._means(reduce(self.sums.clone()))
        self.sums = self._read = None
        return means

    def _means(self, sums: Tensor) -> dict[str, float]:
        return dict(zip(self.names, (sums[:-1] / sums[-1]).tolist()))


class LitJob(pl.LightningModule):
    """Trains a :class:`~vae_lab.job.Job`.

    Args:
        job: model and objective.
        optimizer: parameters to an optimizer; each phase gets its own.
        scheduler: optimizer to a learning-rate scheduler, or None.
        scheduler_interval: 'epoch' or 'step': how often the scheduler moves.
        seed: of all noise in training.
        clip: largest norm of a gradient, or None.
        accumulate: batches per optimizer step.
        log_every: optimizer steps between two points of the ``step/…`` curves.
    """

    def __init__(
        self,
        job: Job,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau] | None,
        scheduler_interval: str,
        seed: int,
        clip: float | None,
        accumulate: int,
        log_every: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.job = job
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.scheduler_interval = scheduler_interval
        self.seed, self.clip, self.accumulate, self.log_every = seed, clip, accumulate, log_every
        self.train_terms, self.val_terms = TermSums(), TermSums()
        self.recent: dict[str, float] = {}  # terms since the last point of the curves

    def configure_optimizers(self) -> Any:
        """One optimizer per phase, each with its scheduler."""
        optimizers = [self.make_optimizer(list(self.job.parameters_of(p))) for p in self.job.objective.phases]
        schedulers = [self.make_scheduler(o) for o in optimizers] if self.make_scheduler else []
        return optimizers, schedulers

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch through every phase; the optimizers step once ``accumulate`` batches have come."""
        batches = int(self.trainer.num_training_batches)
        first = batch_idx - batch_idx % self.accumulate
        group = min(self.accumulate, batches - first)  # the last group of an epoch may be smaller
        position = self.current_epoch * batches + batch_idx
        optimizers = self._optimizers()
        found: dict[str, LossTerms] = {}
        for i, (phase, optimizer) in enumerate(zip(self.job.objective.phases, optimizers)):
            noise = SeededNoise(self.device, self.seed, "train", position, i, self.global_rank)
            count = torch.tensor(float(position // self.accumulate), device=self.device)
            epoch = torch.tensor(position / batches, device=self.device)
            found[phase] = self.job(batch, Step(count, epoch, noise, phase))
            if batch_idx == first:
                optimizer.zero_grad()
            self.manual_backward(found[phase].loss / group)
            if batch_idx == first + group - 1:
                if self.clip is not None:
                    self.clip_gradients(optimizer, self.clip, "norm")
                optimizer.step()
        self.train_terms.add(found, len(batch.x))
        if batch_idx == first + group - 1 and self.scheduler_interval == "step":
            for scheduler in self._schedulers():
                scheduler.step()
        if (position + 1) % (self.log_every * self.accumulate) == 0:
            self._log_recent()

    def _log_recent(self) -> None:
        """Means since the last such point go to the progress line and, as ``step/…``, to the loggers."""
        self.recent = self.train_terms.recent(self._over_processes)
        self._refuse_nan(self.recent)
        for logger in self.loggers:
            logger.log_metrics({f"step/{k}": v for k, v in self.recent.items()}, step=self.global_step)

    def on_train_epoch_end(self) -> None:
        """The epoch-wise schedulers move."""
        if self.scheduler_interval == "epoch":
            for scheduler in self._schedulers():
                if isinstance(scheduler, ReduceLROnPlateau):
                    scheduler.step(self.trainer.callback_metrics["val/loss"].item())
                else:
                    scheduler.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The objective with every schedule at its end, so that epochs compare."""
        noise = SeededNoise(self.device, self.seed, "val", batch_idx, self.global_rank)
        forever = torch.tensor(float("inf"), device=self.device)
        terms = self.job(batch, Step(torch.zeros_like(forever), forever, noise))
        self.val_terms.add({"model": terms}, len(batch.x))

    def on_validation_epoch_end(self) -> None:
        """Means of both splits, once per epoch: callbacks and checkpoints find them in ``callback_metrics``."""
        self._report("train", self.train_terms)
        self._report("val", self.val_terms)

    def _report(self, split: str, sums: TermSums) -> None:
        means = sums.close(self._over_processes)
        self._refuse_nan(means)
        self.log_dict({f"{split}/{k}": v for k, v in means.items()})

    def _over_processes(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.trainer.strategy.reduce(x, reduce_op="sum"))

    def _refuse_nan(self, means: dict[str, float]) -> None:
        """Raised before a checkpoint is written, so the last one is good."""
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if bad:
            raise RunFailed(
                f"{' and '.join(bad)} became NaN or infinite in epoch {self.current_epoch + 1}, step "
                f"{self.global_step}; try a smaller lr (lr=3e-4), training.clip=1 or, with a learned σ, a larger beta"
            )

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _schedulers(self) -> Iterator[Any]:
        schedulers = self.lr_schedulers() or []
        yield from schedulers if isinstance(schedulers, list) else [schedulers]
