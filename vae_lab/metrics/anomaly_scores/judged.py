"""What an anomaly score is, and the examples that it judges."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from vae_lab.metrics.common.image_terms import ImageTerms, image_terms
from vae_lab.scores import Trained


def with_name(name: str, label: str) -> str:
    """Return the label of a score with its name before it, as users type it: ``elbo (−ELBO), nats``."""
    quantity, _, unit = label.rpartition(", ")
    return f"{name}, {unit}" if quantity.lower() == name else f"{name} ({quantity}), {unit}"


@dataclass
class Judged:
    """n examples to judge, as the model receives them.

    Args:
        batches: starts anew a pass over the examples, [b, *x_shape] each; every pass gives the same ones.
        purpose: what they are, in a few words; also the key of the noise, so that every set has draws of its own.
        y: labels or attributes of all examples in their order, which only a conditional model reads.
        sizes: number of examples in each batch; None: they are counted in a pass of its own, which costs little for
            examples in memory.
    """

    batches: Callable[[], Iterator[Tensor]]
    purpose: str
    y: Tensor | None = None
    sizes: Sequence[int] | None = None
    _terms: dict[tuple[int, int], ImageTerms] = field(default_factory=dict, repr=False)

    @classmethod
    def of_split(cls, trained: Trained, split: str, n: int | None, purpose: str) -> "Judged":
        """n examples of a split by a fixed draw (None: all), with their labels."""
        y = None
        if trained.model.conditional:
            y = torch.cat([batch.y for batch in trained.data.batches(split, n) if batch.y is not None])
        return cls(lambda: (batch.x for batch in trained.data.batches(split, n)), purpose, y)

    def terms(self, trained: Trained, samples: int) -> ImageTerms:
        """The loss terms of every example, from that many draws of z; computed once for each model."""
        key = id(trained), samples
        if key not in self._terms:
            images = (x for x, _ in self.parts(trained, 1000, "terms of the ELBO"))
            self._terms[key] = image_terms(trained, images, self.purpose, samples, self.y)
        return self._terms[key]

    def parts(self, trained: Trained, size: int, computed: str) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the examples, at most ``size`` at a time, with their y, and show how far the pass is.

        Args:
            trained: shows the progress.
            size: the largest number of examples at a time.
            computed: what is computed of them, for the line of the progress.
        """
        total = sum(-(-n // size) for n in self.sizes or map(len, self.batches()))
        blocks = (part for batch in self.batches() for part in batch.split(size))
        start = 0
        for _ in trained.progress(range(total), f"{computed}, {self.purpose}"):
            x = next(blocks)
            yield x, None if self.y is None else self.y[start : start + len(x)].to(x.device)
            start += len(x)


class AnomalyScore(Protocol):
    """A number for every example, higher for more anomalous ones.

    ``label`` is the name with the unit, for axes and columns. ``needs`` are capabilities of a run, as a metric declares
    them (:mod:`vae_lab.evaluation.needs`).
    """

    label: str

    @property
    def needs(self) -> Sequence[str]:
        """The capabilities."""

    @property
    def about(self) -> dict[str, Any]:
        """Entries for the protocol: the settings on which the value depends."""

    def fit(self, trained: Trained) -> None:
        """Learn from training examples what the score compares with; many scores learn nothing."""

    def __call__(self, trained: Trained, judged: Judged) -> Tensor:
        """The score of every example: float64 [n] on the CPU."""


_HUGE = 1e300


def finite(scores: Tensor) -> Tensor:
    """Return scores [n] as float64 on the CPU, with a huge number where one overflowed: they are compared by rank."""
    return scores.double().cpu().nan_to_num(nan=_HUGE, posinf=_HUGE, neginf=-_HUGE)
