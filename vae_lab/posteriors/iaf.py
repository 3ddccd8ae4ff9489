"""Inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934, algorithm 1).

Each block computes [m, s] = MADE(z, h) by a masked network, σ = sigmoid(s), and z' = σ ⊙ z + (1 − σ) ⊙ m. m_j and s_j
depend only on the dimensions of z before j, so that log |det ∂z'/∂z| = Σ_j log σ_j. Every second block uses the reverse
order of the dimensions.
"""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from vae_lab.nets.made import MADE
from vae_lab.posteriors.flow import PosteriorFlow

OPEN = 2.0  # initial s: "sufficiently positive, such as close to +1 or +2" (section 4)


class IAFBlock(nn.Module):
    """One gated step. Its initial m = 0 and σ = sigmoid(2) map a diagonal Gaussian to a diagonal Gaussian.

    Args:
        features: F, the size of the encoder's output, which is the context h of the masked network.
        latent_dim: D, the size of z. With D = 1 no dimension precedes another, and m and s depend only on h.
        width: number of hidden units of the masked network.
        order: position of each dimension in the autoregressive order.
    """

    def __init__(self, features: int, latent_dim: int, width: PositiveInt, order: Sequence[int]) -> None:
        super().__init__()
        self.made = MADE(latent_dim, width, outputs=2, context=features, order=order, act="silu")
        nn.init.zeros_(self.made.last.weight)
        nn.init.zeros_(self.made.last.bias)
        nn.init.constant_(self.made.last.bias[latent_dim:], OPEN)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z [K, B, D] and features h [B, F] to z' [K, B, D] and log |det ∂z'/∂z| [K, B]."""
        m, s = self.made(z, h).float().unbind(-2)
        gate = torch.sigmoid(s)
        return gate * z + (1 - gate) * m, logsigmoid(s).sum(-1)


class IAF(PosteriorFlow):
    """A diagonal Gaussian, followed by gated autoregressive steps.

    Args:
        features: F, the size of the encoder's output.
        latent_dim: D, the size of z.
        blocks: number of steps.
        width: number of hidden units of each step's masked network.
    """

    def __init__(self, features: int, latent_dim: int, blocks: PositiveInt, width: PositiveInt) -> None:
        orders = (range(latent_dim), range(latent_dim - 1, -1, -1))
        super().__init__(
            features, latent_dim, (IAFBlock(features, latent_dim, width, orders[i % 2]) for i in range(blocks))
        )
