"""Means of loss terms over an epoch and since the last point of the curves, of one job or of several side by side."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_lab.types import LossTerms

Reduce = Callable[[Tensor], Tensor]  # sums over processes


class TermSums:
    """Sums of loss terms over images. They stay on the device: reading their means is the only synchronisation.

    The terms of many batches are added up at a time: a step pays for no more than keeping them.

    A term is [] of one job, or [J] of J jobs that are trained together; means are read as one mapping per job.
    """

    BATCHES = 256  # kept before they are added up

    def __init__(self) -> None:
        self._names: list[str] = []
        self._open: list[Tensor] = []  # the terms of batches that are not added up yet, one after the other
        self._images: list[int] = []  # of those batches
        self._sums: Tensor | None = None  # the same of one row, then the number of images; float64 where there is
        self._read: Tensor | None = None

    def add(self, phases: dict[str, LossTerms], images: int) -> None:
        """Note the terms of a batch; those of phases other than 'model' get the phase's name in front."""
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
        """Per-image means since this was last asked for."""
        self._fold()
        before, self._read = self._read, self._sums
        if self._sums is None:
            return []
        return self._means(reduce(self._sums - (0 if before is None else before)))

    def close(self, reduce: Reduce) -> list[dict[str, float]]:
        """Per-image means of the whole epoch; the next one starts from nothing."""
        self._fold()
        means = [] if self._sums is None else self._means(reduce(self._sums.clone()))
        self._sums = self._read = None
        return means

    def keep(self, places: Tensor) -> None:
        """Go on with the jobs at these places alone: long [kept]."""
        self._fold()
        self._sums, self._read = (None if x is None else x[places] for x in (self._sums, self._read))

    def _fold(self) -> None:
        if not self._images:
            return
        rows = torch.stack(self._open, -1).unflatten(-1, (len(self._images), -1))  # [batches, names], [J, …] of several
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
    """What became NaN or infinite in that epoch (counted from 0), and what to try; empty where nothing did."""
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    if not bad:
        return ""
    return (
        f"{' and '.join(bad)} became NaN or infinite in epoch {epoch + 1}, step {steps}; try a smaller lr (lr=3e-4), "
        "training.clip=1 or, with a learned σ, a larger beta"
    )
