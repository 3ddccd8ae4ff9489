"""Means of loss terms over an epoch and since the last point of the curves, of one job or of several side by side."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_lab.types import LossTerms

Reduce = Callable[[Tensor], Tensor]  # sums over processes


class TermSums:
    """Sums of loss terms over images. They stay on the device: reading their means is the only synchronisation.

    The terms of a batch are copied into a row of a table at once. Kept as they are, they would lie between the freed
    activations of their step, and every later step would find its memory in other places.

    A term is [] of one job, or [J] of J jobs that are trained together; means are read as one mapping per job.
    """

    ROWS = 256

    def __init__(self) -> None:
        self._names: list[str] = []
        self._table: Tensor | None = None  # [ROWS, names] or [ROWS, J, names], filled up to the entries of _images
        self._images: list[int] = []  # of the batches in the table
        self._sums: Tensor | None = None  # the same of one row, then the number of images; float64 where there is
        self._read: Tensor | None = None

    def add(self, phases: dict[str, LossTerms], images: int) -> None:
        """Note the terms of a batch; those of phases other than 'model' get the phase's name in front."""
        named = {}
        for phase, terms in phases.items():
            prefix = "" if phase == "model" else f"{phase}_"
            named[f"{prefix}loss"] = terms.loss.detach()
            named.update({prefix + name: value for name, value in terms.logs.items()} if prefix else terms.logs)
        values = list(named.values())
        if self._table is None:
            self._names = list(named)
            self._table = torch.empty(self.ROWS, *values[0].shape, len(values), device=values[0].device)
        torch.stack(values, -1, out=self._table[len(self._images)])
        self._images.append(images)
        if len(self._images) == self.ROWS:
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
        self._table = None
        self._sums, self._read = (None if x is None else x[places] for x in (self._sums, self._read))

    def _fold(self) -> None:
        if self._table is None or not self._images:
            return
        rows = self._table[: len(self._images)]
        rows = rows if rows.device.type == "mps" else rows.double()
        weights = torch.tensor(self._images, dtype=rows.dtype, device=rows.device)
        sums = torch.tensordot(weights, rows, 1)
        new = torch.cat([sums, weights.sum().expand(*sums.shape[:-1], 1)], -1)
        self._sums = new if self._sums is None else self._sums + new
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
