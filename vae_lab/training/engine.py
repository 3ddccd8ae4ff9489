"""The training step: one batch passes through every phase of a job.

Each phase in turn computes its loss, the gradients, and, at the last batch of an accumulation, clips the gradients and
steps its optimizer. Lightning's module calls this for several batches in a row (:class:`~vae_lab.data.batches.Groups`).
Everything that is the same in all steps is looked up once, in the constructor: with networks as small as those for
MNIST, the time of each of Lightning's properties and hooks is noticeable.

:class:`Place` computes everything that depends on the position of a batch:

>>> at = Place(epoch=1, batch=3, batches=10, accumulate=4)  # the 4th of 10 batches in the 2nd epoch
>>> at.position, at.first, at.last, at.together
(13, False, True, 4)
>>> at.count(torch.device("cpu")), at.time(torch.device("cpu"))  # 3 optimizer steps per epoch; 1.3 epochs
(tensor(3.), tensor(1.3000))
>>> at.steps, at.steps_after
(3, 4)
>>> Place(epoch=1, batch=9, batches=10, accumulate=4).together  # the last step of an epoch has the 2 remaining batches
2
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vae_lab.noise import SeededNoise
from vae_lab.training.weight_average import WeightAverage
from vae_lab.types import Batch, LossTerms, Noise, Step


@dataclass(frozen=True)
class Place:
    """The position of a batch in training. Epochs and batches are counted from 0."""

    epoch: int
    batch: int  # position in the epoch
    batches: int  # number of batches in an epoch
    accumulate: int  # batches per optimizer step

    @property
    def position(self) -> int:
        """Number of batches before this one, in all epochs."""
        return self.epoch * self.batches + self.batch

    @property
    def first(self) -> bool:
        """Whether this is the first batch of an optimizer step, before which gradients are cleared."""
        return self.batch % self.accumulate == 0

    @property
    def together(self) -> int:
        """Number of batches in the optimizer step of this batch; the last step of an epoch may have fewer."""
        return min(self.accumulate, self.batches - (self.batch - self.batch % self.accumulate))

    @property
    def last(self) -> bool:
        """Whether this is the last batch of an optimizer step, after which the optimizers step."""
        return self.batch % self.accumulate == self.together - 1

    @property
    def steps(self) -> int:
        """Number of optimizer steps of each phase before this batch."""
        steps_per_epoch = -(-self.batches // self.accumulate)
        return self.epoch * steps_per_epoch + self.batch // self.accumulate

    @property
    def steps_after(self) -> int:
        """Number of optimizer steps of each phase once this batch is done: the axis of everything that is logged."""
        return self.steps + self.last

    def count(self, device: torch.device) -> Tensor:
        """Optimizer steps before this batch, as objectives see them: []."""
        return torch.full((), float(self.steps), device=device)  # filled on the device, without a transfer

    def time(self, device: torch.device) -> Tensor:
        """Epochs before this batch, with a fraction: []."""
        return torch.full((), self.position / self.batches, device=device)


class PhaseOptimizer(Protocol):
    """The part of an optimizer that a training step uses.

    Lightning's wrappers, which count the steps, and the optimizers of torch both implement it.
    """

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters with their settings, e.g. the learning rate."""

    def step(self) -> object:
        """Update the parameters by their gradients; the result is not used."""


# Any: the annotations of Lightning's hooks for an optimizer are narrower than what the hooks accept.
OptimizerHook = Callable[[Any], None]
NoiseOf = Callable[[int, int], Noise]  # the noise of a phase and a repeat, both counted from 0


@dataclass(frozen=True)
class Phase:
    """One phase of the objective, with the parameters that it updates."""

    name: str
    optimizer: PhaseOptimizer
    parameters: Sequence[nn.Parameter]
    repeats: int = 1  # optimizer steps per batch, each with other draws of noise


@dataclass(frozen=True)
class Engine:
    """Trains on one batch at a time.

    Args:
        loss: the job, or its compiled equivalent.
        phases: the phases, in the order in which they use a batch.
        seed, rank: key of the noise.
        images: number of examples in the training set.
        device: the device of the batches.
        backward: computes the gradients of a loss [].
        clip: clips the gradients of an optimizer's parameters; None: they are not clipped.
        isolate, release: called with the phase's optimizer before and after each phase if there are several phases.
            ``isolate`` disables the gradients of all other parameters, and ``release`` enables them again.
        average: the average of the weights, which moves once all phases have stepped; None: there is none.
    """

    loss: Callable[[Batch, Step], LossTerms]
    phases: Sequence[Phase]
    seed: int
    rank: int
    images: int
    device: torch.device
    backward: Callable[[Tensor], None]
    clip: OptimizerHook | None
    isolate: OptimizerHook
    release: OptimizerHook
    average: WeightAverage | None = None

    def take(self, batch: Batch, at: Place) -> dict[str, LossTerms]:
        """Train on one batch.

        Args:
            batch: the examples, on the device.
            at: the position of the batch in training.

        Returns:
            The loss and its terms of each phase (of its last repeat), by the phase's name. They stay on the device.
        """
        terms = self.pass_phases(batch, at, at.count(self.device), at.time(self.device), partial(self.noise, at))
        if at.last and self.average is not None:
            self.average.update(at.steps_after)
        return terms

    def noise(self, at: Place, phase: int, repeat: int) -> Noise:
        """The noise of a repeat of a phase, which are counted from 0."""
        key = (phase, self.rank, repeat) if repeat else (phase, self.rank)
        return SeededNoise(self.device, self.seed, "train", at.position, *key)

    def pass_phases(self, batch: Batch, at: Place, count: Tensor, time: Tensor, noise: NoiseOf) -> dict[str, LossTerms]:
        """Train on one batch in every phase, except for the average of the weights.

        Args:
            batch: the examples, on the device.
            at: the position of the batch in training.
            count, time: ``at.count`` and ``at.time``, [] on the device.
            noise: makes the noise of a phase and a repeat.

        Returns:
            The loss and its terms of each phase (of its last repeat), by the phase's name.
        """
        terms_of_phases = {}
        for i, phase in enumerate(self.phases):
            if len(self.phases) > 1:  # otherwise, the parameters of other phases would get gradients
                self.isolate(phase.optimizer)
            for repeat in range(phase.repeats):
                step = Step(count, time, noise(i, repeat), phase.name, self.images)
                terms_of_phases[phase.name] = self._step(phase, batch, at, step)
            if len(self.phases) > 1:
                self.release(phase.optimizer)
        return terms_of_phases

    def _step(self, phase: Phase, batch: Batch, at: Place, step: Step) -> LossTerms:
        """Compute the loss and the gradients of a phase; at the last batch of an accumulation, step its optimizer."""
        terms = self.loss(batch, step)
        if at.first:
            for parameter in phase.parameters:  # takes 4 µs; zero_grad takes 100 µs
                parameter.grad = None
        self.backward(terms.loss if at.together == 1 else terms.loss / at.together)
        if at.last:
            if self.clip is not None:
                self.clip(phase.optimizer)
            phase.optimizer.step()
        return terms
