"""The training step: one batch through every phase of a job.

For each phase in turn: noise, loss, backward, clip, step. Lightning calls this several times in a row
(:class:`~vae_lab.data.batches.Groups`). What is the same in every step is looked up once, in the constructor: around a
network as small as MNIST's, each of Lightning's properties and hooks counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vae_lab.noise import SeededNoise
from vae_lab.types import Batch, LossTerms, Step


@dataclass(frozen=True)
class Place:
    """Where in training a batch stands."""

    epoch: int
    batch: int  # in the epoch
    batches: int  # of an epoch
    accumulate: int  # batches per optimizer step

    @property
    def position(self) -> int:
        """Batches before this one, of all epochs."""
        return self.epoch * self.batches + self.batch

    @property
    def first(self) -> bool:
        """Whether gradients start from nothing."""
        return self.batch % self.accumulate == 0

    @property
    def together(self) -> int:
        """Batches of the optimizer step that this one belongs to; the last few of an epoch may be fewer."""
        return min(self.accumulate, self.batches - (self.batch - self.batch % self.accumulate))

    @property
    def last(self) -> bool:
        """Whether the optimizers step after this batch."""
        return self.batch % self.accumulate == self.together - 1

    def count(self, device: torch.device) -> Tensor:
        """Optimizer steps so far, as objectives see it: []."""
        of_an_epoch = -(-self.batches // self.accumulate)
        steps = self.epoch * of_an_epoch + self.batch // self.accumulate
        return torch.full((), float(steps), device=device)  # filled there: no transfer

    def time(self, device: torch.device) -> Tensor:
        """Epochs so far, with their fraction: []."""
        return torch.full((), self.position / self.batches, device=device)


@dataclass(frozen=True)
class Phase:
    """One of the objective's phases, and what it updates."""

    name: str
    optimizer: Any  # Lightning's, which counts the steps
    parameters: Sequence[nn.Parameter]


@dataclass(frozen=True)
class Engine:
    """Takes batches.

    Args:
        loss: the job itself, or what computes the same faster.
        phases: in the order in which they take a batch.
        seed, rank: of the noise.
        images: in the training set.
        device: where batches are.
        backward: what gives the parameters their gradients.
        clip: bounds an optimizer's gradients; None: nothing does.
        isolate, release: before and after a phase, where there are several: with the phase's optimizer, take the
            gradients of all other parameters out, and let them in again.
    """

    loss: Callable[[Batch, Step], LossTerms]
    phases: Sequence[Phase]
    seed: int
    rank: int
    images: int
    device: torch.device
    backward: Callable[[Tensor], None]
    clip: Callable[[Any], None] | None
    isolate: Callable[[Any], None]
    release: Callable[[Any], None]

    def take(self, batch: Batch, at: Place) -> dict[str, LossTerms]:
        """Train on one batch: phase -> the loss and its terms, still on the device."""
        count, time = at.count(self.device), at.time(self.device)
        found = {}
        for i, phase in enumerate(self.phases):
            noise = SeededNoise(self.device, self.seed, "train", at.position, i, self.rank)
            if len(self.phases) > 1:  # or a phase would leave gradients on what others update
                self.isolate(phase.optimizer)
            terms = self.loss(batch, Step(count, time, noise, phase.name, self.images))
            if at.first:
                for parameter in phase.parameters:  # 4 µs; zero_grad takes 100
                    parameter.grad = None
            self.backward(terms.loss if at.together == 1 else terms.loss / at.together)
            if at.last:
                if self.clip is not None:
                    self.clip(phase.optimizer)
                phase.optimizer.step()
            if len(self.phases) > 1:
                self.release(phase.optimizer)
            found[phase.name] = terms
        return found
