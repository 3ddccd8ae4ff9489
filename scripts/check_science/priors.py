"""Priors p(z): densities, normalisation and draws."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch import distributions as D

from check_science.cases import job_of
from check_science.checks import Found, check
from vae_lab.noise import SeededNoise

AXIS = torch.linspace(-12, 12, 601)
GRID = torch.cartesian_prod(AXIS, AXIS)[None]  # [1, M, 2]
CELL = float(AXIS[1] - AXIS[0]) ** 2
MIXTURE = "torch.distributions.MixtureSameFamily"


def model_with(*words: str) -> Any:
    """A model with two latent dimensions and random weights."""
    return job_of("model=dense", "model.net.width=12", "latent_dim=2", *words).model


def normalised(model: Any) -> Iterator[Found]:
    """Compare the integral of the density over a grid with 1."""
    with torch.no_grad():
        yield "integral", model.log_prior((GRID.double(),), None).exp().sum() * CELL, 1.0


def drawn(model: Any) -> Iterator[Found]:
    """Compare the mean of −log p(z) over 20,000 draws with the entropy, and their first coordinate with its mean."""
    with torch.no_grad():
        p = model.log_prior((GRID.double(),), None)[0].exp() * CELL
        (z,) = model.prior_sample(20_000, None, SeededNoise("cpu", 0))
        yield "entropy of draws", -model.log_prior((z,), None)[0], -(p * (p / CELL).clamp(min=1e-300).log()).sum()
        yield "mean of draws", z[0, :, 0], (p * GRID[0, :, 0]).sum()


@check("prior", "standard", "log density", "integral", reference="torch.distributions.Normal; 1, from a grid of 601²")
def standard() -> Iterator[Found]:
    """N(0, I)."""
    model, z = model_with(), 2 * torch.randn(3, 4, 2)
    yield "log density", model.log_prior((z,), None), D.Normal(0.0, 1.0).log_prob(z).sum(-1)
    yield from normalised(model)


def mixture_density(weights: Tensor, mu: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
    """log Σ_m w_m N(z; μ_m, diag σ_m²)."""
    parts = D.Independent(D.Normal(mu, sigma), 1)
    return D.MixtureSameFamily(D.Categorical(weights), parts).log_prob(z)


@check("prior", "mixture", "log density", "integral", reference=f"{MIXTURE}; 1, from a grid of 601²")
def mixture() -> Iterator[Found]:
    """Seven components with different weights."""
    model = model_with("prior=mixture", "prior.components=7")
    prior, z = model.prior, 2 * torch.randn(3, 4, 2)
    right = mixture_density(prior.logits.softmax(0), prior.mu, (prior.log_var / 2).exp(), z)
    yield "log density", model.log_prior((z,), None), right
    yield from normalised(model)


def vamp_model() -> Any:
    """A VampPrior of five pseudo-inputs, some of whose values lie outside of [0, 1]."""
    return model_with("prior=vamp", "prior.components=5", "prior.std=0.7")


@check("prior", "vamp", "log density", "integral",
       reference=f"{MIXTURE} of q(z|u), u clipped to [0, 1] (arXiv 1705.07120, eq. 9); grid")  # fmt: skip
def vamp() -> Iterator[Found]:
    """The mixture of the posteriors of the pseudo-inputs."""
    model, z = vamp_model(), 2 * torch.randn(3, 4, 2)
    h = model.encoder(model.prior.u.clip(0, 1))
    mu, sigma = model.posterior.mu(h), (model.posterior.log_var(h) / 2).exp()
    yield "log density", model.log_prior((z,), None), mixture_density(torch.full((5,), 0.2), mu, sigma, z)
    yield from normalised(model)


for _name, _make in {
    "standard": model_with,
    "mixture": lambda: model_with("prior=mixture", "prior.components=7"),
    "vamp": vamp_model,
}.items():
    check("prior", _name, "entropy of draws", "mean of draws", statistical=True,
          reference="entropy and mean from the density on a grid of 601², 20,000 draws")(
        lambda make=_make: drawn(make())
    )  # fmt: skip
