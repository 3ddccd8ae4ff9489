"""Computes the terms of a batch from parts of it: for memory, and for terms that depend on the number of examples.

Some terms are not means over examples: a covariance, a density q(z) or an MMD that is estimated from B codes has
another expected value for another B. Training computes them from batches of ``batch_size`` examples. Validation and
test use larger batches, so they compute such terms from parts of the same size, and what is reported in all splits
refers to one number of examples.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vae_lab.types import Batch, LossTerms, Model

Terms = Callable[[Batch], LossTerms]


def in_training_sizes(terms: Terms, model: Model, batch: Batch, size: int | None) -> LossTerms:
    """The terms of a batch: as it is in training mode, otherwise the mean over parts of the size of a training batch.

    Args:
        terms: computes the terms of a part.
        model: its mode decides.
        batch: B examples.
        size: number of examples in a training batch; None: batches are never divided (runs of earlier versions).
    """
    if model.training or size is None:
        return terms(batch)
    return in_parts(terms, batch, training_sizes(len(batch.x), size))


def training_sizes(examples: int, size: int) -> list[int]:
    """The sizes of parts of ``size`` examples. A rest of less than half a part is added to the last part.

    >>> training_sizes(512, 128), training_sizes(144, 128), training_sizes(16, 128)
    ([128, 128, 128, 128], [144], [16])
    """
    full, rest = divmod(examples, size)
    if full and 2 * rest < size:
        return [size] * (full - 1) + [size + rest]
    return [size] * full + [rest]


def in_parts(terms: Terms, batch: Batch, sizes: Sequence[int]) -> LossTerms:
    """The means of the terms of consecutive parts, weighted by their numbers of examples."""
    if len(sizes) == 1:
        return terms(batch)
    y = [None] * len(sizes) if batch.y is None else batch.y.split(list(sizes))
    parts = [terms(Batch(*part)) for part in zip(batch.x.split(list(sizes)), batch.target.split(list(sizes)), y)]

    def mean(values: list[Tensor]) -> Tensor:
        return torch.stack([value * n for value, n in zip(values, sizes)]).sum() / sum(sizes)

    logs = {name: mean([part.logs[name] for part in parts]) for name in parts[0].logs}
    return LossTerms(mean([part.loss for part in parts]), logs)
