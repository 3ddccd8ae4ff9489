"""The LightningModule of a job: optimizers, epochs, logging. The training step itself is the engine's."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from vae_lab.errors import RunFailed
from vae_lab.noise import SeededNoise
from vae_lab.training.captured import Captured, plain_settings
from vae_lab.training.checkpoints import AVERAGED, scored_weights
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.job import Job
from vae_lab.training.precision import Float16, clip_gradients
from vae_lab.training.term_sums import TermSums, why_diverged
from vae_lab.training.weight_average import WeightAverage, tensors_of
from vae_lab.types import Batch, Group, LossTerms, Step


class LitJob(pl.LightningModule):
    """Trains a :class:`~vae_lab.training.job.Job`.

    Lightning's automatic optimization is switched off; each training step is one call of
    :class:`~vae_lab.training.engine.Engine` per batch.

    Args:
        job: model and objective.
        optimizer: makes an optimizer from its parameters. Each phase has one optimizer; the objective may define a
            different one for a phase.
        scheduler: makes a learning-rate scheduler from an optimizer; None: the learning rate is constant.
        scheduler_interval: 'epoch' or 'step': how often the scheduler steps.
        images: number of examples in the training set.
        seed: seed of all noise in training.
        clip: largest norm of a gradient; None: gradients are not clipped.
        accumulate: batches per optimizer step.
        ema: decay of the average of the weights, with which validation computes the objective; None: no average.
        log_every: optimizer steps between two points of the ``step/…`` curves.
        loss: computes the loss in training in place of the job, e.g. its compiled equivalent.
        capture: :class:`~vae_lab.training.captured.Captured` without the arguments ``engine``, ``module`` and
            ``stepped``; None: all steps are ordinary ones.
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
        ema: float | None = None,
        capture: Callable[..., Captured] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.job = job
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.scheduler_interval = scheduler_interval
        self.images = images
        self.seed, self.clip, self.accumulate, self.log_every = seed, clip, accumulate, log_every
        self.loss, self.ema, self.capture = loss, ema, capture
        self.average: WeightAverage | None = None
        self._saved_average: dict[str, Tensor] = {}  # of the checkpoint from which training continues
        self.train_terms, self.val_terms = TermSums(), TermSums()
        self.recent: dict[str, float] = {}  # terms since the last point of the curves
        self.steps = 0  # optimizer steps so far, of each phase

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler | ReduceLROnPlateau]]:
        """One optimizer per phase, and one scheduler per optimizer if there is a schedule."""
        own = self.job.own_optimizers
        phases = self.job.objective.phases
        optimizers = [own.get(phase, self.make_optimizer)(list(self.job.parameters_of(phase))) for phase in phases]
        schedulers = [self.make_scheduler(o) for o in optimizers] if self.make_scheduler else []
        return optimizers, schedulers

    def on_train_start(self) -> None:
        """Make the engine, with everything that it needs from Lightning."""
        phases = [
            Phase(name, optimizer, list(self.job.parameters_of(name)), self.job.repeats(name))
            for name, optimizer in zip(self.job.objective.phases, self._optimizers())
        ]
        precision = self.trainer.precision_plugin
        if self.ema is not None:
            self.average = WeightAverage(self.ema, tensors_of(self.job))
            self.average.load(self._saved_average)
        clip = None if self.clip is None else partial(clip_gradients, largest=self.clip, precision=precision)
        plain = self.trainer.world_size == 1 and not isinstance(precision, Float16)
        self.engine = Engine(
            loss=self.loss or self.job,
            phases=phases,
            seed=self.seed,
            rank=self.global_rank,
            images=self.images,
            device=self.device,
            # Lightning's function also synchronises several processes, and scales the loss in fp16.
            backward=Tensor.backward if plain else self.manual_backward,
            clip=clip,
            isolate=self.toggle_optimizer,
            release=self.untoggle_optimizer,
            average=self.average,
        )
        self.take = self._captured().take if self.capture else self.engine.take

    def _captured(self) -> Captured:
        """What takes the steps of the engine as CUDA graphs."""
        assert self.capture is not None

        def stepped(optimizer: LightningOptimizer) -> None:
            optimizer._on_before_step()  # Lightning counts steps there, and saves no checkpoint before the first one
            optimizer._on_after_step()

        return self.capture(self.engine, self.job, stepped=stepped)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the averaged weights beside the trained ones, and no setting that only a CUDA graph needs."""
        for state in checkpoint.get("optimizer_states", []):
            plain_settings(state)
        if self.average is not None:
            checkpoint[AVERAGED] = self.average.state_of(self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the averaged weights of the checkpoint from which training continues."""
        self._saved_average = scored_weights(checkpoint)

    def training_step(self, group: Group, group_idx: int) -> None:
        """Train on several batches in a row, with the same result as one call for each."""
        epoch = self.current_epoch
        for number, batch in enumerate(group.batches, group.first):
            at = Place(epoch, number, group.epoch_batches, self.accumulate)
            self.train_terms.add(self.take(batch, at), len(batch.x))
            self.steps = at.steps_after
            if at.last and self.scheduler_interval == "step":
                for scheduler in self._schedulers():
                    scheduler.step()  # type: ignore[call-arg]  # a plateau schedule with this interval is refused
            if at.last and self.steps % self.log_every == 0:
                self._log_recent()

    def _log_recent(self) -> None:
        """Log the means since the last point as ``step/…``, and keep them for the progress line."""
        (self.recent,) = self.train_terms.recent(self._over_processes)
        self._refuse_nan(self.recent)
        for logger in self.loggers:
            logger.log_metrics({f"step/{k}": v for k, v in self.recent.items()}, step=self.steps)

    def on_train_epoch_end(self) -> None:
        """Step the schedulers that step once per epoch."""
        if self.scheduler_interval == "epoch":
            for scheduler in self._schedulers():
                if isinstance(scheduler, ReduceLROnPlateau):
                    scheduler.step(self.trainer.callback_metrics["val/loss"].item())
                else:
                    scheduler.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Compute the objective with every schedule at its final value, so that epochs are comparable."""
        noise = SeededNoise(self.device, self.seed, "val", batch_idx, self.global_rank)
        forever = torch.tensor(float("inf"), device=self.device)
        step = Step(torch.zeros_like(forever), forever, noise, "model", self.images)
        weights = self.average.values() if self.average else {}  # in place of the trained ones
        terms = functional_call(self.job, weights, (batch, step))
        self.val_terms.add({"model": terms}, len(batch.x))

    def on_validation_epoch_end(self) -> None:
        """Publish the means of both splits in ``callback_metrics``, which checkpoints and the history read."""
        self._report("train", self.train_terms)
        self._report("val", self.val_terms)

    def _report(self, split: str, sums: TermSums) -> None:
        (means,) = sums.close(self._over_processes) or [{}]
        self._refuse_nan(means)
        self.log_dict({f"{split}/{k}": v for k, v in means.items()}, logger=False)

    def _over_processes(self, x: Tensor) -> Tensor:
        """The sum of x over all processes."""
        return cast(Tensor, self.trainer.strategy.reduce(x, reduce_op="sum"))

    def _refuse_nan(self, means: dict[str, float]) -> None:
        """Raise before a checkpoint is written, so that the last checkpoint is usable.

        Raises:
            RunFailed: a term is NaN or infinite.
        """
        reason = why_diverged(means, self.current_epoch, self.steps)
        if reason:
            raise RunFailed(reason)

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _schedulers(self) -> Iterator[LRScheduler | ReduceLROnPlateau]:
        schedulers = self.lr_schedulers() or []
        yield from schedulers if isinstance(schedulers, list) else [schedulers]
