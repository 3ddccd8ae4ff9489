"""Real NVP as a posterior flow (Dinh et al. 2017, arXiv 1605.08803, equations 4 to 6).

Each block keeps one half of z and moves the other: z'_b = z_b ⊙ exp(s(z_a, h)) + t(z_a, h), so log |det ∂z'/∂z| = Σ s.
Halves swap roles from block to block. s is a tanh times a learned scale, as in the paper's section 4.1.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import silu

from vae_lab.errors import UserError
from vae_lab.posteriors.flow import Flow


class Coupling(nn.Module):
    """One block; with s = t = 0 it starts as the identity.

    Args:
        features: F, of the encoder's output.
        kept, moved: dimensions of the two parts.
        width: hidden units.
        first: the kept part comes first.
    """

    def __init__(self, features: int, kept: int, moved: int, width: PositiveInt, first: bool) -> None:
        super().__init__()
        self.sizes = [kept, moved] if first else [moved, kept]
        self.first = first
        self.z = nn.Linear(kept, width)
        self.h = nn.Linear(features, width, bias=False)
        self.out = nn.Linear(width, 2 * moved)
        self.scale = nn.Parameter(torch.ones(moved))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z [K, B, D] and features h [B, F] to z' and log |det| [K, B]."""
        kept, moved = z.split(self.sizes, -1) if self.first else z.split(self.sizes, -1)[::-1]
        raw, shift = self.out(silu(self.z(kept) + self.h(h))).float().chunk(2, -1)
        log_scale = self.scale * torch.tanh(raw)
        moved = moved * torch.exp(log_scale) + shift
        return torch.cat([kept, moved] if self.first else [moved, kept], -1), log_scale.sum(-1)


class RealNVP(Flow):
    """``blocks`` coupling layers of ``width`` hidden units behind a diagonal Gaussian.

    Raises:
        UserError: one latent dimension has no halves.
    """

    def __init__(self, features: int, latent_dim: int, blocks: PositiveInt, width: PositiveInt) -> None:
        if latent_dim < 2:
            raise UserError("posterior=real_nvp couples two halves of the code; type latent_dim=2 or more, or "
                            "posterior=planar")  # fmt: skip
        low = latent_dim // 2
        parts = [(low, latent_dim - low, True), (latent_dim - low, low, False)]
        super().__init__(
            features,
            latent_dim,
            (Coupling(features, kept, moved, width, first)
             for kept, moved, first in (parts[i % 2] for i in range(blocks))),
        )  # fmt: skip
