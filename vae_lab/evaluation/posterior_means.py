"""The mean and the variance of q(z|x): read off a Gaussian, over draws of a posterior that has no such head (flows)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vae_lab.types import Latents, Noise, Normal

DRAWS = 32


def posterior_moments(
    model: Any, x: Tensor, y: Tensor | None, noise: Callable[[str], Noise]
) -> tuple[tuple[Normal, ...], Latents]:
    """μ and log σ² of every level, each [B, ...], and the latents of one draw that they come with.

    The draws of a flow are the same for all images and come in pairs ±ε: the mean of a posterior that does not depend
    on the image is the same for all images, to the last digit, and that of a Gaussian is exact.
    """
    latents = model.infer(x, y, 1, noise("codes"))
    if all(q is not None for q in latents.q):
        return tuple(q for q in latents.q if q is not None), latents
    z = model.infer(x, y, DRAWS, _Shared(noise("codes, the same for all images"))).z
    found = zip(latents.q, z)
    return tuple(q or Normal(z.mean(0), z.var(0).clamp(min=1e-12).log()) for q, z in found), latents


class _Shared:
    """Draws [K, B, ...] that are the same for every image of the batch, half of them the mirror of the others."""

    def __init__(self, noise: Noise) -> None:
        self.noise = noise

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1)."""
        half = self.noise.normal(shape[0] // 2, 1, *shape[2:])
        return torch.cat([half, -half]).expand(shape)

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1)."""
        return self.noise.uniform(shape[0], 1, *shape[2:]).expand(shape)
