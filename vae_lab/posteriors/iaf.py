"""Inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934, algorithm 1).

Each block reads z through a masked network, [m, s] = MADE(z, h), and z' = σ ⊙ z + (1 − σ) ⊙ m with σ = sigmoid(s). As
m_j and s_j depend on z before j alone, log |det ∂z'/∂z| = Σ_j log σ_j. Every other block runs in the reverse order.
"""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from vae_lab.nets.made import MADE
from vae_lab.posteriors.flow import Flow

OPEN = 2.0  # s at the start: "sufficiently positive, such as close to +1 or +2" (section 4)


class IAFBlock(nn.Module):
    """One gated step. It starts at m = 0 and σ = sigmoid(2), where a diagonal Gaussian stays one.

    Args:
        features: F, of the encoder's output, which is the context itself.
        latent_dim: D. With D = 1 there is nothing before, and the block scales and shifts by h.
        width: hidden units.
        order: place of each dimension.
    """

    def __init__(self, features: int, latent_dim: int, width: PositiveInt, order: Sequence[int]) -> None:
        super().__init__()
        self.made = MADE(latent_dim, width, outputs=2, context=features, order=order, act="silu")
        nn.init.zeros_(self.made.last.weight)
        nn.init.zeros_(self.made.last.bias)
        nn.init.constant_(self.made.last.bias[latent_dim:], OPEN)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z [K, B, D] and features h [B, F] to z' and log |det| [K, B]."""
        m, s = self.made(z, h).float().unbind(-2)
        gate = torch.sigmoid(s)
        return gate * z + (1 - gate) * m, logsigmoid(s).sum(-1)


class IAF(Flow):
    """``blocks`` gated steps of ``width`` hidden units behind a diagonal Gaussian."""

    def __init__(self, features: int, latent_dim: int, blocks: PositiveInt, width: PositiveInt) -> None:
        orders = (range(latent_dim), range(latent_dim - 1, -1, -1))
        super().__init__(
            features, latent_dim, (IAFBlock(features, latent_dim, width, orders[i % 2]) for i in range(blocks))
        )
