"""Draws and gradients that the tests of importance-weighted bounds share."""

import torch
from helpers import INF, GivenNoise, gen, tensor

from vae_lab.likelihoods import MSE, Bernoulli, Gaussian, Sigma
from vae_lab.types import Batch, Step

LIKELIHOODS = [MSE, lambda: Gaussian(0.3), Sigma, Bernoulli]


def given(eps: torch.Tensor) -> Step:
    return Step(tensor(0), tensor(INF), GivenNoise(eps), "model", 1000)


def draws(k: int, n: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn((k, n, 3), generator=gen(seed))


def gradients(objective, model, batch, at) -> dict[str, torch.Tensor]:
    model.zero_grad()
    objective(model, batch, at).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def in_double(model, batch) -> tuple:
    """The spread of the last layers is widened, so that weights differ from sample to sample."""
    for p in model.decoder.parameters():
        p.data *= 2
    return model.double(), Batch(batch.x.double(), batch.target.double(), None)


ENCODER = ("encoder.", "posterior.")
