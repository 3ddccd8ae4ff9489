"""The posterior of a model as numbers: its mean on every level, and its moments.

A Gaussian posterior states its mean. In a hierarchy the Gaussian of a level depends on the sample of the level above,
so that consistent means come from inference without noise. A flow has no mean in closed form; its draws are averaged.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from vae_lab.noise import NoNoise
from vae_lab.types import Latents, Model, Noise, Normal

DRAWS = 32  # of a posterior without a mean in closed form
_SMALLEST = 1e-12  # variance; that of a deterministic code


def at_the_means(model: Model, x: Tensor, y: Tensor | None, noise: Noise) -> Latents:
    """One latent per example, [1, B, ...] on each level: the mean of its Gaussian, given the means above.

    A level without a Gaussian (a discrete code, a flow) is where inference without noise puts it.
    """
    latents = model.infer(x, y, 1, NoNoise(noise))
    # z is the mean already; taken from q, it leaves the posterior's log σ² without a gradient.
    return replace(latents, z=tuple(z if q is None else q.mu for z, q in zip(latents.z, latents.q)))


def has_means(model: Model, latents: Latents) -> bool:
    """Whether inference without noise gives the mean of the posterior on every level."""
    return model.deterministic or all(q is not None for q in latents.q)


def mean_latents(model: Model, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]) -> Latents:
    """Latents [1, B, ...] at the posterior's mean; where it has none in closed form, at that of :data:`DRAWS` draws."""
    latents = at_the_means(model, x, y, noise("codes"))
    if has_means(model, latents):
        return latents
    means = tuple(q.mu.unsqueeze(0) for q in posterior_moments(model, x, y, noise)[0])
    return replace(latents, z=means, params=None)


def posterior_moments(
    model: Model, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]
) -> tuple[tuple[Normal, ...], Latents]:
    """μ and log σ² of every level, each [B, ...], and the latents of one draw, whose KL is that of the posterior.

    The draws of a flow are the same for all examples and come in pairs ±ε. So the mean of a posterior that does not
    depend on the example is the same for all examples to the last digit, and the mean of a Gaussian is exact.
    """
    latents = model.infer(x, y, 1, noise("codes"))
    if model.deterministic:
        codes = (z[0].float() for z in latents.z)
        return tuple(Normal(z, torch.full_like(z, _SMALLEST).log()) for z in codes), latents
    if has_means(model, latents):
        consistent = latents if len(latents.q) == 1 else at_the_means(model, x, y, noise("codes"))
        return tuple(Normal(q.mu[0], q.log_var[0]) for q in consistent.q if q is not None), latents
    draws = model.infer(x, y, DRAWS, _Shared(noise("codes, the same for all images"))).z
    return tuple(Normal(z.mean(0), z.var(0).clamp(min=_SMALLEST).log()) for z in draws), latents


class _Shared:
    """Draws [K, B, ...] that are the same for every example of the batch; half of them mirror the others."""

    def __init__(self, noise: Noise) -> None:
        self.noise = noise

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1)."""
        half = self.noise.normal(shape[0] // 2, 1, *shape[2:])
        return torch.cat([half, -half]).expand(shape)

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1)."""
        return self.noise.uniform(shape[0], 1, *shape[2:]).expand(shape)
