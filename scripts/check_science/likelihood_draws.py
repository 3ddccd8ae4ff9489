"""Likelihoods p(x|z): moments of their draws."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from check_science.cases import Recorded
from check_science.checks import Found, check
from check_science.likelihoods import ONE, X_HAT
from vae_lab.likelihoods import MSE, Bernoulli, Categorical, Gaussian, Sigma, SigmaPerPixel, SigmaPredicted


def mean_of_draws(likelihood: Any, mean: float, variance: float, params: Tensor) -> Iterator[Found]:
    """Compare the mean and the variance of 20,000 draws with those of the distribution."""
    draws = likelihood.sample(
        params.expand(20_000, *params.shape[1:]), Recorded("draws", type(likelihood).__name__)
    ).flatten()
    yield "mean of draws", draws, mean
    yield "variance of draws", (draws - mean) ** 2, variance


@check("likelihood", "bernoulli", "mean of draws", "variance of draws", reference="p, p (1 − p)", statistical=True)
def bernoulli_draws() -> Iterator[Found]:
    """p = sigmoid(0.7)."""
    yield from mean_of_draws(Bernoulli(), X_HAT, X_HAT * (1 - X_HAT), ONE)


@check("likelihood", "categorical", "share of a token", reference="softmax of the logits", statistical=True)
def categorical_draws() -> Iterator[Found]:
    """20,000 draws of one token."""
    logits = torch.tensor([0.3, -1.0, 1.2])
    draws = Categorical(3).sample(logits.expand(20_000, 1, 1, 3), Recorded("tokens")).flatten()
    yield "share of a token", (draws == 2).double(), logits.softmax(0)[2]


@check("likelihood", "mse", "mean of draws", "variance of draws", reference="x̂, ½", statistical=True)
def mse_draws() -> Iterator[Found]:
    """Draws of one pixel."""
    yield from mean_of_draws(MSE(), X_HAT, 0.5, ONE)


@check("likelihood", "gaussian", "mean of draws", "variance of draws", reference="x̂, σ²", statistical=True)
def gaussian_draws() -> Iterator[Found]:
    """Draws of one pixel."""
    yield from mean_of_draws(Gaussian(0.3), X_HAT, 0.09, ONE)


@check("likelihood", "sigma", "mean of draws", "variance of draws", reference="x̂, running σ²", statistical=True)
def sigma_draws() -> Iterator[Found]:
    """Draws of one pixel."""
    likelihood = Sigma()
    likelihood.mse.fill_(0.04)
    yield from mean_of_draws(likelihood, X_HAT, 0.04, ONE)


@check("likelihood", "sigma_per_pixel", "mean of draws", "variance of draws", reference="x̂, running σ²",
       statistical=True)  # fmt: skip
def sigma_per_pixel_draws() -> Iterator[Found]:
    """Draws of one pixel."""
    likelihood = SigmaPerPixel((1, 1, 1))
    likelihood.mse.fill_(0.04)
    yield from mean_of_draws(likelihood, X_HAT, 0.04, ONE)


@check("likelihood", "sigma_predicted", "mean of draws", "variance of draws", reference="x̂, σ²", statistical=True)
def sigma_predicted_draws() -> Iterator[Found]:
    """Draws of one pixel with s = −1: σ = a (1 + exp(s − log a))."""
    sigma = 0.0025 * (1 + math.exp(-1 - math.log(0.0025)))
    yield from mean_of_draws(SigmaPredicted(), X_HAT, sigma**2, torch.cat([ONE, -torch.ones_like(ONE)], 2))
