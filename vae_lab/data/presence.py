"""Which examples have an attribute: attributes are numbers, and vectors of attributes need a yes or no.

An example has an attribute if its value lies above the middle between the smallest and the largest value among the
training examples. For labels 0 and 1, or −1 and 1, these are the ones. A number such as a scale counts as present in
its upper half.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Presence:
    """The values that separate examples with each attribute from those without."""

    middles: Tensor  # [A]

    @classmethod
    def of(cls, values: Tensor) -> "Presence":
        """The middles of the ranges of training values [N, A]."""
        return cls((values.amin(0) + values.amax(0)) / 2)

    def __call__(self, values: Tensor) -> Tensor:
        """Whether each example has each attribute: values [N, A] to bool [N, A]."""
        return values > self.middles.to(values.device)


def exclusive(present: Tensor) -> Tensor:
    """Pairs of attributes of which one of the four combinations never occurs: bool [A, A].

    Such are the columns of a class as one-hot vectors, and an attribute that implies another. What adding one does to
    the other is then part of its meaning. Every attribute is paired with itself.

    Args:
        present: bool [N, A].
    """
    have = present.double()
    lack = 1 - have
    return torch.stack([a.T @ b == 0 for a in (have, lack) for b in (have, lack)]).any(0)
