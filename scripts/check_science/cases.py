"""Small models of the package, made from its YAML files, and the same models as plain functions and distributions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributions as D

from check_science.checks import Found
from vae_lab.config.composing import Composer, composer
from vae_lab.noise import SeededNoise, generator
from vae_lab.runs.build import make_job
from vae_lab.training.job import Job
from vae_lab.types import Batch, Step

SHAPE = (1, 3, 4)  # of an image
TRAIN_SIZE = 1000
LIKELIHOODS = ("mse", "gaussian", "bernoulli")
SMALL = ("model=dense", "model.net.width=12", "latent_dim=3")


COMPOSER = Composer([])  # keeps what it has composed, which takes a quarter of a second each time


@cache
def config_of(*words: str) -> dict[str, Any]:
    """The resolved config of ``vae-lab train`` with these words."""
    with composer([]):
        return COMPOSER([*words])


def job_of(*words: str, likelihood: str = "mse", shape: tuple[int, ...] = SHAPE, seed: int = 0, y_size: int = 0) -> Job:
    """A model and an objective, with random weights: no bias is 0 and no flow is the identity."""
    chosen = config_of(f"likelihood={likelihood}")["likelihood"]
    job = make_job(config_of(*words) | {"likelihood": chosen}, shape, y_size)
    draws = generator("cpu", "weights", seed)
    with torch.no_grad():
        for parameter in job.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draws))
    return job


class Recorded:
    """Noise that keeps its draws, so that a reference can use the same ones."""

    def __init__(self, *key: int | str) -> None:
        self.noise = SeededNoise("cpu", *key)
        self.draws: list[Tensor] = []

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal draws."""
        self.draws.append(self.noise.normal(*shape))
        return self.draws[-1]

    def uniform(self, *shape: int) -> Tensor:
        """Uniform draws."""
        self.draws.append(self.noise.uniform(*shape))
        return self.draws[-1]


@dataclass
class Case:
    """A model on a batch, written with ``torch.distributions``: what the papers call q(z|x), p(x|z) and p(z)."""

    job: Job
    likelihood: str
    x: Tensor  # [B, C, H, W]
    noise: Recorded
    phase: str = "model"
    epoch: float = 3.0

    @property
    def draws(self) -> list[Tensor]:
        """The draws of the objective, in their order."""
        return self.noise.draws

    @property
    def q(self) -> D.Normal:
        """q(z|x) with moments [B, D], from the outputs of the encoder (arXiv 1312.6114, appendix C.2)."""
        model: Any = self.job.model
        features = model.encoder(self.x)
        return D.Normal(model.posterior.mu(features), (0.5 * model.posterior.log_var(features)).exp())

    @property
    def z(self) -> Tensor:
        """The samples z = μ + σ ε [L, B, D] with the first draws of the objective."""
        return self.q.loc + self.q.scale * self.draws[0]

    def log_px(self, z: Tensor) -> Tensor:
        """log p(x|z) in nats: codes [..., B, D] to [..., B]."""
        model: Any = self.job.model
        out = model.decoder(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], *self.x.shape[1:])
        return px(self.likelihood, out).log_prob(self.x.expand_as(out)).flatten(-3).sum(-1)

    def recon(self, z: Tensor) -> Tensor:
        """The mean of −log p(x|z), less the constant of the squared error that its ``recon`` leaves out: []."""
        constant = 0.5 * self.x[0].numel() * torch.log(torch.tensor(torch.pi)) if self.likelihood == "mse" else 0.0
        return -self.log_px(z).mean() - constant

    def ours(self) -> tuple[Tensor, Tensor]:
        """The loss of the package, and its gradient to all parameters in one vector."""
        self.noise.draws.clear()
        step = Step(torch.tensor(0.0), torch.tensor(self.epoch), self.noise, self.phase, TRAIN_SIZE)
        loss = self.job.objective(self.job.model, Batch(self.x, self.x, None), step).loss
        return loss, gradient(loss, self.job)


def px(likelihood: str, out: Tensor) -> D.Distribution:
    """p(x|z) of a decoder's output."""
    if likelihood == "bernoulli":
        return D.Bernoulli(logits=out)
    return D.Normal(torch.sigmoid(out), 0.5**0.5 if likelihood == "mse" else 0.3)


PRIOR = D.Normal(0.0, 1.0)


def gradient(loss: Tensor, job: nn.Module, retain: bool = False) -> Tensor:
    """The derivative of a loss to all parameters, in one vector; 0 where the loss does not depend on them."""
    parameters = [*job.parameters()]
    found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=retain)
    return torch.cat([torch.zeros(p.numel()) if g is None else g.flatten() for p, g in zip(parameters, found)])


def cases(*words: str, batch: int = 6, likelihoods: tuple[str, ...] = LIKELIHOODS, **more: Any) -> Iterator[Case]:
    """A case for each likelihood and for two sets of weights."""
    for likelihood in likelihoods:
        for seed in range(2):
            job = job_of(*SMALL, *words, likelihood=likelihood, seed=seed)
            x = torch.rand((batch, *SHAPE), generator=generator("cpu", "images", seed))
            x = x.round() if likelihood == "bernoulli" else x
            yield replace(Case(job, likelihood, x, Recorded("noise", seed)), **more)


def loss_and_gradient(case: Case, reference: Any) -> Iterator[Found]:
    """Compare the loss and its gradient; ``reference`` computes the loss from a case."""
    loss, slope = case.ours()
    right = reference(case)
    yield "loss", loss, right
    yield "gradient", slope, gradient(right, case.job)
