"""Samplers that are fitted to codes: densities, log-determinants and draws."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.stats import multivariate_normal
from torch import Tensor
from torch import distributions as D

from check_science.cases import PRIOR, Recorded
from check_science.checks import Found, check
from vae_lab.evaluation.scoring import silent
from vae_lab.noise import SeededNoise
from vae_lab.samplers.aggregate import Aggregate
from vae_lab.samplers.flow import Flow
from vae_lab.samplers.gmm import GMM
from vae_lab.samplers.two_stage import TwoStage

DRAWS = 20_000


@cache
def codes() -> Tensor:
    """Codes [600, 3] in two clusters that are not Gaussian, of different scales."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(600, 3, generator=random)
    bent = torch.stack([3 * z[:, 0], z[:, 1] + z[:, 0] ** 2, 0.2 * z[:, 2] + 5], 1)
    return bent + (torch.arange(600)[:, None] % 2) * torch.tensor([4.0, -2.0, 1.0])


def fitted(sampler: Any) -> Any:
    """The sampler, fitted to the codes."""
    sampler.fit(codes(), SeededNoise("cpu", 0), silent)
    return sampler


def mixture_in_codes(gmm: GMM, z: Tensor) -> Tensor:
    """log Σ_k π_k N(z; μ_k, Σ_k) of codes by SciPy, with moments in the codes' own scale: [N]."""
    shift, scale = gmm.shift.numpy(), gmm.scale.numpy()
    parts = [
        np.log(weight.item())
        + multivariate_normal(
            shift + scale * mean.numpy(), (factor @ factor.T).numpy() * np.outer(scale, scale)
        ).logpdf(z)
        for weight, mean, factor in zip(gmm.weights, gmm.means, gmm.factors)
    ]
    return torch.from_numpy(np.logaddexp.reduce(parts))


@check("sampler", "gmm", "log density", "mean log density",
       reference="SciPy's multivariate normals; scikit-learn's score (arXiv 1903.12436, section 4)")  # fmt: skip
def gmm() -> Iterator[Found]:
    """Four components with full covariances."""
    from sklearn.mixture import GaussianMixture

    sampler = fitted(GMM(4))
    x = (codes() - sampler.shift) / sampler.scale
    ours = sampler.density()(x) - sampler.scale.log().sum()
    yield "log density", ours, mixture_in_codes(sampler, codes())
    theirs = GaussianMixture(4)
    theirs.weights_, theirs.means_ = sampler.weights.numpy(), sampler.means.numpy()
    theirs.precisions_cholesky_ = torch.linalg.inv(sampler.factors).mT.numpy()
    yield "mean log density", sampler.density()(x).mean(), theirs.score(x.numpy())


@check("sampler", "gmm", "mean of draws", "variance of draws", reference="moments of the mixture", statistical=True)
def gmm_draws() -> Iterator[Found]:
    """The second coordinate of 20,000 draws."""
    sampler = fitted(GMM(4))
    pi, mu = sampler.weights, sampler.shift + sampler.scale * sampler.means
    variances = (sampler.factors @ sampler.factors.mT).diagonal(dim1=1, dim2=2) * sampler.scale**2
    mean = pi @ mu
    variance = pi @ (variances + (mu - mean) ** 2)
    draws = sampler.sample(DRAWS, Recorded("gmm"))[:, 1]
    yield "mean of draws", draws, mean[1]
    yield "variance of draws", (draws - mean[1]) ** 2, variance[1]


@cache
def small_flow() -> Flow:
    """A flow of three blocks, with larger weights than training gives in two epochs."""
    sampler = fitted(Flow(blocks=3, width=12, depth=2, components=3, epochs=2, batch_size=100))
    random = torch.Generator().manual_seed(1)
    for parameter in sampler.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=random))
    return sampler


@check("sampler", "flow", "log density", "inverse",
       reference="log p(u) by SciPy + log |det ∂u/∂z| from the full Jacobian (arXiv 1705.07057)")  # fmt: skip
def flow() -> Iterator[Found]:
    """The density of ten codes, and the draws whose codes lead back to the base's draws."""
    sampler, z = small_flow(), codes()[:10]

    def to_base(one: Tensor) -> Tensor:
        return sampler.flow(((one - sampler.shift) / sampler.scale)[None])[0][0]

    right = []
    for one in z:
        volume = torch.linalg.slogdet(torch.autograd.functional.jacobian(to_base, one))[1]
        right.append(_base_density(sampler.base, to_base(one)) + volume)
    yield "log density", sampler.log_prob(z), torch.stack(right)
    drawn = sampler.sample(50, SeededNoise("cpu", 3))
    base = sampler.base.sample(50, SeededNoise("cpu", 3))
    yield "inverse", torch.stack([to_base(one) for one in drawn]), base


def _base_density(base: GMM, u: Tensor) -> Tensor:
    """log density of the flow's base at u, which the base itself gives in its standardised scale."""
    parts = [np.log(weight.item()) + multivariate_normal(mean.numpy(), (factor @ factor.T).numpy()).logpdf(u.numpy())
             for weight, mean, factor in zip(base.weights, base.means, base.factors)]  # fmt: skip
    return torch.tensor(np.logaddexp.reduce(parts))


@check("sampler", "two_stage", "log p(x|u)", "KL", reference="torch.distributions (arXiv 1903.05789, section 4)")
def two_stage() -> Iterator[Found]:
    """The two terms of the second VAE's ELBO on standardised codes."""
    sampler, noise = fitted(TwoStage(width=12, depth=2, epochs=1, batch_size=100)), Recorded("two stages")
    x = (codes() - sampler.shift) / sampler.scale
    log_px, kl = sampler.vae.terms(x, noise)
    mu, log_var = sampler.vae.encoder(x).split(3, 1)
    q = D.Normal(mu, (log_var / 2).exp())
    mean = sampler.vae.decoder(q.loc + q.scale * noise.draws[0])
    yield "log p(x|u)", log_px, D.Normal(mean, sampler.vae.log_gamma.exp()).log_prob(x).sum(1)
    yield "KL", kl, D.kl_divergence(q, PRIOR).sum(1)


@check("sampler", "aggregate", "mean of draws", "share of a code", reference="the codes' mean, 1/N", statistical=True)
def aggregate() -> Iterator[Found]:
    """20,000 of 600 codes, drawn with replacement."""
    draws = fitted(Aggregate()).sample(DRAWS, Recorded("aggregate"))
    yield "mean of draws", draws[:, 0], codes()[:, 0].mean()
    yield "share of a code", (draws == codes()[7]).all(1).double(), 1 / 600


@check(
    "sampler", "prior", "mean of draws", "variance of draws", reference="0 and 1 of p(z) = N(0, I)", statistical=True
)
def prior() -> Iterator[Found]:
    """Without a fitted sampler, codes are drawn from the model's prior."""
    from check_science.priors import model_with

    (z,) = model_with().prior_sample(DRAWS, None, SeededNoise("cpu", 1))
    yield "mean of draws", z[0, :, 0], 0.0
    yield "variance of draws", z[0, :, 0] ** 2, 1.0
