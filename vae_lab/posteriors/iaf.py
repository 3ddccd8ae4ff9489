"""Inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934, algorithm 1).

Each block computes [m, s] = MADE(z, h) by a masked network, σ = sigmoid(s), and z' = σ ⊙ z + (1 − σ) ⊙ m. m_j and s_j
depend only on the dimensions of z before j, so that log |det ∂z'/∂z| = Σ_j log σ_j. Every second block uses the reverse
order of the dimensions.

At the start m = 0 and every gate is σ = sigmoid(2) = 0.881, so that T blocks would contract the base to N(P μ, P² σ²)
with P_j = Π_t σ_tj. KL[q ‖ p] would begin with narrow posteriors, the more so the more blocks there are. Therefore the
base begins with μ/P and log σ² − 2 log P in place of the μ and log σ² of the diagonal Gaussian: whatever the number of
blocks, the initial q(z|x) is that Gaussian. This compensation is not in the paper; it only sets initial weights.
"""

from collections.abc import Sequence
from typing import cast

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

    def initial_log_gate(self) -> Tensor:
        """Log σ of each dimension at initialisation, where s is its bias for every z and h: [D]."""
        return logsigmoid(self.made.last.bias.unflatten(0, (2, -1))[1])


class IAF(PosteriorFlow):
    """A diagonal Gaussian, followed by gated autoregressive steps, whose initial q(z|x) is the diagonal Gaussian.

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
        self.after_initialisation()

    def after_initialisation(self) -> None:
        """Make up for the gates in the base, whose weights were just drawn (here, or by ``initialisation=``)."""
        with torch.no_grad():
            log_p = torch.stack([cast(IAFBlock, step).initial_log_gate() for step in self.steps]).sum(0)
            self.base.mu.weight.mul_(torch.exp(-log_p).unsqueeze(1))
            self.base.mu.bias.mul_(torch.exp(-log_p))
            self.base.log_var.bias.sub_(2 * log_p)
