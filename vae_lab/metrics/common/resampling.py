"""The bootstrap: how much a score would vary with other images of the same kind (Efron & Tibshirani 1993).

A resample draws n times with replacement from the n given images. Only how often each image was drawn matters, so a
resample is stored as a row of counts. Scores that are not averages are biased on resamples (a FID grows by as much as
it would if n were halved). The interval is therefore the spread of the resamples about their own mean, shifted so that
this mean lies at the score itself.
"""

import torch
from torch import Tensor

from vae_lab.noise import generator

LEVEL = 0.95


def resamples(n: int, replicates: int, seed: int, *purpose: str) -> Tensor:
    """Return how often each of n images is drawn in each resample: float64 [replicates, n]; every row sums to n.

    ``purpose`` is part of the seed: different purposes give independent draws.
    """
    drawn = torch.randint(n, (replicates, n), generator=generator("cpu", seed, "bootstrap", n, *purpose))
    counts = torch.zeros(replicates, n, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))


def interval(value: float, replicates: Tensor, low: float = 0.0, high: float = float("inf")) -> tuple[float, float]:
    """Return the 95 % interval of a value from its resamples [R], clipped to the range [low, high] of the score.

    The ends are value + (q − mean) for the 2.5 % and 97.5 % quantiles q of the resamples.
    """
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    ends = value + replicates.double().quantile(tails) - replicates.double().mean()
    lower, upper = ends.clamp(low, high).tolist()
    return lower, upper


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion ``share`` among n (Wilson 1927)."""
    from scipy import stats

    ends = stats.binomtest(round(share * n), n).proportion_ci(LEVEL, method="wilson")
    return float(ends.low), float(ends.high)


def bootstrap_protocol(replicates: int, resampled: str = "generated images") -> str:
    """Return the method by which intervals are computed, as a text for protocols."""
    return f"{100 * LEVEL:.0f} % of {replicates} resamples of the {resampled}, about their mean, laid around the value"
