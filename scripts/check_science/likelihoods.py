"""Likelihoods p(x|z): densities, gradients, normalisation and draws."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy import integrate, optimize, stats
from torch import Tensor
from torch import distributions as D

from check_science.cases import SHAPE
from check_science.checks import Found, check
from vae_lab.likelihoods import MSE, Bernoulli, Categorical, Gaussian, Sigma, SigmaPerPixel, SigmaPredicted

PARAMS, TARGET = (4, 5, *SHAPE), (5, *SHAPE)  # K, B, C, H, W


def inputs(likelihood: Any, seed: int) -> tuple[Tensor, Tensor]:
    """A decoder's output, with a gradient, and images."""
    random = torch.Generator().manual_seed(seed)
    params = 2 * torch.randn(*PARAMS[:2], *likelihood.params_shape(SHAPE), generator=random)
    return params.requires_grad_(), torch.rand(TARGET, generator=random)


def density(likelihood: Any, reference: Any, binary: bool = False) -> Iterator[Found]:
    """Compare log p(x|z) and its gradient; ``reference`` makes a distribution from a decoder's output."""
    for seed in range(5):
        params, target = inputs(likelihood, seed)
        target = target.round() if binary else target
        ours = likelihood.log_prob(params, target)
        right = reference(params).log_prob(target.expand(PARAMS)).flatten(2).sum(2)
        yield "log density", ours, right
        yield "gradient", *(torch.autograd.grad(part.sum(), params)[0] for part in (ours, right))


ONE = torch.full((1, 1, 1, 1, 1), 0.7)
X_HAT = 1 / (1 + math.exp(-0.7))
TORCH = "torch.distributions"


@check("likelihood", "bernoulli", "log density", "gradient", reference=f"{TORCH}.Bernoulli(logits)")
def bernoulli() -> Iterator[Found]:
    """Binary images."""
    yield from density(Bernoulli(), lambda out: D.Bernoulli(logits=out), binary=True)


@check("likelihood", "bernoulli", "sum over all images", reference="1, from all 2⁶ binary images of six pixels")
def bernoulli_sums_to_one() -> Iterator[Found]:
    """A probability mass."""
    images = torch.tensor([*itertools.product([0.0, 1.0], repeat=6)]).reshape(64, 1, 2, 3)
    params = torch.randn(1, 1, 1, 2, 3, generator=torch.Generator().manual_seed(0)).expand(1, 64, 1, 2, 3)
    yield "sum over all images", Bernoulli().log_prob(params, images).exp().sum(), 1.0


@check("likelihood", "categorical", "log density", "gradient", "sum over all sequences",
       reference=f"{TORCH}.Categorical; 1, from all 4³ sequences")  # fmt: skip
def categorical() -> Iterator[Found]:
    """Three positions of four tokens."""
    likelihood = Categorical(4)
    everything = torch.tensor([*itertools.product(range(4), repeat=3)])
    params = torch.randn(2, 64, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ours, right = likelihood.log_prob(params, everything), D.Categorical(logits=params).log_prob(everything).sum(2)
    yield "log density", ours, right
    yield "gradient", *(torch.autograd.grad(part.sum(), params)[0] for part in (ours, right))
    same = params.detach()[:, :1].expand(2, 64, 3, 4)
    yield "sum over all sequences", likelihood.log_prob(same, everything).exp().sum(1), np.ones(2)


@check("likelihood", "mse", "log density", "gradient", reference=f"{TORCH}.Normal(x̂, √½)")
def mse() -> Iterator[Found]:
    """A Gaussian with variance ½."""
    yield from density(MSE(), lambda out: D.Normal(torch.sigmoid(out), 0.5**0.5))


@check("likelihood", "mse", "recon", reference="the sum of squared errors, NumPy loop")
def squared_error() -> Iterator[Found]:
    """−log p less its constant."""
    params, target = inputs(MSE(), 0)
    recon = -MSE().log_prob(params, target) - MSE().recon_offset(target[0].numel())
    image = 1 / (1 + np.exp(-params.detach().numpy()))
    loops = [[sum((a - b) ** 2 for a, b in zip(image[k, i].flat, target.numpy()[i].flat)) for i in range(5)]
             for k in range(4)]  # fmt: skip
    yield "recon", recon, np.array(loops)


@check("likelihood", "gaussian", "log density", "gradient", reference=f"{TORCH}.Normal(x̂, σ)")
def gaussian() -> Iterator[Found]:
    """σ = 0.3 and σ = 0.05."""
    for sigma in (0.3, 0.05):
        yield from density(Gaussian(sigma), lambda out: D.Normal(torch.sigmoid(out), sigma))  # noqa: B023


@check("likelihood", "gaussian", "integral over a pixel", reference="1, by SciPy's quadrature")
def gaussian_integrates_to_one() -> Iterator[Found]:
    """A density."""
    point = torch.full((1, 1, 1, 1), 0.0)
    value, _ = integrate.quad(lambda x: Gaussian(0.3).log_prob(ONE, point + x).exp().item(), -3, 4)
    yield "integral over a pixel", value, 1.0


def best_sigma(error: np.ndarray) -> float:
    """The largest log-likelihood of Gaussian errors over σ, found by numerical search."""
    found = optimize.minimize_scalar(lambda log_s: -stats.norm.logpdf(error, scale=np.exp(log_s)).sum(), (-3, 0))
    return -float(found.fun)


@check("likelihood", "sigma", "log density", "gradient", reference=f"{TORCH}.Normal(x̂, running σ)")
def sigma() -> Iterator[Found]:
    """In scoring, after one observed batch: the running σ² is its mean squared error."""
    likelihood = Sigma()
    params, target = inputs(likelihood, 9)
    likelihood.observe(params, target)
    scale = (target - torch.sigmoid(params)).square().mean().sqrt().detach()
    yield from density(likelihood.eval(), lambda out: D.Normal(torch.sigmoid(out), scale))


@check("likelihood", "sigma", "optimum in training", reference="the best σ by SciPy's search (arXiv 2006.13202, eq. 7)")
def sigma_at_its_optimum() -> Iterator[Found]:
    """The total log-likelihood of a batch in training is the largest that one σ can reach."""
    for seed in range(3):
        params, target = inputs(Sigma(), seed)
        error = (target - torch.sigmoid(params)).detach().numpy()
        yield "optimum in training", Sigma().train().log_prob(params, target).sum(), best_sigma(error)


@check("likelihood", "sigma_per_pixel", "log density", "gradient", reference=f"{TORCH}.Normal(x̂, running σ per pixel)")
def sigma_per_pixel() -> Iterator[Found]:
    """In scoring, after one observed batch."""
    likelihood = SigmaPerPixel(SHAPE)
    params, target = inputs(likelihood, 9)
    likelihood.observe(params, target)
    scale = (target - torch.sigmoid(params)).square().mean((0, 1)).sqrt().detach()
    yield from density(likelihood.eval(), lambda out: D.Normal(torch.sigmoid(out), scale))


@check("likelihood", "sigma_per_pixel", "optimum in training", reference="the best σ of each pixel by SciPy's search")
def sigma_per_pixel_at_its_optimum() -> Iterator[Found]:
    """The same for every pixel."""
    params, target = inputs(MSE(), 1)
    error = (target - torch.sigmoid(params)).detach().flatten(2).numpy()
    ours = SigmaPerPixel(SHAPE).train().log_prob(params, target).sum()
    yield "optimum in training", ours, sum(best_sigma(error[..., i]) for i in range(error.shape[2]))


@check("likelihood", "sigma_predicted", "log density", "gradient",
       reference=f"{TORCH}.Normal, log σ = a + log(1 + exp(s − a)) (arXiv 2006.13202, the authors' code)")  # fmt: skip
def sigma_predicted() -> Iterator[Found]:
    """A decoder's output of 2 C channels."""

    def distribution(out: Tensor) -> D.Normal:
        mean, raw = out[..., :1, :, :], out[..., 1:, :, :]
        return D.Normal(torch.sigmoid(mean), 0.0025 * (1 + torch.exp(raw - math.log(0.0025))))

    yield from density(SigmaPredicted(), distribution)
