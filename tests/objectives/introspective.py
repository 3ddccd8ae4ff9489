"""What the tests of both introspective objectives share: phases, frozen parameters, and a model as plain formulas."""

import math

import torch
from helpers import step
from torch import distributions as D

from vae_lab.noise import SeededNoise
from vae_lab.training.job import Job


class Recorded:
    """Noise that keeps its draws, so that a formula can use the same ones."""

    def __init__(self, key: int = 0) -> None:
        self.noise, self.draws = SeededNoise("cpu", key), []

    def normal(self, *shape: int) -> torch.Tensor:
        self.draws.append(self.noise.normal(*shape))
        return self.draws[-1]

    def uniform(self, *shape: int) -> torch.Tensor:
        return self.noise.uniform(*shape)


def at(phase: str, noise=None, epoch: float = math.inf):
    found = step(0, epoch)
    found.phase = phase
    found.noise = noise or found.noise
    return found


def isolate(job: Job, phase: str) -> None:
    """Let only the parameters of a phase receive gradients, as the training step does."""
    own = {id(p) for p in job.parameters_of(phase)}
    for parameter in job.parameters():
        parameter.requires_grad_(id(parameter) in own)


class Formulas:
    """A small model with the squared error as functions, and the images and codes of one step from its draws."""

    def __init__(self, model, x: torch.Tensor, draws: list[torch.Tensor]) -> None:
        self.model, self.x = model, x
        of_real, of_prior, of_decoded = draws
        q = self.q(x)
        self.kl = self.kl_of(q)
        self.reconstruction = self.decode(q.mean + q.stddev * of_real[0])
        self.recon = self.sse(x, self.reconstruction)
        self.drawn = self.decode(of_prior.reshape(len(x), -1))
        self.eps = of_decoded[0].chunk(2)  # for the codes of reconstructions and of images drawn

    def q(self, x):
        h = self.model.encoder(x)
        return D.Normal(self.model.posterior.mu(h), torch.exp(self.model.posterior.log_var(h) / 2))

    def decode(self, z):
        return torch.sigmoid(self.model.decoder(z))

    @staticmethod
    def kl_of(q):
        return D.kl_divergence(q, D.Normal(0.0, 1.0)).sum(1)

    @staticmethod
    def sse(x, y):
        return ((x - y) ** 2).flatten(1).sum(1)
