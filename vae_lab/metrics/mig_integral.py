"""The mutual information gap with the information of the whole posterior, as its authors define it.

MIG = (1/F) Σ_k (I(z_a; v_k) − I(z_b; v_k)) / H(v_k), where a and b are the two dimensions with the most information
about factor k (Chen et al. 2018, arXiv 1802.04942, section 4.1), and

    I(z_j; v_k) = H(z_j) − (1/V_k) Σ_v H(z_j|v_k = v),    q(z_j|v_k = v) = (1/N_v) Σ_{n: v_k = v} q(z_j|x_n)

over all images, with H(z_j) of the average of these V_k mixtures. The authors' code estimates both entropies from
10,000 draws. Each z_j is one number, so that they are computed here without draws: the mass of every q(z_j|x_n) in
narrow bins is known in closed form. Information with a bin is at most that with z_j, and tends to it as bins become
narrower. In :mod:`vae_lab.metrics.mig`, wide bins hold posterior means alone; it ignores the posterior's variance.
"""

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import one_hot

from vae_lab.metrics.common.factor_codes import factor_codes
from vae_lab.scores import Scores, Trained
from vae_lab.types import Normal, Progress

BLOCK = 2000  # images whose masses are in memory at a time
REACH = 6  # the bins reach so many standard deviations beyond the outermost means


class MIGIntegral:
    """The mutual information gap of q(z|x) with the known factors.

    Args:
        bins: number of bins of each dimension.
    """

    needs = ("factors", "posterior", "gaussian")

    def __init__(self, bins: Annotated[int, Ge(50)] = 500) -> None:
        self.bins = bins

    def __call__(self, trained: Trained) -> Scores:
        """Return ``mig_integral`` and the gap of each factor; only a note if codes are not finite."""
        grid, notes = factor_codes(trained, "mig_integral")
        if grid is None:
            return Scores({}, notes=notes)
        values = torch.cartesian_prod(*(torch.arange(size) for size in grid.sizes)).reshape(-1, len(grid.sizes))
        information = informations(trained.factor_posteriors(), values, grid.sizes, self.bins, trained.progress)
        gaps = integral_gaps(information, grid.sizes)
        codes = f"q(z|x) of all {len(values):,} {trained.data.values.many}"
        protocol = {**grid.about, "codes": codes, "bins": self.bins, "estimator": "mass of q(z|x) in bins"}
        meanings = {"mig_integral": "share of a factor's entropy, by q(z|x), 0 to 1, higher is better"}
        return Scores({"mig_integral": float(gaps.mean())}, {"mig_integral": protocol},
                      {"mig_integral_per_factor": gaps.tolist()}, notes, meanings=meanings)  # fmt: skip


def informations(
    q: Normal, values: Tensor, sizes: tuple[int, ...], bins: int, progress: Progress = lambda steps, _: steps
) -> Tensor:
    """Return I(z_j; v_k) for every factor and dimension, float64 [F, D] nats.

    Args:
        q: the posteriors of N images, [N, D]; every value of a factor occurs equally often.
        values: their factor values, long [N, F].
        sizes: number of values of each factor.
        bins: number of bins of each dimension.
        progress: shows the progress.
    """
    mu, sigma = q.mu.float(), torch.exp(0.5 * q.log_var.float())
    reach = REACH * sigma
    edges = [torch.linspace(low, high, bins + 1) for low, high in zip((mu - reach).amin(0), (mu + reach).amax(0))]
    below = torch.zeros(len(edges), sum(sizes), bins + 1, dtype=torch.float64)
    for rows in progress(torch.arange(len(mu)).split(BLOCK), f"integrating {len(mu):,} posteriors"):
        chosen = torch.cat([one_hot(values[rows, k], size) for k, size in enumerate(sizes)], 1).float()
        for j, ends in enumerate(edges):
            scale = sigma[rows, j, None] * math.sqrt(2)
            below[j] += chosen.T @ (ends - mu[rows, j, None]).div_(scale).erf_()
    mass = below.diff(dim=2).clamp(min=0)  # of all images with each value of each factor, [D, ΣV, bins]
    return torch.stack([_information(of_values) for of_values in mass.split(sizes, 1)])


def _information(mass: Tensor) -> Tensor:
    """I(z_j; v) in nats, from masses [D, V, bins] of all images with each value v, up to a common factor: [D]."""
    given = mass / mass.sum(2, keepdim=True)
    return _entropy(given.mean(1)) - _entropy(given).mean(1)


def integral_gaps(information: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return (I_first − I_second) / log V of each factor: [F, D] to [F]. With one dimension, I_second is 0."""
    ordered = torch.cat([information.clamp(min=0), torch.zeros(len(sizes), 1)], 1).sort(1, descending=True).values
    return (ordered[:, 0] - ordered[:, 1]) / torch.tensor(sizes, dtype=torch.float64).log()


def _entropy(p: Tensor) -> Tensor:
    """−Σ p log p over the last axis, in nats."""
    return -torch.special.xlogy(p, p).sum(-1)
