"""Planar flow (Rezende & Mohamed 2015, arXiv 1505.05770, section 4.1).

One step is z' = z + û tanh(wᵀz + b), with log |det ∂z'/∂z| = log |1 + (1 − tanh²(wᵀz + b)) wᵀû|. It is invertible if
wᵀû > −1 (appendix A.1). This is ensured by û = u + (m(wᵀu) − wᵀu) w/‖w‖², for which wᵀû = m(wᵀu). u, w and b are linear
functions of the encoder's features, so that every example has a different flow.

Departure: m(x) = −1 + softplus(x + log(e − 1)), where the paper has m(x) = −1 + log(1 + eˣ). Then m(0) = 0, so that
u = 0 gives the identity.
"""

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import softplus

from vae_lab.posteriors.flow import PosteriorFlow

SHIFT = math.log(math.e - 1)


class PlanarStep(nn.Module):
    """One planar step. Its initial u = 0 makes it the identity.

    Args:
        features: F, the size of the encoder's output.
        latent_dim: D, the size of z.
    """

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.u = nn.Linear(features, latent_dim)
        self.w = nn.Linear(features, latent_dim)
        self.b = nn.Linear(features, 1)
        nn.init.zeros_(self.u.weight)
        nn.init.zeros_(self.u.bias)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z [K, B, D] and features h [B, F] to z' [K, B, D] and log |det ∂z'/∂z| [K, B]."""
        u, w, b = self.u(h).float(), self.w(h).float(), self.b(h).float()
        wu = (w * u).sum(-1, keepdim=True)
        bounded = softplus(wu + SHIFT) - 1
        u_hat = u + (bounded - wu) * w / w.square().sum(-1, keepdim=True).clamp(min=1e-12)
        bend = torch.tanh((w * z).sum(-1, keepdim=True) + b)
        slope = (1 - bend.square()) * bounded
        return z + u_hat * bend, torch.log1p(slope).squeeze(-1)


class Planar(PosteriorFlow):
    """A diagonal Gaussian, followed by planar steps.

    Args:
        features: F, the size of the encoder's output.
        latent_dim: D, the size of z.
        blocks: number of steps.
    """

    def __init__(self, features: int, latent_dim: int, blocks: PositiveInt) -> None:
        super().__init__(features, latent_dim, (PlanarStep(features, latent_dim) for _ in range(blocks)))
