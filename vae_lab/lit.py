"""The LightningModule: optimizers, epochs, logging. The step itself is the engine's, the maths the objective's."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from vae_lab.callbacks.history import steps_taken
from vae_lab.engine import Engine, Phase, Place
from vae_lab.errors import RunFailed
from vae_lab.job import Job
from vae_lab.noise import SeededNoise
from vae_lab.types import Batch, Group, LossTerms, Step


class TermSums:
    """Sums of loss terms over images. They stay on the device: reading their means is the only synchronisation.

    The terms of a batch are copied into a row of a table at once. Kept as they are, they would lie between the freed
    activations of their step, and every later step would find its memory in other places.
    """

    ROWS = 256

    def __init__(self) -> None:
        self._names: list[str] = []
        self._table: Tensor | None = None  # [ROWS, names], filled up to as many rows as there are entries in _images
        self._images: list[int] = []  # of the batches in the table
        self._sums: Tensor | None = None  # [names], then the number of images; float64 where the device has it
        self._read: Tensor | None = None

    def add(self, phases: dict[str, LossTerms], images: int) -> None:
        """Note the terms of a batch; those of phases other than 'model' get the phase's name in front."""
        named = {}
        for phase, terms in phases.items():
            prefix = "" if phase == "model" else f"{phase}_"
            named[f"{prefix}loss"] = terms.loss.detach()
            named.update({prefix + name: value for name, value in terms.logs.items()} if prefix else terms.logs)
        values = [value if value.ndim == 0 else value.mean() for value in named.values()]
        if self._table is None:
            self._names = list(named)
            self._table = torch.empty(self.ROWS, len(values), device=values[0].device)
        torch.stack(values, out=self._table[len(self._images)])
        self._images.append(images)
        if len(self._images) == self.ROWS:
            self._fold()

    def recent(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Per-image means since this was last asked for; ``reduce`` sums over processes."""
        self._fold()
        before, self._read = self._read, self._sums
        if self._sums is None:
            return {}
        return self._means(reduce(self._sums - (0 if before is None else before)))

    def close(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Per-image means of the whole epoch; the next one starts from nothing."""
        self._fold()
        means = {} if self._sums is None else self._means(reduce(self._sums.clone()))
        self._sums = self._read = None
        return means

    def _fold(self) -> None:
        if self._table is None or not self._images:
            return
        rows = self._table[: len(self._images)]
        rows = rows if rows.device.type == "mps" else rows.double()
        weights = torch.tensor(self._images, dtype=rows.dtype, device=rows.device).unsqueeze(1)
        new = torch.cat([(rows * weights).sum(0), weights.sum(0)])
        self._sums = new if self._sums is None else self._sums + new
        self._images = []

    def _means(self, sums: Tensor) -> dict[str, float]:
        return dict(zip(self._names, (sums[:-1] / sums[-1]).tolist()))


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
    """Trains a :class:`~vae_lab.job.Job`.

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
            alone=(self.toggle_optimizer, self.untoggle_optimizer),
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
        self.recent = self.train_terms.recent(self._over_processes)
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
                f"{' and '.join(bad)} became NaN or infinite in epoch {self.current_epoch + 1}, "
                f"step {steps_taken(self.trainer)}; try a smaller lr (lr=3e-4), training.clip=1 or, with a learned σ, "
                "a larger beta"
            )

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _schedulers(self) -> Iterator[Any]:
        schedulers = self.lr_schedulers() or []
        yield from schedulers if isinstance(schedulers, list) else [schedulers]
