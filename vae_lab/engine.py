"""Where in training a step is taken."""

from dataclasses import dataclass

import torch
from torch import Tensor


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
        return torch.full((), float(self.position // self.accumulate), device=device)  # filled there: no transfer

    def time(self, device: torch.device) -> Tensor:
        """Epochs so far, with their fraction: []."""
        return torch.full((), self.position / self.batches, device=device)
