"""Conformal p-values: how unusual a score is among those of held-out normal examples, with a finite-sample guarantee.

With n scores of normal examples, the p-value of a score s is (1 + #{scores ≥ s}) / (n + 1) (Vovk et al. 2005). If a new
normal example and the held-out ones are exchangeable, its p-value is at most α with a probability of at most α,
whatever the distribution, the score and n. To flag p ≤ α therefore raises false alarms for at most a share α of normal
examples, on average over held-out sets. For one held-out set, the share of false alarms follows a Beta distribution:
with k = ⌊α (n + 1)⌋ it is Beta(k, n + 1 − k) if scores have no ties (Bates et al. 2023, arXiv 2104.08279).
"""

import math

import torch
from torch import Tensor

from vae_lab.errors import UserError


def p_values(scores: Tensor, held_out: Tensor) -> Tensor:
    """Return (1 + #{held-out ≥ s}) / (n + 1) of every score: [m] from held-out scores [n], float64 in (0, 1].

    >>> p_values(torch.tensor([0.0, 2.5, 9.0]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([1.0000, 0.5000, 0.2500], dtype=torch.float64)
    """
    ascending = held_out.double().sort().values
    at_least = len(ascending) - torch.searchsorted(ascending, scores.double())
    return (1 + at_least).double() / (len(ascending) + 1)


def exceedances(false_alarms: float, n: int) -> int:
    """Return k = ⌊α (n + 1)⌋: an example is flagged if fewer than k held-out scores are at least as high.

    Raises:
        UserError: n scores are too few for a p-value as low as α.
    """
    k = math.floor(round(false_alarms * (n + 1), 9))
    if k < 1:
        raise UserError(
            f"false_alarms={false_alarms:g}: the lowest p-value that {n:,} held-out images give is 1/{n + 1:,}, so "
            f"that nothing could be flagged; type false_alarms={_rounded_up(1 / (n + 1))} or more"
        )
    return k


def threshold(held_out: Tensor, false_alarms: float) -> float:
    """Return the score above which p ≤ α: the k-th highest of the held-out scores [n].

    Raises:
        UserError: see :func:`exceedances`.
    """
    k = exceedances(false_alarms, len(held_out))
    return held_out.double().sort(descending=True).values[k - 1].item()


def likely_rates(false_alarms: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the share of false alarms of one held-out set of n, for scores without ties.

    Raises:
        UserError: see :func:`exceedances`.
    """
    from scipy import stats

    k = exceedances(false_alarms, n)
    low, high = stats.beta(k, n + 1 - k).ppf([0.025, 0.975])
    return float(low), float(high)


def _rounded_up(value: float) -> str:
    """Two digits that are not below the value: 0.0168 becomes 0.017."""
    digits = 1 - math.floor(math.log10(value))
    return f"{math.ceil(value * 10**digits) / 10**digits:g}"
