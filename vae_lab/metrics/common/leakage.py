"""What adding one attribute to codes does to all attributes of the decoded images, as a classifier reads them.

For attribute a with vector v_a, and test images x that lack it,

    C_ab = mean over x of r_b(decode(μ(x) + v_a)) − r_b(decode(μ(x))),

with r_b in [0, 1] the probability that the classifier gives attribute b. C_aa is the effect of the vector: 1 if every
image gets the attribute. |C_ab| for another attribute b is what it leaks. Pairs that exclude each other, such as two
classes, are not counted, since one must go when the other comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.metrics.common.resampling import interval, resamples


@dataclass
class Changes:
    """The change of the probability of every attribute by one vector, image by image."""

    index: int  # the column of the attribute that was added
    read: Tensor  # [n, A]


def effect(changes: Sequence[Changes]) -> float:
    """The mean of C_aa over the attributes."""
    return float(torch.stack([one.read[:, one.index].double().mean() for one in changes]).mean())


def leaks(changes: Sequence[Changes]) -> Tensor:
    """C, a row for each attribute that was added: [vectors, A]."""
    return torch.stack([one.read.double().mean(0) for one in changes])


def leakage(changes: Sequence[Changes], exclusive: Tensor) -> float | None:
    """The mean of |C_ab| over pairs that do not exclude each other; None if there is no such pair.

    Args:
        changes: of each attribute that was added.
        exclusive: pairs that are not counted, bool [A, A].
    """
    counted = ~exclusive[[one.index for one in changes]]
    return float(leaks(changes).abs()[counted].mean()) if counted.any() else None


def leakage_interval(changes: Sequence[Changes], exclusive: Tensor, replicates: int, seed: int) -> tuple[float, float]:
    """The 95 % interval of :func:`leakage` over resamples of the images of each attribute."""
    value = leakage(changes, exclusive)
    assert value is not None
    counted = ~exclusive[[one.index for one in changes]]
    means = [
        resamples(len(one.read), replicates, seed, "leakage", str(one.index)) @ one.read.double() / len(one.read)
        for one in changes
    ]
    resampled = torch.stack(means, 1).abs()[:, counted].mean(1)
    return interval(value, resampled, high=1.0)
