"""The list of checks, and how far two numbers are apart.

A check is a generator that yields ``(quantity, ours, reference)`` for every case that it tries. An exact check yields
two arrays of the same shape, and the largest relative difference counts. A statistical check yields independent
estimates whose mean should be the reference, and the distance in standard errors counts.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Found = tuple[str, Any, Any]
Run = Callable[[], Iterator[Found]]

EXACT, STATISTICAL = 1e-5, 3.0  # the largest relative difference, and the largest number of standard errors


class NotInstalled(Exception):
    """A package with which a check compares is missing."""


@dataclass(frozen=True)
class Check:
    """One comparison of an option of ``conf/<kind>/<name>.yaml`` with a reference, for one or more quantities."""

    kind: str  # the folder in conf/, or another group of formulas
    name: str
    quantities: tuple[str, ...]
    reference: str  # who computes the right value, and the source of the definition
    statistical: bool
    slow: bool  # takes longer than the quick tests of the package may
    run: Run


@dataclass
class Row:
    """The result for one quantity: a row of the table."""

    check: Check
    quantity: str
    cases: int
    difference: float  # relative, or in standard errors
    missing: str = ""  # the package that is not installed

    @property
    def limit(self) -> float:
        """The largest difference that is accepted."""
        return STATISTICAL if self.check.statistical else EXACT

    @property
    def good(self) -> bool:
        """Whether the numbers agree, or could not be compared for want of a package."""
        return bool(self.missing) or self.difference <= self.limit


CHECKS: list[Check] = []


def check(
    kind: str, name: str, *quantities: str, reference: str, statistical: bool = False, slow: bool = False
) -> Callable[[Run], Run]:
    """Register the decorated generator as the check of an option.

    Args:
        kind: the folder in ``conf/`` that has the option, or another group.
        name: the option.
        quantities: what is compared; each is a row of the table.
        reference: who computes the right value, with the source of the definition.
        statistical: whether ``ours`` are independent estimates of the reference.
        slow: whether the check takes more than a moment.
    """

    def register(run: Run) -> Run:
        CHECKS.append(Check(kind, name, quantities, reference, statistical, slow, run))
        return run

    return register


def rows(one: Check) -> list[Row]:
    """Carry out a check and return a row for each of its quantities.

    Raises:
        AssertionError: the check did not compare every quantity that it was registered with.
    """
    differences: dict[str, list[float]] = defaultdict(list)
    measure = standard_errors if one.statistical else relative_difference
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for quantity, ours, reference in one.run():
                differences[quantity].append(measure(ours, reference))
    except NotInstalled as why:
        return [Row(one, quantity, 0, math.nan, missing=str(why)) for quantity in one.quantities]
    assert set(differences) == set(one.quantities), f"{one.kind}/{one.name} compared {sorted(differences)}"
    return [Row(one, quantity, len(found), max(found)) for quantity, found in differences.items()]


def relative_difference(ours: Any, reference: Any) -> float:
    """The largest absolute difference, divided by the largest absolute value of the reference (or by 1, if that is 0).

    It is infinite if a number is NaN.
    """
    a, b = array(ours), array(reference)
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    largest = np.abs(a - b).max() / (np.abs(b).max() or 1.0)
    return math.inf if math.isnan(largest) else float(largest)


def standard_errors(ours: Any, reference: Any) -> float:
    """How many standard errors the mean of independent estimates is away from the reference.

    A reference of several numbers is a set of independent estimates itself.
    """
    a, b = array(ours).ravel(), array(reference).ravel()
    variance = a.var(ddof=1) / len(a) + (b.var(ddof=1) / len(b) if len(b) > 1 else 0.0)
    return float(abs(a.mean() - b.mean()) / math.sqrt(variance)) if variance else math.inf


def array(numbers: Any) -> np.ndarray:
    """Numbers as a float64 array."""
    if isinstance(numbers, torch.Tensor):
        numbers = numbers.detach().double().cpu().numpy()
    return np.asarray(numbers, dtype=np.float64)
