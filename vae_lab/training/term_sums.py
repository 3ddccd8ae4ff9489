"""Means of loss terms over an epoch and since the last point of the curves, for one job or several.

>>> import torch
>>> sums = TermSums()
>>> for loss, size in ((10.0, 3), (20.0, 1)):
...     sums.add({"model": LossTerms(torch.tensor(loss), {"kl": torch.tensor(1.0)})}, size)
>>> sums.close(reduce=lambda x: x)  # the mean over 4 examples; a single process has nothing to reduce
[{'loss': 12.5, 'kl': 1.0}]
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_lab.types import LossTerms

Reduce = Callable[[Tensor], Tensor]  # sums a tensor over all processes


class TermSums:
    """Sums of loss terms over examples.

    The sums stay on the device; only reading their means synchronises with it. The terms of many batches are kept and
    then added at once, so that a training step does no more than keep its terms.

    A term has the shape [] for one job, or [J] for J jobs that are trained together. Means are returned as one mapping
    per job.
    """

    BATCHES = 256  # number of batches whose terms are kept before they are added

    def __init__(self) -> None:
        self._names: list[str] = []
        self._open: list[Tensor] = []  # terms of the batches that have not been added yet, one batch after the other
        self._images: list[int] = []  # number of examples in each of these batches
        self._sums: Tensor | None = None  # sums of the terms, then the number of examples; float64 if available
        self._read: Tensor | None = None  # the sums at the last call of `recent`

    def add(self, phases: dict[str, LossTerms], images: int) -> None:
        """Add the terms of a batch.

        Args:
            phases: the terms of each phase. Names from phases other than 'model' are prefixed with the phase's name.
            images: number of examples in the batch.
        """
        named = {}
        for phase, terms in phases.items():
            prefix = "" if phase == "model" else f"{phase}_"
            named[f"{prefix}loss"] = terms.loss.detach()
            named.update({prefix + name: value for name, value in terms.logs.items()} if prefix else terms.logs)
        self._names = list(named)
        self._open += named.values()
        self._images.append(images)
        if len(self._images) == self.BATCHES:
            self._fold()

    def recent(self, reduce: Reduce) -> list[dict[str, float]]:
        """Means per example since the last call of this method or of :meth:`close`."""
        self._fold()
        before, self._read = self._read, self._sums
        if self._sums is None:
            return []
        return self._means(reduce(self._sums - (0 if before is None else before)))

    def close(self, reduce: Reduce) -> list[dict[str, float]]:
        """Means per example over the complete epoch; the sums then restart at zero."""
        self._fold()
        means = [] if self._sums is None else self._means(reduce(self._sums.clone()))
        self._sums = self._read = None
        return means

    def keep(self, places: Tensor) -> None:
        """Keep only the jobs at these places, long [kept]."""
        self._fold()
        self._sums, self._read = (None if x is None else x[places] for x in (self._sums, self._read))

    def _fold(self) -> None:
        if not self._images:
            return
        rows = torch.stack(self._open, -1).unflatten(
            -1, (len(self._images), -1)
        )  # [batches, names], or [J, batches, names]
        rows = rows if rows.device.type == "mps" else rows.double()
        weights = torch.tensor(self._images, dtype=rows.dtype, device=rows.device)
        sums = (rows * weights.unsqueeze(1)).sum(-2)
        new = torch.cat([sums, weights.sum().expand(*sums.shape[:-1], 1)], -1)
        self._sums = new if self._sums is None else self._sums + new
        self._open = []
        self._images = []

    def _means(self, sums: Tensor) -> list[dict[str, float]]:
        means = (sums[..., :-1] / sums[..., -1:]).reshape(-1, len(self._names))
        return [dict(zip(self._names, row)) for row in means.tolist()]


def why_diverged(means: dict[str, float], epoch: int, steps: int) -> str:
    """A message that names the terms that are NaN or infinite and says what to try; empty if all are finite.

    Args:
        means: means of the terms.
        epoch: the epoch, counted from 0.
        steps: optimizer steps so far.
    """
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    if not bad:
        return ""
    listed = " and ".join([*filter(None, [", ".join(bad[:-1])]), bad[-1]])
    return (
        f"{listed} became NaN or infinite in epoch {epoch + 1}, step {steps}; try a smaller lr (lr=3e-4), "
        "training.clip=1 or, with a learned σ, a larger beta"
    )
