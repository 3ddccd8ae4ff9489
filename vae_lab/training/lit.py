"""The LightningModule: optimizers, epochs, logging. The step itself is the engine's, the maths the objective's."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from vae_lab.errors import RunFailed
from vae_lab.noise import SeededNoise
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.history import steps_taken
from vae_lab.training.job import Job
from vae_lab.training.term_sums import TermSums, why_diverged
from vae_lab.types import Batch, Group, LossTerms, Step


class Float32(Precision):
    """Steps the optimizer and no more: the hooks that Lightning calls from within cost 1 % of a dense step."""

    def optimizer_step(  # type: ignore[override]  # Lightning's own differs from its base, too
        self, optimizer: Any, model: Any, closure: Callable[[], Any], **kwargs: Any
    ) -> Any:
        """As Lightning does without anyone at ``on_before_optimizer_step``."""
        return optimizer.step(**kwargs)


def precision_of(typed: str, lightnings: str | None) -> dict[str, Any]:
    """What a Trainer is told; earlier runs name Lightning's own word."""
    name = lightnings or {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[typed]
    return {"plugins": [Float32()]} if name == "32-true" else {"precision": name}


class LitJob(pl.LightningModule):
    """Trains a :class:`~vae_lab.training.job.Job`.

    Args:
        job: model and objective.
        optimizer: parameters to an optimizer; each phase gets one, this or that which the objective brings for it.
        scheduler: optimizer to a learning-rate scheduler, or None.
        scheduler_interval: 'epoch' or 'step': how often the scheduler moves.
        images: in the training set.
        seed: of all noise in training.
        clip: largest norm of a gradient, or None.
        accumulate: batches per optimizer step.
        log_every: optimizer steps between two points of the ``step/…`` curves.
        loss: what computes the job's loss in training, where that is not the job itself.
    """

    engine: Engine

    def __init__(
        self,
        job: Job,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau] | None,
        scheduler_interval: str,
        images: int,
        seed: int,
        clip: float | None,
        accumulate: int,
        log_every: int,
        loss: Callable[[Batch, Step], LossTerms] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.job = job
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.scheduler_interval = scheduler_interval
        self.images = images
        self.seed, self.clip, self.accumulate, self.log_every = seed, clip, accumulate, log_every
        self.loss = loss
        self.train_terms, self.val_terms = TermSums(), TermSums()
        self.recent: dict[str, float] = {}  # terms since the last point of the curves

    def configure_optimizers(self) -> Any:
        """One optimizer per phase, each with its scheduler."""
        own = self.job.own_optimizers
        phases = self.job.objective.phases
        optimizers = [own.get(phase, self.make_optimizer)(list(self.job.parameters_of(phase))) for phase in phases]
        schedulers = [self.make_scheduler(o) for o in optimizers] if self.make_scheduler else []
        return optimizers, schedulers

    def on_train_start(self) -> None:
        """The engine takes what it needs of Lightning once."""
        phases = [
            Phase(name, optimizer, list(self.job.parameters_of(name)))
            for name, optimizer in zip(self.job.objective.phases, self._optimizers())
        ]
        clip = None if self.clip is None else partial(self.clip_gradients, gradient_clip_val=self.clip)
        plain = self.trainer.world_size == 1 and self.trainer.precision != "16-mixed"
        self.engine = Engine(
            loss=self.loss or self.job,
            phases=phases,
            seed=self.seed,
            rank=self.global_rank,
            images=self.images,
            device=self.device,
            backward=Tensor.backward if plain else self.manual_backward,  # which waits for others, or scales the loss
            clip=clip,
            isolate=self.toggle_optimizer,
            release=self.untoggle_optimizer,
        )

    def training_step(self, group: Group, group_idx: int) -> None:
        """Several batches in a row, each as if it had come alone."""
        epoch = self.current_epoch
        for number, batch in enumerate(group.batches, group.first):
            at = Place(epoch, number, group.epoch_batches, self.accumulate)
            self.train_terms.add(self.engine.take(batch, at), len(batch.x))
            if at.last and self.scheduler_interval == "step":
                for scheduler in self._schedulers():
                    scheduler.step()
            if (at.position + 1) % (self.log_every * self.accumulate) == 0:
                self._log_recent()

    def _log_recent(self) -> None:
        """Means since the last such point go to the progress line and, as ``step/…``, to the loggers."""
        (self.recent,) = self.train_terms.recent(self._over_processes)
        self._refuse_nan(self.recent)
        for logger in self.loggers:
            logger.log_metrics({f"step/{k}": v for k, v in self.recent.items()}, step=steps_taken(self.trainer))

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
        terms = self.job(batch, Step(torch.zeros_like(forever), forever, noise, "model", self.images))
        self.val_terms.add({"model": terms}, len(batch.x))

    def on_validation_epoch_end(self) -> None:
        """Means of both splits, once per epoch: callbacks and checkpoints find them in ``callback_metrics``."""
        self._report("train", self.train_terms)
        self._report("val", self.val_terms)

    def _report(self, split: str, sums: TermSums) -> None:
        (means,) = sums.close(self._over_processes) or [{}]
        self._refuse_nan(means)
        self.log_dict({f"{split}/{k}": v for k, v in means.items()})

    def _over_processes(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.trainer.strategy.reduce(x, reduce_op="sum"))

    def _refuse_nan(self, means: dict[str, float]) -> None:
        """Raised before a checkpoint is written, so the last one is good."""
        reason = why_diverged(means, self.current_epoch, steps_taken(self.trainer))
        if reason:
            raise RunFailed(reason)

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _schedulers(self) -> Iterator[Any]:
        schedulers = self.lr_schedulers() or []
        yield from schedulers if isinstance(schedulers, list) else [schedulers]
