"""The bootstrap: how far a score would move with other images of the same kind (Efron & Tibshirani 1993).

n images are drawn anew from the n there are, R times; only how often each was drawn matters, so a resample is a row of
counts. Scores that are not averages are biased on resamples (a FID grows by as much as halving n would make it), so
the interval is the spread of the resamples about their own mean, laid around the value itself.
"""

import torch
from torch import Tensor

from vae_lab.noise import generator

LEVEL = 0.95


def resamples(n: int, replicates: int, seed: int, *purpose: str) -> Tensor:
    """How often each of n images is drawn: float64 [R, n], each row sums to n; another purpose, independent draws."""
    drawn = torch.randint(n, (replicates, n), generator=generator("cpu", seed, "bootstrap", n, *purpose))
    counts = torch.zeros(replicates, n, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))


def interval(value: float, replicates: Tensor, low: float = 0.0, high: float = float("inf")) -> tuple[float, float]:
    """95 % interval of a value from its resamples [R], within the range that the score can have.

    value + (q − mean) for the 2.5 % and 97.5 % quantiles q of the resamples.
    """
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    ends = value + replicates.double().quantile(tails) - replicates.double().mean()
    lower, upper = ends.clamp(low, high).tolist()
    return lower, upper


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % score interval of a share of n (Wilson 1927)."""
    from scipy import stats

    found = stats.binomtest(round(share * n), n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def bootstrap_protocol(replicates: int, resampled: str = "generated images") -> str:
    """How the intervals came about."""
    return f"{100 * LEVEL:.0f} % of {replicates} resamples of the {resampled}, about their mean, laid around the value"
