"""What NVAE adds to a hierarchy: the balance of its levels in the warm-up, and the spectral regularisation."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributions as D

from check_science.cases import PRIOR, SHAPE, TRAIN_SIZE, Recorded, gradient, job_of, px
from check_science.checks import Found, check
from vae_lab.nets.spectral import SpectralNorms
from vae_lab.noise import GivenNoise, generator
from vae_lab.types import Batch, Normal, Step

LADDER = ("model=ladder", "model.latent_dims=[4,3,2]", "model.net.widths=[12,8,6]", "model.net.norm=none")
SPECTRAL = "the sum of the largest singular values by NumPy, gradient u vᵀ (arXiv 2007.03898, eq. 5)"


@check("objective", "elbo", "loss, KL balance", "gradient, KL balance",
       reference="the equation, with torch.distributions, in loops (arXiv 2007.03898, appendix A)")  # fmt: skip
def balanced_levels() -> Iterator[Found]:
    """Three levels, within a warm-up of ten epochs and after it."""
    for epoch in (3.0, 12.0):
        for seed in range(2):
            words = (*LADDER, "beta_schedule=linear", "objective.kl_balance=true", "k1=1", "k2=2")
            job = job_of(*words, likelihood="bernoulli", seed=seed)
            x = torch.rand((6, *SHAPE), generator=generator("cpu", "images", seed)).round()
            noise = Recorded("noise", seed)
            step = Step(torch.tensor(0.0), torch.tensor(epoch), noise, "model", TRAIN_SIZE)
            ours = job.objective(job.model, Batch(x, x, None), step).loss
            right = _balanced_loss(job.model, x, noise.draws, epoch)
            yield "loss, KL balance", ours, right
            yield "gradient, KL balance", gradient(ours, job), gradient(right, job)


def _balanced_loss(model: nn.Module, x: Tensor, draws: list[Tensor], epoch: float) -> Tensor:
    latents = model.infer(x, None, 1, GivenNoise(draws))
    above = [PRIOR, *(_of(model.prior_of(level, z)) for level, z in zip((1, 0), latents.z))]
    kl = [D.kl_divergence(_of(q), p).sum(-1).mean() for q, p in zip(latents.q, above)]
    weights = [1.0] * len(kl)
    if epoch < 10:
        per_dimension = [(value.item() + 0.01) / z.shape[-1] for value, z in zip(kl, latents.z)]
        weights = [value / (sum(per_dimension) / len(kl)) for value in per_dimension]
    out = model.decode(latents.z, None)
    recon = -px("bernoulli", out).log_prob(x.expand_as(out)).flatten(2).sum(2).mean()
    return recon + 2 * min(1.0, epoch / 10) * sum(weight * value for weight, value in zip(weights, kl))


def _of(normal: Normal) -> D.Normal:
    return D.Normal(normal.mu, (0.5 * normal.log_var).exp())


@check("formula", "spectral norms", "sum", "gradient", reference=SPECTRAL)
def spectral_norms() -> Iterator[Found]:
    """Convolutions of three shapes, after 300 steps of the iteration."""
    layers = [nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 1), nn.Conv2d(3, 5, 3), nn.Conv2d(4, 6, 3)]
    norms = SpectralNorms(layers, 0.7)
    for _ in range(300):
        ours = norms()
    slopes = torch.autograd.grad(ours, [layer.weight for layer in layers])
    right = 0.0
    for layer, slope in zip(layers, slopes):
        u, s, v = np.linalg.svd(layer.weight.detach().flatten(1).numpy())
        right += 0.7 * s[0]
        yield "gradient", slope.flatten(1), 0.7 * np.outer(u[:, 0], v[0])
    yield "sum", ours, right
