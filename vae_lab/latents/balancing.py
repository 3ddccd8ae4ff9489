"""Weights that make all combinations of other attributes equally frequent with and without an attribute.

If most people with glasses are men, the mean code of people with glasses also differs from that of the others by what
makes a man. With a the presence of an attribute, c one of the C combinations of the other attributes, and n(a, c) the
number of training examples of this cell, an example has the weight

    w = 1 / (C · n(a, c)),

so that the weights of each cell sum to 1/C, and those of both sides to 1. The weighted difference of means is then the
mean over the combinations of the differences within them (White 2016, arXiv 1609.04468, section 3, balances pairs of
attributes in this way). It needs examples in every cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.errors import counted

LEAST = 10  # examples in a cell from which on its mean is used, where the program chooses what to balance


class EmptyCell(ValueError):
    """A combination of attributes has no training example, so that no weights can make it as frequent as the others."""


def cell_counts(present: Tensor, others: Tensor) -> Tensor:
    """The number of examples of every combination without and with an attribute: long [2, 2^B].

    Combination c has the other attribute b if bit b of c is set.

    Args:
        present: bool [N].
        others: bool [N, B].
    """
    cells = 2 ** others.shape[1]
    return torch.bincount(present * cells + _combination(others), minlength=2 * cells).view(2, cells)


def balanced_weights(present: Tensor, others: Tensor, name: str, names: Sequence[str]) -> Tensor:
    """Weights [N] that sum to 1 over the examples with an attribute and to 1 over those without.

    Args:
        present: which examples have the attribute, bool [N].
        others: which have each of the attributes to balance, bool [N, B].
        name: of the attribute.
        names: of the others.

    Raises:
        EmptyCell: a combination has no example with the attribute, or none without it; it is named.
    """
    counts = cell_counts(present, others)
    empty = [_described(side, cell, name, names) for side, cell in (counts == 0).nonzero().tolist()]
    if empty:
        more = f", and of {counted(len(empty) - 1, 'other combination')}" if len(empty) > 1 else ""
        raise EmptyCell(f"there are 0 training examples {empty[0]}{more}")
    cells = counts.shape[1]
    return 1 / (cells * counts.double())[present.long(), _combination(others)]


@dataclass(frozen=True)
class Balance:
    """Which of the other attributes can be made equally frequent with and without one."""

    balanced: list[int]  # their columns
    left_out: dict[int, int]  # column: the number of examples of the smallest cell that it would give
    smallest: int  # examples in the smallest cell of those that are balanced


def balance_of(present: Tensor, index: int, least: int = LEAST) -> Balance:
    """Choose the attributes to balance: all others whose combinations have enough examples.

    They are taken in the order of their correlation with the attribute, the strongest first, since a vector leaks
    into attributes that go with its own. One that would make a cell smaller than ``least`` is left out.

    Args:
        present: bool [N, A].
        index: the column of the attribute.
        least: examples in the smallest cell.
    """
    own, chosen, left_out = present[:, index], list[int](), dict[int, int]()
    strengths = correlations(present)[index].abs()
    smallest = int(cell_counts(own, present[:, []]).min())
    for other in strengths.argsort(descending=True, stable=True).tolist():
        if other == index:
            continue
        fewest = int(cell_counts(own, present[:, [*chosen, other]]).min())
        if fewest >= max(1, least):
            chosen, smallest = [*chosen, other], fewest
        else:
            left_out[other] = fewest
    return Balance(chosen, left_out, smallest)


def correlations(present: Tensor) -> Tensor:
    """The correlations of binary attributes [A, A]; 0 for one that never varies."""
    centred = present.double() - present.double().mean(0)
    sd = centred.square().mean(0).sqrt()
    return centred.T @ centred / len(present) / (sd[:, None] * sd).clamp(min=1e-12)


def _combination(others: Tensor) -> Tensor:
    """The number of each example's combination: bool [N, B] to long [N]."""
    return (others.long() * 2 ** torch.arange(others.shape[1], device=others.device)).sum(1)


def _described(side: int, cell: int, name: str, names: Sequence[str]) -> str:
    """``with glasses, without hat, with beard``."""
    held = [bool(side), *(bool(cell >> bit & 1) for bit in range(len(names)))]
    return ", ".join(f"{'with' if has else 'without'} {one}" for has, one in zip(held, [name, *names]))
