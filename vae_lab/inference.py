"""Mean and variance of a model's posterior q(z|x), on every level and for every kind of posterior.

- Gaussian posterior: its parameters are the mean and the variance.
- Hierarchy of Gaussians: the Gaussian of a level depends on the sample of the level above. Inference without noise
  (:class:`~vae_lab.noise.NoNoise`) gives means that are consistent with each other.
- Posterior without a mean in closed form (flows): both moments are estimated from :data:`DRAWS` draws.
- Discrete codes have neither; :func:`code_sizes` says whether a model has them.

Two functions take ``noise``, which makes the noise of a purpose: ``partial(SeededNoise, device, seed)`` is one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from vae_lab.noise import NoNoise
from vae_lab.types import Latents, Model, Noise, Normal

DRAWS = 32  # draws from a posterior without a mean in closed form
_SMALLEST = 1e-12  # smallest variance that is returned; the variance of a deterministic code


def code_sizes(model: Model) -> Sequence[int]:
    """K of every level of a model of discrete codes, top first; empty for other models."""
    sizes: Sequence[int] = getattr(model, "code_sizes", ())
    return sizes


def at_the_means(model: Model, x: Tensor, y: Tensor | None, noise: Noise) -> Latents:
    """Latents of one sample per example: on each level, the mean of its Gaussian given the means above, [1, B, ...].

    A level without a Gaussian (a discrete code, a flow) has the value that inference without noise gives.

    Args:
        model: infers the latents.
        x: examples [B, *x_shape].
        y: labels or attributes of the examples, for a conditional model.
        noise: replaced by its mean; see :class:`~vae_lab.noise.NoNoise`.
    """
    latents = model.infer(x, y, 1, NoNoise(noise))
    # z is equal to q.mu here, but it was computed through σ too; q.mu leaves log σ² without a gradient.
    return replace(latents, z=tuple(z if q is None else q.mu for z, q in zip(latents.z, latents.q)))


def has_means(model: Model, latents: Latents) -> bool:
    """Whether inference without noise gives the mean of the posterior on every level."""
    return model.deterministic or all(q is not None for q in latents.q)


def mean_latents(model: Model, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]) -> Latents:
    """Latents at the posterior's mean, [1, B, ...] on each level.

    Where the mean has no closed form, it is the mean of :data:`DRAWS` draws.

    Args:
        model: infers the latents.
        x: examples [B, *x_shape].
        y: labels or attributes of the examples, for a conditional model.
        noise: makes the noise of a purpose.
    """
    latents = at_the_means(model, x, y, noise("codes"))
    if has_means(model, latents):
        return latents
    means = tuple(q.mu.unsqueeze(0) for q in posterior_moments(model, x, y, noise)[0])
    return replace(latents, z=means, params=None)


def posterior_moments(
    model: Model, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]
) -> tuple[tuple[Normal, ...], Latents]:
    """Mean and log-variance of every level, each [B, ...], and the latents of one draw, which hold the posterior's KL.

    Where the moments are estimated, all examples share the same draws, which come in pairs ±ε. The estimated mean of a
    posterior that does not depend on the example is therefore equal for all examples to the last digit, and the
    estimated mean of a Gaussian is exact.

    Args:
        model: infers the latents.
        x: examples [B, *x_shape].
        y: labels or attributes of the examples, for a conditional model.
        noise: makes the noise of a purpose.
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
        """Draws from N(0, 1) of the given shape."""
        half = self.noise.normal(shape[0] // 2, 1, *shape[2:])
        return torch.cat([half, -half]).expand(shape)

    def uniform(self, *shape: int) -> Tensor:
        """Draws from U[0, 1) of the given shape, each the same for all examples."""
        return self.noise.uniform(shape[0], 1, *shape[2:]).expand(shape)
